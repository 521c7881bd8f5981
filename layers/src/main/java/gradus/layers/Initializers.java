package gradus.layers;

import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * Keras's initializers with Keras's defaults. A random one without a seed draws from a seed made of the model's seed
 * and the weight's name; one with a seed gives the numbers that Keras gives on TensorFlow, and the same ones at every
 * call.
 *
 * <p>fan_in and fan_out are the numbers of weights that reach one output and leave one input: for a kernel (kh, kw,
 * in, out) kh kw in and kh kw out, for a matrix (in, out) in and out, for a vector its size.
 */
public final class Initializers {
    /** Tensors of so many elements are not worth a promise. */
    private static final int SMALL = 1 << 12;

    private Initializers() {}

    /** Draws when values are needed, and keeps them if they are needed again, as drawing takes its time. */
    private static final class Drawn implements Tensor.Source {
        private final Supplier<Tensor> draw;
        private boolean before;
        private Tensor kept;

        Drawn(Supplier<Tensor> draw) {
            this.draw = draw;
        }

        @Override
        public synchronized void read(float[] y, int at) {
            Tensor values = kept != null ? kept : draw.get();
            kept = before ? values : null;
            before = true;
            values.copyTo(y, at);
        }
    }

    /** An initializer that draws from a random stream. */
    public sealed interface Distribution extends Initializer {
        /** The seed, or null for one made of model and weight. */
        Long seed();

        /** The same distribution with a seed of its own. */
        Distribution seed(long seed);

        /** Values from the beginning of this stream. */
        Tensor draw(Philox stream, Shape shape, DType dtype);

        @Override
        default Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            return draw(Philox.stateless(seed() != null ? seed() : defaultSeed), shape, dtype);
        }

        @Override
        default Tensor promise(Shape shape, DType dtype, long defaultSeed) {
            boolean now =
                    dtype != DType.F32 || shape.size() <= SMALL || this instanceof Orthogonal; // may refuse a shape
            return now
                    ? initialize(shape, dtype, defaultSeed)
                    : Tensor.of(shape, new Drawn(() -> initialize(shape, dtype, defaultSeed)));
        }
    }

    public static Initializer zeros() {
        return new Constant(0);
    }

    public static Initializer ones() {
        return new Constant(1);
    }

    public static Initializer constant(double value) {
        return new Constant(value);
    }

    /** gain on the diagonal of a matrix, 0 elsewhere. As in Keras only for matrices. */
    public static Initializer identity(double gain) {
        return new Identity(gain);
    }

    public static Initializer identity() {
        return identity(1);
    }

    /** Uniform in [-0.05, 0.05). */
    public static RandomUniform randomUniform() {
        return randomUniform(-0.05, 0.05);
    }

    public static RandomUniform randomUniform(double low, double high) {
        return new RandomUniform(low, high, null);
    }

    /** Normal with mean 0 and standard deviation 0.05. */
    public static RandomNormal randomNormal() {
        return randomNormal(0, 0.05);
    }

    public static RandomNormal randomNormal(double mean, double deviation) {
        return new RandomNormal(mean, deviation, null);
    }

    /** Normal with mean 0 and standard deviation 0.05, values beyond two deviations drawn again. */
    public static TruncatedNormal truncatedNormal() {
        return truncatedNormal(0, 0.05);
    }

    public static TruncatedNormal truncatedNormal(double mean, double deviation) {
        return new TruncatedNormal(mean, deviation, null);
    }

    public static VarianceScaling varianceScaling(double scale, Fan fan, Form form) {
        return new VarianceScaling(scale, fan, form, null);
    }

    /** Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010). Keras's default for kernels. */
    public static VarianceScaling glorotUniform() {
        return varianceScaling(1, Fan.AVERAGE, Form.UNIFORM);
    }

    public static VarianceScaling glorotUniform(long seed) {
        return glorotUniform().seed(seed);
    }

    /** Truncated normal of variance 2 / (fan_in + fan_out). */
    public static VarianceScaling glorotNormal() {
        return varianceScaling(1, Fan.AVERAGE, Form.TRUNCATED_NORMAL);
    }

    /** Uniform in +-sqrt(6 / fan_in) (He et al., 2015). */
    public static VarianceScaling heUniform() {
        return varianceScaling(2, Fan.IN, Form.UNIFORM);
    }

    /** Truncated normal of variance 2 / fan_in. */
    public static VarianceScaling heNormal() {
        return varianceScaling(2, Fan.IN, Form.TRUNCATED_NORMAL);
    }

    /** Uniform in +-sqrt(3 / fan_in) (LeCun et al., 1998). */
    public static VarianceScaling lecunUniform() {
        return varianceScaling(1, Fan.IN, Form.UNIFORM);
    }

    /** Truncated normal of variance 1 / fan_in. */
    public static VarianceScaling lecunNormal() {
        return varianceScaling(1, Fan.IN, Form.TRUNCATED_NORMAL);
    }

    /** A random orthogonal matrix times gain 1; a kernel is seen as a matrix (kh kw in, out) (Saxe et al., 2013). */
    public static Orthogonal orthogonal() {
        return orthogonal(1);
    }

    public static Orthogonal orthogonal(double gain) {
        return new Orthogonal(gain, null);
    }

    /**
     * By Keras's name, as in {@code kernel_initializer="he_normal"}.
     *
     * @throws GradusException for an unknown name, listing the known ones
     */
    public static Initializer byName(String name) {
        return switch (name) {
            case "zeros" -> zeros();
            case "ones" -> ones();
            case "identity" -> identity();
            case "random_uniform" -> randomUniform();
            case "random_normal" -> randomNormal();
            case "truncated_normal" -> truncatedNormal();
            case "glorot_uniform" -> glorotUniform();
            case "glorot_normal" -> glorotNormal();
            case "he_uniform" -> heUniform();
            case "he_normal" -> heNormal();
            case "lecun_uniform" -> lecunUniform();
            case "lecun_normal" -> lecunNormal();
            case "orthogonal" -> orthogonal();
            default ->
                throw new GradusException("unknown initializer \"" + name + "\"; there are zeros, ones, identity,"
                        + " random_uniform, random_normal, truncated_normal, glorot_uniform, glorot_normal, he_uniform,"
                        + " he_normal, lecun_uniform, lecun_normal, orthogonal");
        };
    }

    /** Which number of weights sets the variance. */
    public enum Fan {
        IN,
        OUT,
        AVERAGE;

        /** The number for a weight of this shape, at least 1. */
        double of(Shape shape) {
            double in = 1;
            double out = 1;
            if (shape.rank() == 1) {
                in = shape.dim(0);
                out = in;
            } else if (shape.rank() > 1) {
                double field = shape.size(0, shape.rank() - 2);
                in = field * shape.dim(-2);
                out = field * shape.dim(-1);
            }
            double fan = switch (this) {
                case IN -> in;
                case OUT -> out;
                case AVERAGE -> (in + out) / 2;
            };
            return Math.max(1, fan);
        }
    }

    /** The distribution's form. */
    public enum Form {
        UNIFORM,
        TRUNCATED_NORMAL,
        UNTRUNCATED_NORMAL;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The same value everywhere. */
    public record Constant(double value) implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            return Tensor.full(dtype, shape, value);
        }
    }

    /** gain on the diagonal, 0 elsewhere. */
    public record Identity(double gain) implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            if (shape.rank() != 2) {
                throw new ShapeException("the identity initializer makes matrices, not shape " + shape
                        + "; for convolution kernels take another initializer");
            }
            var y = new double[shape.size()];
            for (int i = 0; i < Math.min(shape.dim(0), shape.dim(1)); i++) {
                y[i * shape.dim(1) + i] = gain;
            }
            return ofType(dtype, Tensor.of(shape, y));
        }
    }

    /** Uniform in [low, high). */
    public record RandomUniform(double low, double high, Long seed) implements Distribution {
        @Override
        public RandomUniform seed(long seed) {
            return new RandomUniform(low, high, seed);
        }

        @Override
        public Tensor draw(Philox stream, Shape shape, DType dtype) {
            return stream.uniform(shape, dtype, low, high);
        }
    }

    /** Normal with this mean and standard deviation. */
    public record RandomNormal(double mean, double deviation, Long seed) implements Distribution {
        @Override
        public RandomNormal seed(long seed) {
            return new RandomNormal(mean, deviation, seed);
        }

        @Override
        public Tensor draw(Philox stream, Shape shape, DType dtype) {
            return stream.normal(shape, dtype, mean, deviation);
        }
    }

    /** Normal, values beyond two deviations drawn again; the deviation is that before the cut. */
    public record TruncatedNormal(double mean, double deviation, Long seed) implements Distribution {
        @Override
        public TruncatedNormal seed(long seed) {
            return new TruncatedNormal(mean, deviation, seed);
        }

        @Override
        public Tensor draw(Philox stream, Shape shape, DType dtype) {
            return stream.truncatedNormal(shape, dtype, mean, deviation);
        }
    }

    /** Mean 0 and variance scale / fan. */
    public record VarianceScaling(double scale, Fan fan, Form form, Long seed) implements Distribution {
        /** Standard deviation of a standard normal distribution cut off at +-2. */
        private static final double CUT_DEVIATION = 0.87962566103423978;

        /** @throws GradusException unless scale is positive */
        public VarianceScaling {
            if (!(scale > 0)) {
                throw new GradusException("VarianceScaling: scale must be positive, got " + scale);
            }
        }

        @Override
        public VarianceScaling seed(long seed) {
            return new VarianceScaling(scale, fan, form, seed);
        }

        @Override
        public Tensor draw(Philox stream, Shape shape, DType dtype) {
            double variance = scale / fan.of(shape);
            return switch (form) {
                case UNIFORM -> {
                    double limit = Math.sqrt(3 * variance);
                    yield stream.uniform(shape, dtype, -limit, limit);
                }
                case TRUNCATED_NORMAL -> stream.truncatedNormal(shape, dtype, 0, Math.sqrt(variance) / CUT_DEVIATION);
                case UNTRUNCATED_NORMAL -> stream.normal(shape, dtype, 0, Math.sqrt(variance));
            };
        }
    }

    /**
     * gain times a matrix (all axes but the last, last) with orthonormal columns, or rows if there are fewer of them.
     */
    public record Orthogonal(double gain, Long seed) implements Distribution {
        @Override
        public Orthogonal seed(long seed) {
            return new Orthogonal(gain, seed);
        }

        @Override
        public Tensor draw(Philox stream, Shape shape, DType dtype) {
            if (shape.rank() < 2) {
                throw new ShapeException("the orthogonal initializer needs at least 2 axes, not shape " + shape);
            }
            int columns = shape.dim(-1);
            int rows = columns == 0 ? 0 : shape.size() / columns;
            int m = Math.max(rows, columns);
            int n = Math.min(rows, columns);
            double[] q = stream.normal(Shape.of(m, n), dtype, 0, 1).doubles().clone();
            orthonormalize(m, n, q);
            var y = new double[shape.size()];
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    y[i * columns + j] = gain * (rows < columns ? q[j * n + i] : q[i * n + j]);
                }
            }
            return ofType(dtype, Tensor.of(shape, y));
        }

        /**
         * The columns of a, (m, n), made orthonormal one after the other (Gram and Schmidt): the Q of A = Q R with a
         * positive diagonal of R, which is the choice of signs Keras makes. Each column is cleared of the earlier ones
         * twice, which makes it orthogonal to rounding (Kahan and Parlett).
         */
        private static void orthonormalize(int m, int n, double[] a) {
            for (int j = 0; j < n; j++) {
                for (int pass = 0; pass < 2; pass++) {
                    for (int k = 0; k < j; k++) {
                        double dot = dot(m, n, a, j, k);
                        for (int i = 0; i < m; i++) {
                            a[i * n + j] -= dot * a[i * n + k];
                        }
                    }
                }
                double length = Math.sqrt(dot(m, n, a, j, j));
                for (int i = 0; i < m; i++) {
                    a[i * n + j] /= length;
                }
            }
        }

        private static double dot(int m, int n, double[] a, int j, int k) {
            double sum = 0;
            for (int i = 0; i < m; i++) {
                sum += a[i * n + j] * a[i * n + k];
            }
            return sum;
        }
    }

    private static Tensor ofType(DType dtype, Tensor values) {
        return dtype == DType.F32 ? Tensor.of(values.shape(), values.floats()) : values;
    }
}
