package gradus.backend.simd;

import java.util.Arrays;

/** Softmax and its relatives along the rows of (rows, classes), a few rows per part. */
final class Loss implements Workers.Task {
    private enum Kind {
        SOFTMAX,
        LOG_SOFTMAX,
        ONE_HOT
    }

    private final Workers workers;

    private Kind kind;
    private int rows;
    private int classes;
    private int group;
    private Memory x;
    private Memory y;

    Loss(Workers workers) {
        this.workers = workers;
    }

    void softmax(int rows, int classes, Memory x, Memory y) {
        run(Kind.SOFTMAX, rows, classes, x, y);
    }

    void logSoftmax(int rows, int classes, Memory x, Memory y) {
        run(Kind.LOG_SOFTMAX, rows, classes, x, y);
    }

    void oneHot(int rows, int classes, Memory labels, Memory y) {
        run(Kind.ONE_HOT, rows, classes, labels, y);
    }

    private void run(Kind kind, int rows, int classes, Memory x, Memory y) {
        this.kind = kind;
        this.rows = rows;
        this.classes = classes;
        this.x = x;
        this.y = y;
        group = Math.max(1, Elementwise.CHUNK / Math.max(1, classes));
        workers.run(this, MatMul.ceil(rows, group));
        this.x = null;
        this.y = null;
    }

    @Override
    public void run(int part, int worker) {
        for (int row = part * group; row < Math.min(rows, (part + 1) * group); row++) {
            int xo = x.offset() + row * classes;
            int yo = y.offset() + row * classes;
            switch (kind) {
                case SOFTMAX -> softmax(x.array(), xo, y.array(), yo);
                case LOG_SOFTMAX -> logSoftmax(x.array(), xo, y.array(), yo);
                case ONE_HOT -> oneHot(x.array()[x.offset() + row], y.array(), yo);
            }
        }
    }

    private void softmax(float[] x, int xo, float[] y, int yo) {
        float sum = expSum(x, xo, max(x, xo), y, yo);
        for (int j = 0; j < classes; j++) {
            y[yo + j] /= sum;
        }
    }

    private void logSoftmax(float[] x, int xo, float[] y, int yo) {
        float max = max(x, xo);
        float log = (float) Math.log(expSum(x, xo, max, y, yo));
        for (int j = 0; j < classes; j++) {
            y[yo + j] = x[xo + j] - max - log;
        }
    }

    private float max(float[] x, int xo) {
        float max = Float.NEGATIVE_INFINITY;
        for (int j = 0; j < classes; j++) {
            max = Math.max(max, x[xo + j]);
        }
        return max;
    }

    /**
     * y = e^(x - max), and the sum of it. Number by number: rows are short, and C2 does not always inline a vector
     * exponential here, which turns its vectors into objects.
     */
    private float expSum(float[] x, int xo, float max, float[] y, int yo) {
        double sum = 0;
        for (int j = 0; j < classes; j++) {
            y[yo + j] = Exponential.exp(x[xo + j] - max);
            sum += y[yo + j];
        }
        return (float) sum;
    }

    private void oneHot(float label, float[] y, int yo) {
        int index = (int) label;
        boolean valid = label == index && index >= 0 && index < classes;
        Arrays.fill(y, yo, yo + classes, valid ? 0 : Float.NaN);
        if (valid) {
            y[yo + index] = 1;
        }
    }
}
