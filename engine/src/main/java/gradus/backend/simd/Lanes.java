package gradus.backend.simd;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width, chosen once: the widest the machine has, or {@code -Dgradus.simd.bits=128|256|512}. It must be a
 * {@code static final} for the compiler to see through it. The results of reductions depend on it in the last bits.
 */
final class Lanes {
    static final VectorSpecies<Float> SPECIES = choose();

    /** Floats in a vector. */
    static final int L = SPECIES.length();

    /**
     * First element of a large array that lies on a 64-byte line: the collector places large arrays on its region
     * boundaries, and 16 bytes of header come first. Where that guess is wrong, kernels lose a few percent.
     */
    static final int BASE = 12;

    private Lanes() {}

    private static VectorSpecies<Float> choose() {
        return switch (Integer.getInteger("gradus.simd.bits", 0)) {
            case 128 -> FloatVector.SPECIES_128;
            case 256 -> FloatVector.SPECIES_256;
            case 512 -> FloatVector.SPECIES_512;
            default ->
                FloatVector.SPECIES_PREFERRED.length() >= 4 ? FloatVector.SPECIES_PREFERRED : FloatVector.SPECIES_128;
        };
    }

    /** Largest multiple of the vector length up to n. */
    static int bound(int n) {
        return n & -L;
    }

    /** A new array whose elements from {@link #BASE} on number at least n, and whose every vector may be read whole. */
    static float[] array(int n) {
        return new float[Math.addExact(n, BASE + 64)];
    }
}
