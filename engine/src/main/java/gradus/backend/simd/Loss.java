package gradus.backend.simd;

import static gradus.backend.simd.Elementwise.load;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Softmax and its relatives along the rows of (rows, classes), a few rows per part. */
final class Loss implements Workers.Task {
    private enum Kind {
        SOFTMAX,
        LOG_SOFTMAX,
        ONE_HOT
    }

    private final Workers workers;
    private final float[] lanes;

    private Kind kind;
    private int rows;
    private int classes;
    private int group;
    private Memory x;
    private Memory y;

    Loss(Workers workers) {
        this.workers = workers;
        lanes = new float[workers.count() * 16];
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
                case SOFTMAX -> softmax(x.array(), xo, y.array(), yo, worker * 16);
                case LOG_SOFTMAX -> logSoftmax(x.array(), xo, y.array(), yo, worker * 16);
                case ONE_HOT -> oneHot(x.array()[x.offset() + row], y.array(), yo);
            }
        }
    }

    private void softmax(float[] x, int xo, float[] y, int yo, int lane) {
        float sum = expSum(x, xo, max(x, xo), y, yo, lane);
        int j = 0;
        for (; j < bound(classes); j += L) {
            load(y, yo + j).div(sum).intoArray(y, yo + j);
        }
        for (; j < classes; j++) {
            y[yo + j] /= sum;
        }
    }

    private void logSoftmax(float[] x, int xo, float[] y, int yo, int lane) {
        float max = max(x, xo);
        float log = (float) Math.log(expSum(x, xo, max, y, yo, lane));
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

    /** y = e^(x - max), and the sum of it. */
    private float expSum(float[] x, int xo, float max, float[] y, int yo, int lane) {
        FloatVector sum = FloatVector.zero(SPECIES);
        int j = 0;
        for (; j < bound(classes); j += L) {
            FloatVector e = Exponential.exp(load(x, xo + j).sub(max));
            e.intoArray(y, yo + j);
            sum = sum.add(e);
        }
        float rest = 0;
        for (; j < classes; j++) {
            y[yo + j] = Exponential.exp(x[xo + j] - max);
            rest += y[yo + j];
        }
        sum.intoArray(lanes, lane);
        return Reduction.sum(lanes, lane) + rest;
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
