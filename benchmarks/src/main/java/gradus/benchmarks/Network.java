package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.layers.Model;
import gradus.layers.Predictor;
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
import org.openjdk.jmh.annotations.Param;

/** ResNet-50 as a whole: a prediction, or a training step with Adam. */
public class Network extends Measured {
    /** How many times as far from float64 as plain loops in float32 a gradient may be: Winograd's rounding, and room. */
    private static final double GRADIENT_TOLERANCE = 10;

    private static final int CHECKED_SIDE = 64;

    /** What is computed. */
    public enum Pass {
        INFERENCE,
        TRAINING
    }

    /** Side of the pictures: 224 with 1000 classes, or 64 with 6. */
    @Param({"64", "224"})
    public int side;

    @Param
    public Pass pass;

    @Param({"1", "8"})
    public int batch;

    public Network() {}

    @Override
    protected void prepare(Backend<?> backend) {
        if (pass == Pass.INFERENCE) {
            infer(backend);
        } else {
            train(backend);
        }
    }

    private <B> void infer(Backend<B> backend) {
        Model model = model(side);
        Tensor x = pictures(batch, side);
        var predictor = Predictor.of(model, backend);
        Tensor y = predictor.predict(x);
        try (var reference = reference()) {
            Tensor expected = Predictor.of(model, reference).predict(pictures(1, side));
            int classes = expected.size();
            compare("prediction", expected, Tensor.of(Shape.of(1, classes), Arrays.copyOf(y.floats(), classes)));
        }
        measure(predictor.planOf(batch));
    }

    /**
     * A step of plain gradient descent at rate 1 shows the gradient of every weight. Batch norm magnifies rounding by its
     * division by small deviations, so what counts is how far the reference in float32 is from the one in float64 on the same
     * step: nothing may be farther than a small multiple of that. Small pictures, as the reference is slow.
     */
    private <B> void train(Backend<B> backend) {
        Batch two = batch(2, CHECKED_SIDE);
        Map<String, Tensor> exact = stepped(two, Precision.FLOAT64);
        Map<String, Tensor> rounded = stepped(two, Precision.FLOAT32);
        var trainer = trainer(CHECKED_SIDE, Sgd.of(1), backend);
        trainer.trainOnBatch(two);
        compareGradients(exact, rounded, trainer.weights());
        var training = trainer(side, Adam.of(), backend);
        training.trainOnBatch(batch(batch, side)); // feeds everything
        measure(training.plan(batch));
    }

    /** The reference's weights after a step. */
    private Map<String, Tensor> stepped(Batch batch, Precision precision) {
        try (var reference = Backends.open("reference", new Options(1, precision))) {
            var training = trainer(CHECKED_SIDE, Sgd.of(1), reference);
            training.trainOnBatch(batch);
            return training.weights();
        }
    }

    private static void compareGradients(
            Map<String, Tensor> exact, Map<String, Tensor> rounded, Map<String, Tensor> actual) {
        double allowed = 0;
        double error = 0;
        for (String name : exact.keySet()) {
            allowed += square(exact.get(name), rounded.get(name));
            error += square(exact.get(name), actual.get(name));
        }
        double ratio = Math.sqrt(error / allowed);
        if (!(ratio <= GRADIENT_TOLERANCE)) {
            throw new IllegalStateException("the gradient is " + ratio
                    + " times as far from the one in float64 as plain loops in float32 are; allowed: "
                    + GRADIENT_TOLERANCE);
        }
    }

    /** Of the length of the difference. */
    private static double square(Tensor a, Tensor b) {
        double sum = 0;
        for (int i = 0; i < a.size(); i++) {
            double d = a.get(i) - b.get(i);
            sum += d * d;
        }
        return sum;
    }

    private <B> Training<B> trainer(int pixels, Optimizer optimizer, Backend<B> backend) {
        return Training.compile(model(pixels), optimizer, SparseCategoricalCrossentropy.of(), List.of(), backend);
    }

    /** The network of {@link #side}, for pictures of so many pixels each way. */
    private Model model(int pixels) {
        Model model = ResNets.byName(side == 224 ? "resnet50-224" : "resnet50")
                .input(pixels, pixels, 3)
                .build();
        model.initialize(1, DType.F32);
        return model;
    }

    private Batch batch(int n, int pixels) {
        var y = new float[n];
        for (int i = 0; i < n; i++) {
            y[i] = i % 6;
        }
        return new Batch(pictures(n, pixels), Tensor.of(Shape.of(n), y), null);
    }

    private Tensor pictures(int n, int pixels) {
        return random(Shape.of(n, pixels, pixels, 3), 1);
    }
}
