package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LossTest {
    /** Value and derivative of a loss. */
    private record Result(Tensor perSample, Tensor loss, Tensor gradient) {}

    private static Result compute(Loss loss, Tensor prediction, Tensor target, Precision precision) {
        var graph = new Graph();
        Value x = graph.input("x", prediction.shape());
        Value y = graph.input("y", target.shape());
        Value each = loss.perSample(graph, x, y);
        Value mean = graph.mean(each);
        Gradient.Result result = Gradient.of(graph, mean, List.of(x));
        Graph all = result.graph();
        all.output("each", each);
        all.output("loss", mean);
        all.output("gradient", result.derivatives().get(0));
        var plan = Plan.of(all, Backends.open("reference", new Options(1, precision)));
        plan.feed("x", prediction);
        plan.feed("y", target);
        plan.run();
        return new Result(plan.output("each"), plan.output("loss"), plan.output("gradient"));
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "FLOAT64"})
    void everyRecordedCase(Precision precision) {
        List<String> files = Golden.files("loss");
        assertEquals(33, files.size());
        for (String file : files) {
            var golden = new Golden(file);
            boolean logits = (Boolean) golden.attribute("from_logits");
            double smoothing = golden.attribute("label_smoothing") == null ? 0 : golden.number("label_smoothing");
            Loss loss = golden.attribute("loss").equals("categorical_crossentropy")
                    ? new CategoricalCrossentropy(logits, smoothing)
                    : new SparseCategoricalCrossentropy(logits, smoothing);
            Tensor prediction = golden.tensor(logits ? "logits" : "probs");
            Tensor target = golden.tensor(golden.has("labels") ? "labels" : "targets");
            Result r = compute(loss, prediction, target, precision);
            boolean float64 = precision == Precision.FLOAT64;
            golden.check("per_sample", r.perSample, float64);
            golden.check("loss", r.loss, float64);
            golden.check(logits ? "dlogits" : "dprobs", r.gradient, float64);
        }
    }

    @Test
    void derivativesAreThoseOfCentralDifferences() {
        var probabilities = Tensor.of(Shape.of(2, 3), 0.2, 0.5, 0.3, 0.7, 0.05, 0.25);
        var targets = Tensor.of(Shape.of(2, 3), 0.1, 0.6, 0.3, 0.0, 1.0, 0.0);
        var labels = Tensor.of(Shape.of(2), 2.0, 0.0);
        for (double s : new double[] {0, 0.1}) {
            for (boolean logits : new boolean[] {false, true}) {
                checkDerivative(new CategoricalCrossentropy(logits, s), probabilities, targets);
                checkDerivative(new CategoricalCrossentropy(logits, s), probabilities, labels);
                checkDerivative(new SparseCategoricalCrossentropy(logits, s), probabilities, labels);
            }
        }
    }

    private static void checkDerivative(Loss loss, Tensor x, Tensor target) {
        Tensor gradient = compute(loss, x, target, Precision.FLOAT64).gradient;
        double h = 1e-6;
        for (int i = 0; i < x.size(); i++) {
            double[] up = x.doubles().clone();
            double[] down = x.doubles().clone();
            up[i] += h;
            down[i] -= h;
            double above = compute(loss, Tensor.of(x.shape(), up), target, Precision.FLOAT64)
                    .loss
                    .item();
            double below = compute(loss, Tensor.of(x.shape(), down), target, Precision.FLOAT64)
                    .loss
                    .item();
            assertEquals((above - below) / (2 * h), gradient.get(i), 1e-8, loss + " " + i);
        }
    }

    @Test
    void classIndicesAndRowsWithASingleOneGiveTheSame() {
        var p = Tensor.of(Shape.of(2, 3), 0.2, 0.5, 0.3, 0.7, 0.05, 0.25);
        var loss = CategoricalCrossentropy.of().labelSmoothing(0.1);
        Result rows = compute(loss, p, Tensor.of(Shape.of(2, 3), 0.0, 0, 1, 1, 0, 0), Precision.FLOAT64);
        Result labels = compute(loss, p, Tensor.of(Shape.of(2), 2.0, 0), Precision.FLOAT64);
        assertEquals(rows.perSample, labels.perSample);
        assertEquals(-(1 - 0.1) * Math.log(0.3) - 0.1 / 3 * Math.log(0.2 * 0.5 * 0.3), rows.perSample.get(0), 1e-14);
    }

    @Test
    void targetsOfAnotherShapeAreRefused() {
        var graph = new Graph();
        Value p = graph.input("p", Shape.of(4, 3));
        Value t = graph.input("t", Shape.of(4, 2));
        var e = assertThrows(
                ShapeException.class, () -> CategoricalCrossentropy.of().perSample(graph, p, t));
        assertTrue(e.getMessage().contains("(4, 3)") && e.getMessage().contains("(4, 2)"), e.getMessage());
        Value image = graph.input("image", Shape.of(4, 2, 2, 3));
        e = assertThrows(
                ShapeException.class, () -> SparseCategoricalCrossentropy.of().perSample(graph, image, t));
        assertTrue(e.getMessage().contains("Flatten"), e.getMessage());
    }

    @Test
    void smoothingMustBeAShare() {
        assertThrows(TrainingException.class, () -> CategoricalCrossentropy.of().labelSmoothing(1));
        assertThrows(
                TrainingException.class,
                () -> SparseCategoricalCrossentropy.of().labelSmoothing(-0.1));
    }
}
