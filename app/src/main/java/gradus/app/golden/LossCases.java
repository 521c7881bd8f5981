package gradus.app.golden;

import gradus.op.Value;
import gradus.tensor.Tensor;
import gradus.train.CategoricalCrossentropy;
import gradus.train.Loss;
import gradus.train.SparseCategoricalCrossentropy;
import java.util.Map;

/** Losses: one number per sample, their mean, and its derivative with respect to the predictions. */
final class LossCases {
    private LossCases() {}

    static Map<String, Tensor> compute(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        boolean logits = c.flag("from_logits");
        String prediction = logits ? "logits" : "probs";
        Value x = p.input(c, prediction);
        Value target = p.input(c, c.has("labels") ? "labels" : "targets");
        Value each =
                loss(c.text("loss"), logits, c.number("label_smoothing", 0)).perSample(p.graph(), x, target);
        Value mean = p.graph().mean(each);
        p.output("per_sample", each);
        p.output("loss", mean);
        p.gradients(mean, p.graph().constant(1), Map.of("d" + prediction, x));
        return p.run();
    }

    private static Loss loss(String name, boolean logits, double smoothing) {
        return switch (name) {
            case "categorical_crossentropy" -> new CategoricalCrossentropy(logits, smoothing);
            case "sparse_categorical_crossentropy" -> new SparseCategoricalCrossentropy(logits, smoothing);
            default -> throw OpCases.unknown(name, "categorical_crossentropy, sparse_categorical_crossentropy");
        };
    }
}
