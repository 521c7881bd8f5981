package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;

/**
 * e^x on vectors, and what is made of it. Built from additions and multiplications alone rather than from
 * {@code lanewise(EXP)}: that gives other bits before than after the compiler has seen it, and a run could not be repeated.
 * What a loop leaves over is computed by the same operations on single numbers, so that a result does not depend on where
 * the number stands.
 */
final class Exponential {
    private static final float LOG2_E = 1.44269504f;

    /** ln 2 in two parts; the first has so few bits that its multiples are exact. */
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;

    /** Just above ln 2^-126; what would be smaller than that is 0. */
    private static final float LEAST = -87.3365f;

    /** Adding and subtracting 1.5 * 2^23 rounds to an integer, which the low bits of the sum then hold. */
    private static final float ROUND = 0x1.8p23f;

    private Exponential() {}

    /**
     * e^x = 2^n e^r with n the integer next to x / ln 2 and |r| up to 0.35, e^r by a minimax polynomial (Moshier, Cephes).
     * Within 2 units in the last place; infinite above 88.7, 0 below -87.3; NaN stays NaN. Denormal results would be no use: a
     * processor takes 150 cycles for each operation on them, and probabilities of 10^-40 are what a network that is sure of
     * itself has by the thousand.
     */
    static FloatVector exp(FloatVector x) {
        FloatVector t = x.max(LEAST).min(90f);
        FloatVector rounded = t.mul(LOG2_E).add(ROUND);
        FloatVector n = rounded.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), t);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector poly = FloatVector.broadcast(SPECIES, 1.9875691500e-4f);
        poly = poly.fma(r, FloatVector.broadcast(SPECIES, 1.3981999507e-3f));
        poly = poly.fma(r, FloatVector.broadcast(SPECIES, 8.3334519073e-3f));
        poly = poly.fma(r, FloatVector.broadcast(SPECIES, 4.1665795894e-2f));
        poly = poly.fma(r, FloatVector.broadcast(SPECIES, 1.6666665459e-1f));
        poly = poly.fma(r, FloatVector.broadcast(SPECIES, 5.0000001201e-1f));
        FloatVector y = poly.fma(r.mul(r), r).add(1);
        // 2^n in two factors, for n may exceed a float's exponent range: n / 2 rounded, and the rest
        FloatVector half = n.mul(0.5f).add(ROUND);
        FloatVector rest = n.sub(half.sub(ROUND)).add(ROUND);
        return y.mul(power(half)).mul(power(rest)).blend(0, x.lt(LEAST));
    }

    /** 2^n for n in the low bits of {@code ROUND + n}. */
    private static FloatVector power(FloatVector rounded) {
        return rounded.reinterpretAsInts().add(127).lanewise(LSHL, 23).reinterpretAsFloats();
    }

    /** The same operations, and so the same bits, for one number. */
    static float exp(float x) {
        float t = Math.min(Math.max(x, LEAST), 90f);
        float rounded = t * LOG2_E + ROUND;
        float n = rounded - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, t));
        float poly = 1.9875691500e-4f;
        poly = Math.fma(poly, r, 1.3981999507e-3f);
        poly = Math.fma(poly, r, 8.3334519073e-3f);
        poly = Math.fma(poly, r, 4.1665795894e-2f);
        poly = Math.fma(poly, r, 1.6666665459e-1f);
        poly = Math.fma(poly, r, 5.0000001201e-1f);
        float y = Math.fma(poly, r * r, r) + 1;
        float half = n * 0.5f + ROUND;
        float rest = n - (half - ROUND) + ROUND;
        return x < LEAST ? 0 : y * power(half) * power(rest);
    }

    private static float power(float rounded) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(rounded) + 127 << 23);
    }

    static void exp(float[] x, int xo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < Lanes.bound(n); i += L) {
            exp(FloatVector.fromArray(SPECIES, x, xo + i)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = exp(x[xo + i]);
        }
    }

    static void sigmoid(float[] x, int xo, float[] y, int yo, int n) {
        FloatVector one = FloatVector.broadcast(SPECIES, 1);
        int i = 0;
        for (; i < Lanes.bound(n); i += L) {
            FloatVector e = exp(FloatVector.fromArray(SPECIES, x, xo + i).neg());
            one.div(e.add(1)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = 1 / (exp(-x[xo + i]) + 1);
        }
    }

    static void silu(float[] x, int xo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < Lanes.bound(n); i += L) {
            FloatVector u = FloatVector.fromArray(SPECIES, x, xo + i);
            u.div(exp(u.neg()).add(1)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = x[xo + i] / (exp(-x[xo + i]) + 1);
        }
    }
}
