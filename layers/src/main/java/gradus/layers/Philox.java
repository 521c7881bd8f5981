package gradus.layers;

import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * The counter-based random generator Philox4x32-10 (Salmon et al., 2011) and the distributions TensorFlow draws from
 * it, in TensorFlow's order, so that a seeded initializer gives the numbers it gives in Keras: uniform ones bit for
 * bit, normal ones up to the last bits of sine, cosine and logarithm.
 *
 * <p>A block of four 32-bit words is a function of a 64-bit key and a 128-bit counter alone: ten rounds, each of two
 * multiplications whose high and low halves change places, and a key that grows by a constant.
 */
public final class Philox {
    private static final int MULTIPLIER_0 = 0xD2511F53;
    private static final int MULTIPLIER_1 = 0xCD9E8D57;
    private static final int KEY_STEP_0 = 0x9E3779B9; // golden ratio
    private static final int KEY_STEP_1 = 0xBB67AE85; // sqrt(3) - 1
    private static final int ROUNDS = 10;

    private final int key0;
    private final int key1;
    private final int[] start;

    /** A stream whose block i has this key and the counter {@code start + i}; word 0 is the lowest of the counter. */
    public Philox(int key0, int key1, int... start) {
        this.key0 = key0;
        this.key1 = key1;
        this.start = start.clone();
    }

    /**
     * The stream of a stateless TensorFlow generator with seed pair (seed, 0), that of Keras since 2.10: one block
     * under a fixed key turns the seed into key and start counter.
     */
    public static Philox stateless(long seed) {
        var m = new int[4];
        new Philox(0x3EC8F720, 0x02461E29, (int) seed, (int) (seed >>> 32), 0, 0).block(0, m);
        return new Philox(m[0], m[1], 0, 0, m[2], m[3]);
    }

    /** The stream that begins {@code blocks} later. */
    public Philox skip(long blocks) {
        return new Philox(key0, key1, counter(blocks));
    }

    /** start + i in 128 bits. */
    private int[] counter(long i) {
        long low = (start[0] & 0xFFFFFFFFL) | (long) start[1] << 32;
        long high = (start[2] & 0xFFFFFFFFL) | (long) start[3] << 32;
        long sum = low + i;
        if (Long.compareUnsigned(sum, low) < 0) {
            high++;
        }
        return new int[] {(int) sum, (int) (sum >>> 32), (int) high, (int) (high >>> 32)};
    }

    /** The four words of block i. */
    public void block(long i, int[] words) {
        int[] c = counter(i);
        int k0 = key0;
        int k1 = key1;
        for (int round = 0; round < ROUNDS; round++) {
            long p0 = (MULTIPLIER_0 & 0xFFFFFFFFL) * (c[0] & 0xFFFFFFFFL);
            long p1 = (MULTIPLIER_1 & 0xFFFFFFFFL) * (c[2] & 0xFFFFFFFFL);
            c[0] = (int) (p1 >>> 32) ^ c[1] ^ k0;
            c[1] = (int) p1;
            c[2] = (int) (p0 >>> 32) ^ c[3] ^ k1;
            c[3] = (int) p0;
            k0 += KEY_STEP_0;
            k1 += KEY_STEP_1;
        }
        System.arraycopy(c, 0, words, 0, 4);
    }

    /** Values in [low, high), computed in the type asked for: u (high - low) + low. */
    public Tensor uniform(Shape shape, DType dtype, double low, double high) {
        return dtype == DType.F32 ? uniformFloats(shape, (float) low, (float) high) : uniformDoubles(shape, low, high);
    }

    private Tensor uniformFloats(Shape shape, float low, float high) {
        var y = new float[shape.size()];
        var words = new int[4];
        float range = high - low;
        for (int i = 0; i < y.length; i++) {
            if (i % 4 == 0) {
                block(i / 4, words);
            }
            y[i] = unitFloat(words[i % 4]) * range + low;
        }
        return Tensor.of(shape, y);
    }

    private Tensor uniformDoubles(Shape shape, double low, double high) {
        var y = new double[shape.size()];
        var words = new int[4];
        double range = high - low;
        for (int i = 0; i < y.length; i++) {
            if (i % 2 == 0) {
                block(i / 2, words);
            }
            y[i] = unitDouble(words[i % 2 * 2], words[i % 2 * 2 + 1]) * range + low;
        }
        return Tensor.of(shape, y);
    }

    /** [0, 1) with 23 random bits: the mantissa of a number in [1, 2), minus 1. */
    private static float unitFloat(int word) {
        return Float.intBitsToFloat(word & 0x7FFFFF | 0x3F800000) - 1;
    }

    /** [0, 1) with 52 random bits. */
    private static double unitDouble(int high, int low) {
        long mantissa = (high & 0xFFFFFL) << 32 | low & 0xFFFFFFFFL;
        return Double.longBitsToDouble(mantissa | 1023L << 52) - 1;
    }

    /** mean + deviation z with z normally distributed. */
    public Tensor normal(Shape shape, DType dtype, double mean, double deviation) {
        var z = new double[shape.size()];
        var words = new int[4];
        var pair = new double[4];
        int perBlock = perBlock(dtype);
        for (int i = 0; i < z.length; i++) {
            if (i % perBlock == 0) {
                block(i / perBlock, words);
                boxMuller(dtype, words, pair);
            }
            z[i] = pair[i % perBlock];
        }
        return scaled(shape, dtype, z, mean, deviation);
    }

    /**
     * As {@link #normal}, but z outside (-2, 2) is drawn again. So that every value can be computed alone, each group
     * of values (as many as one block gives) has 256 values' worth of blocks of its own.
     */
    public Tensor truncatedNormal(Shape shape, DType dtype, double mean, double deviation) {
        var z = new double[shape.size()];
        var words = new int[4];
        var candidates = new double[4];
        int perBlock = perBlock(dtype);
        for (int from = 0; from < z.length; from += perBlock) {
            long block = (long) (from / perBlock) * 64 * perBlock;
            int to = Math.min(from + perBlock, z.length);
            for (int i = from; i < to; block++) {
                block(block, words);
                boxMuller(dtype, words, candidates);
                for (int k = 0; k < perBlock && i < to; k++) {
                    if (Math.abs(candidates[k]) < 2) {
                        z[i++] = candidates[k];
                    }
                }
            }
        }
        return scaled(shape, dtype, z, mean, deviation);
    }

    private static int perBlock(DType dtype) {
        return dtype == DType.F32 ? 4 : 2;
    }

    /**
     * Two uniform numbers to two normal ones (Box and Muller, 1958): r sin(2 pi u1), r cos(2 pi u1) with
     * r = sqrt(-2 ln u0).
     */
    private static void boxMuller(DType dtype, int[] w, double[] z) {
        if (dtype == DType.F32) { // rounded where float arithmetic rounds
            for (int k = 0; k < 4; k += 2) {
                float u0 = Math.max(unitFloat(w[k]), 1e-7f);
                float angle = (float) (2 * Math.PI * unitFloat(w[k + 1]));
                float r = (float) Math.sqrt(-2f * (float) Math.log(u0));
                z[k] = (float) Math.sin(angle) * r;
                z[k + 1] = (float) Math.cos(angle) * r;
            }
        } else {
            double u0 = Math.max(unitDouble(w[0], w[1]), 1e-7);
            double angle = 2 * Math.PI * unitDouble(w[2], w[3]);
            double r = Math.sqrt(-2 * Math.log(u0));
            z[0] = Math.sin(angle) * r;
            z[1] = Math.cos(angle) * r;
        }
    }

    private static Tensor scaled(Shape shape, DType dtype, double[] z, double mean, double deviation) {
        if (dtype == DType.F64) {
            for (int i = 0; i < z.length; i++) {
                z[i] = z[i] * deviation + mean;
            }
            return Tensor.of(shape, z);
        }
        var y = new float[z.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = (float) z[i] * (float) deviation + (float) mean;
        }
        return Tensor.of(shape, y);
    }
}
