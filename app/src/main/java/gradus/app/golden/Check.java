package gradus.app.golden;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Locale;

/**
 * One tensor that is compared with the truth, element by element: {@code |actual - expected| <= tolerance}. Written so
 * that NaN fails; -0.0 equals 0.0.
 */
record Check(String tensor, Tensor expected, Tensor actual, Tolerance tolerance) {
    static Check of(String tensor, Tensor expected, Tensor actual, double bound) {
        return new Check(tensor, expected, actual, Tolerance.absolute(bound));
    }

    static Check of(String tensor, double expected, double actual, double bound) {
        return of(tensor, Tensor.scalar(expected), Tensor.scalar(actual), bound);
    }

    /**
     * @param ratio largest error as a multiple of its tolerance: above 1 is a failure, infinite for a NaN or a wrong
     *     shape
     * @param message what failed, or "" if nothing did
     */
    record Verdict(double ratio, String message) {
        boolean passed() {
            return message.isEmpty();
        }
    }

    Verdict verdict() {
        Shape shape = expected.shape();
        if (!shape.equals(actual.shape())) {
            return new Verdict(Double.POSITIVE_INFINITY, tensor + ": shape " + actual.shape() + ", expected " + shape);
        }
        double worst = 0;
        int at = -1;
        int failed = 0;
        for (int i = 0; i < expected.size(); i++) {
            double ratio = ratio(i);
            failed += ratio <= 1 ? 0 : 1;
            if (ratio > worst) {
                worst = ratio;
                at = i;
            }
        }
        if (failed == 0) {
            return new Verdict(worst, "");
        }
        return new Verdict(
                worst,
                String.format(
                        Locale.ROOT,
                        "%s%s: expected %s, got %s, off by %.3g, tolerance %.3g (%d of %d elements fail)",
                        tensor,
                        index(shape, at),
                        number(expected, at),
                        number(actual, at),
                        Math.abs(actual.get(at) - expected.get(at)),
                        tolerance.at(at),
                        failed,
                        expected.size()));
    }

    private double ratio(int i) {
        double error = Math.abs(actual.get(i) - expected.get(i));
        if (error == 0) {
            return 0;
        }
        double ratio = error / tolerance.at(i);
        return Double.isFinite(error) && ratio >= 0 ? ratio : Double.POSITIVE_INFINITY;
    }

    private static String number(Tensor t, int i) {
        return t.size() == 0 ? "-" : Double.toString(t.get(i));
    }

    /** The place of a row-major index: {@code [0, 3, 1]}, "" for a scalar. */
    private static String index(Shape shape, int i) {
        if (shape.rank() == 0) {
            return "";
        }
        var text = new StringBuilder("]");
        int rest = i;
        for (int axis = shape.rank() - 1; axis >= 0; axis--) {
            text.insert(0, rest % shape.dim(axis)).insert(0, axis == 0 ? "[" : ", ");
            rest /= shape.dim(axis);
        }
        return text.toString();
    }
}
