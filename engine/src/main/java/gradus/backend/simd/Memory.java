package gradus.backend.simd;

/**
 * Elements {@code [offset, offset + length)} of a Java array. Slabs begin at {@link Lanes#BASE} of their array, so that
 * slices at multiples of 16 elements begin on a cache line.
 */
record Memory(float[] array, int offset, int length) {}
