package gradus.backend;

/** The error function, which the JDK lacks. */
public final class Erf {
    private Erf() {}

    /**
     * erf(x) = 2 / sqrt(pi) * integral of e^(-t^2) from 0 to x. Near 0 by its Maclaurin series, further out by the
     * continued fraction of erfc evaluated from its tail; both to about 1e-15.
     */
    public static double erf(double x) {
        double a = Math.abs(x);
        if (!(a < 6)) {
            return Double.isNaN(x) ? x : Math.signum(x);
        }
        if (a < 2.5) {
            // erf x = 2/sqrt(pi) e^(-x^2) sum_k 2^k x^(2k+1) / (1 3 5 ... (2k+1)): all terms positive, no cancellation
            double term = x;
            double sum = x;
            for (int k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
                term *= 2 * x * x / (2 * k + 1);
                sum += term;
            }
            return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
        }
        double fraction = a;
        for (int k = 60; k >= 1; k--) {
            fraction = a + 0.5 * k / fraction;
        }
        return Math.signum(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * fraction));
    }
}
