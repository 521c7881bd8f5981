package gradus.backend.simd;

/**
 * Elements {@code [offset, offset + length)} of a Java array. Slabs begin at {@link Lanes#BASE} of their array, so that
 * slices at multiples of 16 elements begin on a cache line.
 */
record Memory(float[] array, int offset, int length) {
    /**
     * Brings n elements, from number {@code from} on, into this core's caches, for a pass that is to follow. Loops that load and
     * compute have a dozen lines under way, as many as there are within the few hundred instructions that a core looks ahead; this one, a load a
     * line, has as many as the core can wait for, and memory delivers twice as fast.
     *
     * @return nothing of interest; to be stored somewhere, or the compiler would leave out the loads
     */
    float fetch(int from, int n) {
        return fetch(array, offset + from, n);
    }

    /** The same for rows of n elements at a distance. */
    static float fetch(float[] array, int from, int rows, int n, int pitch) {
        if (n == pitch) {
            return fetch(array, from, rows * n);
        }
        float any = 0;
        for (int r = 0; r < rows; r++) {
            any += fetch(array, from + r * pitch, n);
        }
        return any;
    }

    private static float fetch(float[] array, int from, int n) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        int end = from + n;
        for (int i = from; i <= end - 64; i += 64) {
            a += array[i];
            b += array[i + 16];
            c += array[i + 32];
            d += array[i + 48];
        }
        return a + b + c + d;
    }
}
