package gradus.peers;

import gradus.benchmarks.peers.Case;
import gradus.benchmarks.peers.Peer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.tensorflow.Graph;
import org.tensorflow.Operand;
import org.tensorflow.Output;
import org.tensorflow.Session;
import org.tensorflow.TensorFlow;
import org.tensorflow.ndarray.Shape;
import org.tensorflow.ndarray.buffer.DataBuffers;
import org.tensorflow.op.Op;
import org.tensorflow.op.Ops;
import org.tensorflow.op.core.Placeholder;
import org.tensorflow.op.nn.FusedBatchNorm;
import org.tensorflow.proto.ConfigProto;
import org.tensorflow.types.TFloat32;
import org.tensorflow.types.TInt64;

/**
 * TensorFlow's graph mode, NHWC. For inference weights are constants, so that its optimizer folds batch norm and fuses what
 * follows; for training they are variables, updated by its own Adam.
 */
public final class TensorFlowPeer implements Peer {
    private static final float EPSILON = 1e-5f;

    private final Graph graph = new Graph();
    private final Ops tf = Ops.create(graph);
    private final List<Operand<TFloat32>> parameters = new ArrayList<>();
    private final List<Op> updates = new ArrayList<>();
    private final SplittableRandom random = new SplittableRandom(1);
    private boolean train;

    private TensorFlowPeer() {}

    public static void main(String[] args) throws Exception {
        Peer.main(new TensorFlowPeer(), args);
    }

    @Override
    public String version() {
        return TensorFlow.version() + " (tensorflow-java 1.1.0), graph mode";
    }

    @Override
    public Runnable prepare(Case c, int threads) {
        train = c.train();
        ConfigProto config = ConfigProto.newBuilder()
                .setIntraOpParallelismThreads(threads)
                .setInterOpParallelismThreads(1)
                .build();
        Shape shape = Shape.of(c.batch(), c.side(), c.side(), 3);
        Placeholder<TFloat32> x = tf.placeholder(TFloat32.class, Placeholder.shape(shape));
        Operand<TFloat32> logits = logits(c, x);
        TFloat32 pictures = TFloat32.tensorOf(shape, DataBuffers.of(uniform(shape, 1)));
        if (!train) {
            Operand<TFloat32> softmax = tf.nn.softmax(logits);
            var session = new Session(graph, config);
            return () -> {
                try (var result =
                        session.runner().feed(x, pictures).fetch(softmax).run()) {
                    check(((TFloat32) result.get(0)).getFloat(0, 0), 1);
                }
            };
        }
        Shape labelShape = Shape.of(c.batch(), c.classes());
        Placeholder<TFloat32> labels = tf.placeholder(TFloat32.class, Placeholder.shape(labelShape));
        Operand<TFloat32> loss = training(logits, labels);
        var hot = new float[c.batch() * c.classes()];
        for (int i = 0; i < c.batch(); i++) {
            hot[i * c.classes() + i % 6] = 1;
        }
        TFloat32 targets = TFloat32.tensorOf(labelShape, DataBuffers.of(hot));
        var session = new Session(graph, config);
        session.initialize();
        return () -> {
            var runner =
                    session.runner().feed(x, pictures).feed(labels, targets).fetch(loss);
            updates.forEach(runner::addTarget);
            try (var result = runner.run()) {
                check(((TFloat32) result.get(0)).getFloat(), Float.MAX_VALUE);
            }
        };
    }

    private static void check(float value, float most) {
        if (!(value >= 0 && value <= most)) {
            throw new IllegalStateException("the result is " + value);
        }
    }

    private Operand<TFloat32> logits(Case c, Operand<TFloat32> x) {
        Operand<TFloat32> y = tf.nn.relu(conv(pad(x, 3), 3, 64, 7, 2, "VALID"));
        y = c.poolPadding() > 0 ? pad(y, c.poolPadding()) : y;
        y = tf.nn.maxPool(y, tf.constant(new int[] {1, 3, 3, 1}), tf.constant(new int[] {1, 2, 2, 1}), "VALID");
        for (Case.Block b : Case.blocks()) {
            Operand<TFloat32> z = tf.nn.relu(conv(y, b.in(), b.middle(), 1, b.stride(), "VALID"));
            z = tf.nn.relu(conv(z, b.middle(), b.middle(), 3, 1, "SAME"));
            z = conv(z, b.middle(), b.out(), 1, 1, "VALID");
            y = tf.nn.relu(tf.math.add(z, b.projection() ? conv(y, b.in(), b.out(), 1, b.stride(), "VALID") : y));
        }
        long all = c.lastSide();
        y = tf.nn.avgPool(y, List.of(1L, all, all, 1L), List.of(1L, all, all, 1L), "VALID");
        y = tf.reshape(y, tf.constant(new int[] {c.batch(), 2048}));
        Operand<TFloat32> w = parameter(Shape.of(2048, c.classes()), 0.02);
        return tf.nn.biasAdd(tf.linalg.matMul(y, w), parameter(Shape.of(c.classes()), 0));
    }

    private Operand<TFloat32> pad(Operand<TFloat32> x, int p) {
        return tf.pad(x, tf.constant(new int[][] {{0, 0}, {p, p}, {p, p}, {0, 0}}), tf.constant(0f));
    }

    private Operand<TFloat32> conv(Operand<TFloat32> x, int in, int out, int kernel, long stride, String padding) {
        Operand<TFloat32> w = parameter(Shape.of(kernel, kernel, in, out), Math.sqrt(2.0 / (in * kernel * kernel)));
        Operand<TFloat32> y = tf.nn.conv2d(x, w, List.of(1L, stride, stride, 1L), padding);
        Operand<TFloat32> gamma = trained(full(out, 1));
        Operand<TFloat32> beta = trained(full(out, 0));
        if (!train) {
            return tf.nn.fusedBatchNorm(
                            y,
                            gamma,
                            beta,
                            full(out, 0),
                            full(out, 1),
                            FusedBatchNorm.isTraining(false),
                            FusedBatchNorm.epsilon(EPSILON))
                    .y();
        }
        Operand<TFloat32> mean = tf.variable(full(out, 0));
        Operand<TFloat32> variance = tf.variable(full(out, 1));
        var norm = tf.nn.fusedBatchNorm(
                y,
                gamma,
                beta,
                mean,
                variance,
                FusedBatchNorm.isTraining(true),
                FusedBatchNorm.epsilon(EPSILON),
                FusedBatchNorm.exponentialAvgFactor(0.1f));
        updates.add(tf.assign(mean, norm.batchMean()));
        updates.add(tf.assign(variance, norm.batchVariance()));
        return norm.y();
    }

    private Operand<TFloat32> full(int n, float value) {
        return tf.fill(tf.constant(new int[] {n}), tf.constant(value));
    }

    /** Numbers of that standard deviation: a constant, or a variable that is drawn when the session begins. */
    private Operand<TFloat32> parameter(Shape shape, double deviation) {
        if (!train) {
            return tf.constant(shape, DataBuffers.of(uniform(shape, Math.sqrt(3) * deviation)));
        }
        Operand<TInt64> dims = tf.constant(shape.asArray());
        return trained(
                tf.math.mul(tf.random.randomStandardNormal(dims, TFloat32.class), tf.constant((float) deviation)));
    }

    private Operand<TFloat32> trained(Operand<TFloat32> value) {
        if (!train) {
            return value;
        }
        Operand<TFloat32> variable = tf.variable(value);
        parameters.add(variable);
        return variable;
    }

    private float[] uniform(Shape shape, double most) {
        var values = new float[(int) shape.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) ((2 * random.nextDouble() - 1) * most);
        }
        return values;
    }

    /** Loss, gradients and Adam. */
    @SuppressWarnings("unchecked") // the gradient of a float variable is one of floats
    private Operand<TFloat32> training(Operand<TFloat32> logits, Operand<TFloat32> labels) {
        Operand<TFloat32> loss =
                tf.math.mean(tf.nn.softmaxCrossEntropyWithLogits(logits, labels).loss(), tf.constant(0));
        Output<?>[] with = parameters.stream().map(Operand::asOutput).toArray(Output<?>[]::new);
        Output<?>[] gradients = graph.addGradients(loss.asOutput(), with);
        Operand<TFloat32> power1 = tf.variable(tf.constant(0.9f));
        Operand<TFloat32> power2 = tf.variable(tf.constant(0.999f));
        var steps = new ArrayList<Op>();
        for (int i = 0; i < with.length; i++) {
            Operand<TFloat32> w = parameters.get(i);
            Operand<TInt64> dims = tf.constant(w.shape().asArray());
            steps.add(tf.train.applyAdam(
                    w,
                    tf.variable(tf.fill(dims, tf.constant(0f))),
                    tf.variable(tf.fill(dims, tf.constant(0f))),
                    power1,
                    power2,
                    tf.constant(1e-3f),
                    tf.constant(0.9f),
                    tf.constant(0.999f),
                    tf.constant(1e-7f),
                    (Output<TFloat32>) gradients[i]));
        }
        updates.addAll(steps);
        Ops after = tf.withControlDependencies(steps);
        updates.add(after.assign(power1, after.math.mul(power1, tf.constant(0.9f))));
        updates.add(after.assign(power2, after.math.mul(power2, tf.constant(0.999f))));
        return loss;
    }
}
