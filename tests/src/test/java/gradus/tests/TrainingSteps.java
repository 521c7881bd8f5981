package gradus.tests;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.Batch;
import gradus.train.Optimizer;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * A program: trains ResNet-20 on pictures of 8 x 8 for four steps, on the backend, in the precision and by the optimizer (ADAM
 * or SGD) that are named, and prints each loss, then a number made of every bit of the weights.
 */
final class TrainingSteps {
    private static final int BATCH = 6;
    private static final int SIDE = 8;
    private static final int STEPS = 4;

    private TrainingSteps() {}

    public static void main(String[] args) {
        try (var backend = Backends.open(args[0], new Options(2, Precision.valueOf(args[1])))) {
            train(backend, args[2].equals("ADAM") ? Adam.of() : Sgd.of(0.01));
        }
    }

    private static <B> void train(Backend<B> backend, Optimizer optimizer) {
        Model model = ResNets.byName("resnet20").input(SIDE, SIDE, 3).build();
        model.initialize(1, DType.F32);
        var training = Training.compile(model, optimizer, SparseCategoricalCrossentropy.of(), List.of(), backend);
        var random = new SplittableRandom(1);
        for (int step = 0; step < STEPS; step++) {
            var x = new float[BATCH * SIDE * SIDE * 3];
            for (int i = 0; i < x.length; i++) {
                x[i] = random.nextFloat();
            }
            var y = new float[BATCH];
            for (int i = 0; i < BATCH; i++) {
                y[i] = random.nextInt(10);
            }
            var batch = new Batch(Tensor.of(Shape.of(BATCH, SIDE, SIDE, 3), x), Tensor.of(Shape.of(BATCH), y), null);
            System.out.println("loss " + training.trainOnBatch(batch));
        }
        Map<String, Tensor> weights = new TreeMap<>(training.weights());
        int bits = 0;
        for (Tensor w : weights.values()) {
            bits = 31 * bits + Arrays.hashCode(w.floats());
        }
        System.out.println("bits " + Integer.toHexString(bits));
    }
}
