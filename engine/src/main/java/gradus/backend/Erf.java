package gradus.backend;

/** The error function and its complement, which the JDK lacks. */
public final class Erf {
    private static final double FAR = 1.5; // from here on erfc is small, and its continued fraction short

    private Erf() {}

    /** erf(x) = 2 / sqrt(pi) * integral of e^(-t^2) from 0 to x, to about 1e-15. */
    public static double erf(double x) {
        return Math.abs(x) < FAR ? series(x) : Math.copySign(1 - tail(Math.abs(x)), x);
    }

    /** erfc(x) = 1 - erf(x), to about 1e-14 of itself also where it is small. */
    public static double erfc(double x) {
        return x < FAR ? 1 - erf(x) : tail(x);
    }

    /** 2/sqrt(pi) e^(-x^2) sum_k 2^k x^(2k+1) / (1 3 5 ... (2k+1)): all terms of one sign, no cancellation. */
    private static double series(double x) {
        double term = x;
        double sum = x;
        for (int k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
            term *= 2 * x * x / (2 * k + 1);
            sum += term;
        }
        return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }

    /** erfc of x >= {@link #FAR}, by its continued fraction evaluated from its end. */
    private static double tail(double x) {
        double fraction = x;
        for (int k = 80; k >= 1; k--) {
            fraction = x + 0.5 * k / fraction;
        }
        double square = x * x;
        double error = square < Double.MAX_VALUE ? Math.fma(x, x, -square) : 0; // e^-700 would show a rounding of 700
        return Math.exp(-square) * (1 - error) / (Math.sqrt(Math.PI) * fraction);
    }
}
