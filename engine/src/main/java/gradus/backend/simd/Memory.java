package gradus.backend.simd;

/**
 * Elements {@code [offset, offset + length)} of a Java array. Slabs begin at {@link Lanes#BASE} of their array, so that
 * slices at multiples of 16 elements begin on a cache line.
 */
record Memory(float[] array, int offset, int length) {
    /** Rows that {@link #fetch} reads side by side. */
    private static final int STREAMS = 8;

    /**
     * Brings n elements, from number {@code from} on, into this core's caches, for a pass that is to follow. Loops that load and
     * compute have a dozen lines under way, as many as there are within the few hundred instructions that a core looks ahead; this one, a load a
     * line, has as many as the core can wait for, in eight places at once, so that eight pages' lines are fetched ahead, and memory
     * delivers twice as fast.
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
        int r = 0;
        for (; r <= rows - STREAMS; r += STREAMS) {
            any += streams(array, from + r * pitch, n, pitch);
        }
        for (; r < rows; r++) {
            any += stream(array, from + r * pitch, n);
        }
        return any;
    }

    private static float fetch(float[] array, int from, int n) {
        int part = n / STREAMS & -16;
        return streams(array, from, part, part) + stream(array, from + STREAMS * part, n - STREAMS * part);
    }

    private static float streams(float[] array, int from, int n, int pitch) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        for (int i = from; i < from + n; i += 16) {
            a += array[i] + array[i + 4 * pitch];
            b += array[i + pitch] + array[i + 5 * pitch];
            c += array[i + 2 * pitch] + array[i + 6 * pitch];
            d += array[i + 3 * pitch] + array[i + 7 * pitch];
        }
        return a + b + c + d;
    }

    private static float stream(float[] array, int from, int n) {
        float a = 0;
        for (int i = from; i < from + n; i += 16) {
            a += array[i];
        }
        return a;
    }
}
