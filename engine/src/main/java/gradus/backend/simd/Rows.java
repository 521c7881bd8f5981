package gradus.backend.simd;

/**
 * Makes the rows of a matrix, or the pixels of images, independently of each other: an operand that is not in memory until
 * whoever reads it asks for some of its rows, which then are in its cache.
 */
interface Rows {
    void make(int row, int n);

    /** To another place, {@code pitch} from one to the next. */
    void make(int row, int n, float[] to, int at, int pitch);

    /** All of them, by all workers. */
    void make();

    /** {@linkplain Memory#fetch Fetches} what rows are made of. */
    float fetch(int row, int n);

    /** An operand that may have to be made, by these rows in that memory. */
    interface Holder {
        void madeBy(Rows rows, Memory made);
    }
}
