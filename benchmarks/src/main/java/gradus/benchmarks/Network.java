package gradus.benchmarks;

import gradus.backend.Backend;
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
    /** Largest length of the difference from the reference's gradient, as a share of the gradient's. */
    private static final double GRADIENT_TOLERANCE = 0.05;

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
        Model model = model();
        Tensor x = pictures(batch);
        var predictor = Predictor.of(model, backend);
        Tensor y = predictor.predict(x);
        try (var reference = reference()) {
            Tensor expected = Predictor.of(model, reference).predict(pictures(1));
            int classes = expected.size();
            compare("prediction", expected, Tensor.of(Shape.of(1, classes), Arrays.copyOf(y.floats(), classes)));
        }
        measure(predictor.planOf(batch));
    }

    /** A step of plain gradient descent at rate 1 shows the gradient of every weight. */
    private <B> void train(Backend<B> backend) {
        Batch two = batch(2);
        var stepped = trainer(Sgd.of(1), backend);
        double loss = stepped.trainOnBatch(two);
        try (var reference = reference()) {
            var expected = trainer(Sgd.of(1), reference);
            compare("loss", Tensor.scalar(expected.trainOnBatch(two)), Tensor.scalar(loss));
            compareGradients(expected.weights(), stepped.weights());
        }
        var training = trainer(Adam.of(), backend);
        training.trainOnBatch(batch(batch)); // feeds everything
        measure(training.plan(batch));
    }

    /** Over all weights together: one by one, rounding is magnified by batch norm's division by small deviations. */
    private void compareGradients(Map<String, Tensor> expected, Map<String, Tensor> actual) {
        double error = 0;
        double length = 0;
        var before = model().weights();
        for (String name : expected.keySet()) {
            for (int i = 0; i < expected.get(name).size(); i++) {
                double g = before.get(name).get(i) - expected.get(name).get(i);
                double e = expected.get(name).get(i) - actual.get(name).get(i);
                error += e * e;
                length += g * g;
            }
        }
        if (!(Math.sqrt(error) <= GRADIENT_TOLERANCE * Math.sqrt(length))) {
            throw new IllegalStateException("the gradient differs from the reference's by " + Math.sqrt(error)
                    + ", its length is " + Math.sqrt(length));
        }
    }

    private <B> Training<B> trainer(Optimizer optimizer, Backend<B> backend) {
        return Training.compile(model(), optimizer, SparseCategoricalCrossentropy.of(), List.of(), backend);
    }

    private Model model() {
        Model model = ResNets.byName(side == 224 ? "resnet50-224" : "resnet50").build();
        model.initialize(1, DType.F32);
        return model;
    }

    private Batch batch(int n) {
        var y = new float[n];
        for (int i = 0; i < n; i++) {
            y[i] = i % 6;
        }
        return new Batch(pictures(n), Tensor.of(Shape.of(n), y), null);
    }

    private Tensor pictures(int n) {
        return random(Shape.of(n, side, side, 3), 1);
    }
}
