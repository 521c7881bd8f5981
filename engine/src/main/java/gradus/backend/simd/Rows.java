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

    /**
     * An operand of a product, whose memory may not have been filled yet when that begins: a worker that is about to copy rows makes
     * them first, if every row is copied once; what is copied is then in its cache, and workers that wait for memory share it with
     * others that compute. Otherwise all are made before.
     */
    abstract class Operand {
        private Rows rows;
        private Memory made;

        /** Of the next product; null to end that. */
        final void madeBy(Rows rows, Memory made) {
            this.rows = rows;
            this.made = made;
        }

        /** What makes the rows, unless they have been made. */
        final Rows rows() {
            return rows;
        }

        final Memory made() {
            return made;
        }

        /** Makes all rows that are still to be made. */
        final void makeRows() {
            Rows rows = this.rows;
            this.rows = null;
            if (rows != null) {
                rows.make();
            }
        }
    }
}
