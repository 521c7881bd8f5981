package gradus.backend.reference;

/** Softmax, its logarithm, and class indices as one-hot rows. x and y are (rows, classes); every row is an example of its own. */
final class Loss {
    private Loss() {}

    /** y[r, k] = e^(x[r, k] - max) / sum over j of e^(x[r, j] - max). Without the maximum, e^x would overflow. */
    static void softmax(int rows, int classes, Doubles x, Doubles y) {
        for (int r = 0; r < rows; r++) {
            double max = max(r, classes, x);
            double sum = sumOfExponentials(r, classes, max, x);
            for (int k = 0; k < classes; k++) {
                int i = r * classes + k;
                y.set(i, Math.exp(x.get(i) - max) / sum);
            }
        }
    }

    /** y[r, k] = x[r, k] - max - ln sum over j of e^(x[r, j] - max), finite also where softmax itself would be 0. */
    static void logSoftmax(int rows, int classes, Doubles x, Doubles y) {
        for (int r = 0; r < rows; r++) {
            double max = max(r, classes, x);
            double logSum = Math.log(sumOfExponentials(r, classes, max, x));
            for (int k = 0; k < classes; k++) {
                int i = r * classes + k;
                y.set(i, x.get(i) - max - logSum);
            }
        }
    }

    /** y[r, k] = labels[r] = k ? 1 : 0; the whole row NaN where labels[r] is no integer in [0, classes). labels is (rows). */
    static void oneHot(int rows, int classes, Doubles labels, Doubles y) {
        for (int r = 0; r < rows; r++) {
            double label = labels.get(r);
            boolean exists = label >= 0 && label < classes && label == Math.rint(label);
            for (int k = 0; k < classes; k++) {
                y.set(r * classes + k, !exists ? Double.NaN : label == k ? 1 : 0);
            }
        }
    }

    private static double max(int row, int classes, Doubles x) {
        double max = Double.NEGATIVE_INFINITY;
        for (int k = 0; k < classes; k++) {
            max = Math.max(max, x.get(row * classes + k));
        }
        return max;
    }

    private static double sumOfExponentials(int row, int classes, double max, Doubles x) {
        double sum = 0;
        for (int k = 0; k < classes; k++) {
            sum += Math.exp(x.get(row * classes + k) - max);
        }
        return sum;
    }
}
