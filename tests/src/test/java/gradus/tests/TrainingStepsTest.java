package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.Batch;
import gradus.train.Optimizer;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Whole training steps of a small residual network, one after the other: bits, and distance from float64. */
class TrainingStepsTest {
    private static final int CLASSES = 4;

    /** A stem, a basic block (Winograd), a bottleneck block that halves the image, and one that does not. */
    private static Model model(int side, int channels) {
        var x = Input.of(side, side, 3);
        LayerOutput y = norm(x.then(Conv2D.of(channels, 3).same()));
        LayerOutput branch = norm(y.then(Conv2D.of(channels, 3).same()));
        branch = branch.then(Conv2D.of(channels, 3).same()).then(BatchNormalization.of());
        y = Add.of().apply(branch, y).then(Activation.of("relu"));
        y = bottleneck(y, channels, 2, true);
        y = bottleneck(y, channels, 1, false);
        y = y.then(MaxPooling2D.of(2).strides(1).same())
                .then(GlobalAveragePooling2D.of())
                .then(Dense.of(CLASSES));
        var model = Model.of("small", x, y.then(Activation.of("softmax")));
        model.initialize(5, DType.F32); // in float64 too: all begin with the same numbers
        return model;
    }

    private static LayerOutput norm(LayerOutput x) {
        return x.then(BatchNormalization.of()).then(Activation.of("relu"));
    }

    private static LayerOutput bottleneck(LayerOutput x, int channels, int stride, boolean projection) {
        LayerOutput y = norm(x.then(Conv2D.of(channels, 1).strides(stride)));
        y = norm(y.then(Conv2D.of(channels, 3).same()));
        y = y.then(Conv2D.of(2 * channels, 1)).then(BatchNormalization.of());
        LayerOutput shortcut =
                projection ? x.then(Conv2D.of(2 * channels, 1).strides(stride)).then(BatchNormalization.of()) : x;
        return Add.of().apply(y, shortcut).then(Activation.of("relu"));
    }

    /** Noise around a pattern of each class. */
    private static List<Batch> batches(int seed, int count, int n, int side) {
        var random = new SplittableRandom(seed);
        var patterns = new float[CLASSES][side * side * 3];
        for (float[] p : patterns) {
            for (int i = 0; i < p.length; i++) {
                p[i] = (float) random.nextGaussian();
            }
        }
        var batches = new ArrayList<Batch>();
        for (int b = 0; b < count; b++) {
            var x = new float[n * patterns[0].length];
            var y = new float[n];
            for (int i = 0; i < n; i++) {
                y[i] = random.nextInt(CLASSES);
                for (int k = 0; k < patterns[0].length; k++) {
                    x[i * patterns[0].length + k] = (float) (patterns[(int) y[i]][k] + 2 * random.nextGaussian());
                }
            }
            batches.add(new Batch(Tensor.of(Shape.of(n, side, side, 3), x), Tensor.of(Shape.of(n), y), null));
        }
        return batches;
    }

    private record Result(double[] losses, Map<String, Tensor> weights) {}

    private static Result train(
            String backend, Options options, int side, int channels, Optimizer optimizer, List<Batch> batches) {
        Model model = model(side, channels);
        var losses = new double[batches.size()];
        try (var b = Backends.open(backend, options)) {
            var training = Training.compile(model, optimizer, SparseCategoricalCrossentropy.of(), List.of(), b);
            for (int i = 0; i < losses.length; i++) {
                losses[i] = training.trainOnBatch(batches.get(i));
            }
            return new Result(losses, training.weights());
        }
    }

    @Test
    void bitsOfAHundredStepsDoNotDependOnThreadsOrRuns() {
        var batches = batches(3, 100, 8, 12);
        Result first = train("simd", new Options(1, Precision.FLOAT32), 12, 64, Adam.of(), batches);
        for (int threads : List.of(1, 2, 3, 4)) {
            Result other = train("simd", new Options(threads, Precision.FLOAT32), 12, 64, Adam.of(), batches);
            assertArrayEquals(first.losses, other.losses, 0, threads + " threads");
            first.weights.forEach((name, w) -> assertArrayEquals(
                    w.floats(), other.weights.get(name).floats(), name + " with " + threads + " threads"));
        }
    }

    /**
     * Losses beside those in float64. The measure is how far an engine gets that computes in double precision and rounds each
     * result to float32. In the first steps that is rounding alone, and what is wrong shows. In two hundred steps, in which losses
     * fall from 2 to nearly 0, it depends on whether somewhere a value near 0 passes a ReLU in one engine and not in the other, by
     * a factor of a thousand from one sequence of batches to the next: hence the mean over some.
     */
    @Test
    void lossesFollowFloat64AsFloat32Can() {
        String[] engines = {"rounded once", "direct", "Winograd"};
        var first = new double[engines.length];
        var all = new double[engines.length];
        for (int seed = 1; seed <= 5; seed++) {
            var batches = batches(seed, 200, 8, 6);
            double[] exact = losses("reference", new Options(1, Precision.FLOAT64, false), batches);
            double last = Arrays.stream(exact, 190, 200).average().orElseThrow();
            assertTrue(last < exact[0] / 10, "nothing was learned: " + exact[0] + " to " + last);
            double[][] losses = {
                losses("reference", new Options(1, Precision.FLOAT32, false), batches),
                losses("simd", new Options(2, Precision.FLOAT32, true), batches),
                losses("simd", new Options(2, Precision.FLOAT32, false), batches)
            };
            for (int e = 0; e < engines.length; e++) {
                first[e] += distance(exact, losses[e], 5);
                all[e] += distance(exact, losses[e], 200);
            }
        }
        for (int e = 1; e < engines.length; e++) {
            assertClose(engines[e] + ", 5 steps", first[e], (e == 1 ? 2 : 3) * first[0]);
            assertClose(engines[e] + ", 200 steps", all[e], (e == 1 ? 2 : 3) * all[0]);
        }
    }

    private static void assertClose(String what, double distance, double bound) {
        assertTrue(distance <= bound, what + ": " + distance + " from float64, may be " + bound);
    }

    private static double[] losses(String backend, Options options, List<Batch> batches) {
        return train(backend, options, 6, 32, Sgd.of(0.004).momentum(0.9), batches).losses;
    }

    /** Root of the mean square over the first steps. */
    private static double distance(double[] a, double[] b, int steps) {
        double sum = 0;
        for (int i = 0; i < steps; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum / steps);
    }
}
