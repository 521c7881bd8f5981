package gradus.backend.reference;

/**
 * Batch normalization (Ioffe and Szegedy, 2015). x is (rows, c): for images rows = n h w, and every channel has
 * statistics of its own. m is (2, c): the means, then the variances. gamma and beta are (c).
 */
final class Normalization {
    private Normalization() {}

    /** m[0, k] = mean over r of x[r, k]; m[1, k] = mean over r of (x[r, k] - m[0, k])^2. */
    static void moments(int rows, int c, Doubles x, Doubles m) {
        m.fill(2 * c, 0);
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                m.add(k, x.get(r * c + k));
            }
        }
        for (int k = 0; k < c; k++) {
            m.set(k, m.get(k) / rows);
        }
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                double d = x.get(r * c + k) - m.get(k);
                m.add(c + k, d * d);
            }
        }
        for (int k = 0; k < c; k++) {
            m.set(c + k, m.get(c + k) / rows);
        }
    }

    /** y[0, i] = mean over r of x[r, i]; y[1 + i, j] = mean over r of (x[r, i] - y[0, i]) (x[r, j] - y[0, j]). */
    static void covariance(int rows, int c, Doubles x, Doubles y) {
        y.fill((c + 1) * c, 0);
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < c; i++) {
                y.add(i, x.get(r * c + i));
            }
        }
        for (int i = 0; i < c; i++) {
            y.set(i, y.get(i) / rows);
        }
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < c; i++) {
                double d = x.get(r * c + i) - y.get(i);
                for (int j = 0; j < c; j++) {
                    y.add((1 + i) * c + j, d * (x.get(r * c + j) - y.get(j)));
                }
            }
        }
        for (int k = c; k < (c + 1) * c; k++) {
            y.set(k, y.get(k) / rows);
        }
    }

    /**
     * dx[r, k] = (dm[0, k] + 2 dm[1, k] (x[r, k] - m[0, k])) / rows. The variance depends on x through the mean as
     * well, but that part vanishes: the deviations from the mean add up to 0.
     */
    static void momentsGradient(int rows, int c, Doubles dm, Doubles x, Doubles m, Doubles dx) {
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                dx.set(i, (dm.get(k) + 2 * dm.get(c + k) * (x.get(i) - m.get(k))) / rows);
            }
        }
    }

    /** y[r, k] = gamma[k] (x[r, k] - m[0, k]) / sqrt(m[1, k] + epsilon) + beta[k]. */
    static void batchNorm(
            int rows, int c, double epsilon, Doubles x, Doubles m, Doubles gamma, Doubles beta, Doubles y) {
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                y.set(i, batchNorm(x.get(i), k, c, epsilon, m, gamma, beta));
            }
        }
    }

    private static double batchNorm(double x, int k, int c, double epsilon, Doubles m, Doubles gamma, Doubles beta) {
        return gamma.get(k) * normalized(x, k, c, epsilon, m) + beta.get(k);
    }

    /** The same with the standard deviation rounded to float32, as float32 engines keep it. */
    static void batchNormFloat(
            int rows, int c, double epsilon, Doubles x, Doubles m, Doubles gamma, Doubles beta, Doubles y) {
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                y.set(i, batchNormFloat(x.get(i), k, c, epsilon, m, gamma, beta));
            }
        }
    }

    private static double batchNormFloat(
            double x, int k, int c, double epsilon, Doubles m, Doubles gamma, Doubles beta) {
        float deviation = (float) Math.sqrt(m.get(c + k) + epsilon);
        return gamma.get(k) * (x - m.get(k)) / deviation + beta.get(k);
    }

    /**
     * s[0, k] = sum over r of dy[r, k]; s[1, k] = sum over r of dy[r, k] (x[r, k] - m[0, k]) / sqrt(m[1, k] + epsilon).
     */
    static void batchNormSums(int rows, int c, double epsilon, Doubles dy, Doubles x, Doubles m, Doubles s) {
        s.fill(2 * c, 0);
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                s.add(k, dy.get(i));
                s.add(c + k, dy.get(i) * normalized(x.get(i), k, c, epsilon, m));
            }
        }
    }

    /**
     * dx = gamma / sqrt(v + epsilon) (dy - s[0] / rows - xhat s[1] / rows): what dy does directly, less the part that
     * moves the mean and less the part, along xhat, that stretches the deviation; normalization undoes both.
     */
    static void batchNormGradient(
            int rows, int c, double epsilon, Doubles dy, Doubles x, Doubles m, Doubles gamma, Doubles s, Doubles dx) {
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                dx.set(i, gradient(rows, dy.get(i), x.get(i), k, c, epsilon, m, gamma, s));
            }
        }
    }

    private static double gradient(
            int rows, double dy, double x, int k, int c, double epsilon, Doubles m, Doubles gamma, Doubles s) {
        double xhat = normalized(x, k, c, epsilon, m);
        double direct = dy - s.get(k) / rows - xhat * s.get(c + k) / rows;
        return gamma.get(k) / Math.sqrt(m.get(c + k) + epsilon) * direct;
    }

    /** s as {@link #batchNormSums} of dz, which is dy where relu(batchNorm(x)) lets it pass and 0 elsewhere. */
    static void batchNormReluSums(
            int rows,
            int c,
            double epsilon,
            boolean single,
            Doubles dy,
            Doubles x,
            Doubles m,
            Doubles gamma,
            Doubles beta,
            Doubles s) {
        s.fill(2 * c, 0);
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                double dz = passes(x.get(i), k, c, epsilon, single, m, gamma, beta) ? dy.get(i) : 0;
                s.add(k, dz);
                s.add(c + k, dz * normalized(x.get(i), k, c, epsilon, m));
            }
        }
    }

    /** dx as {@link #batchNormGradient} of dz. */
    static void batchNormReluGradient(
            int rows,
            int c,
            double epsilon,
            boolean single,
            Doubles dy,
            Doubles x,
            Doubles m,
            Doubles gamma,
            Doubles beta,
            Doubles s,
            Doubles dx) {
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < c; k++) {
                int i = r * c + k;
                double dz = passes(x.get(i), k, c, epsilon, single, m, gamma, beta) ? dy.get(i) : 0;
                dx.set(i, gradient(rows, dz, x.get(i), k, c, epsilon, m, gamma, s));
            }
        }
    }

    /** Whether ReLU passes on batchNorm(x): it does if that is positive, or NaN. */
    private static boolean passes(
            double x, int k, int c, double epsilon, boolean single, Doubles m, Doubles gamma, Doubles beta) {
        double z = single
                ? (float) batchNormFloat(x, k, c, epsilon, m, gamma, beta)
                : batchNorm(x, k, c, epsilon, m, gamma, beta);
        return !(z <= 0);
    }

    /** xhat = (x - mean) / sqrt(variance + epsilon) of channel k. */
    private static double normalized(double x, int k, int c, double epsilon, Doubles m) {
        return (x - m.get(k)) / Math.sqrt(m.get(c + k) + epsilon);
    }
}
