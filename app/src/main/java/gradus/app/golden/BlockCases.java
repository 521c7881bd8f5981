package gradus.app.golden;

import gradus.backend.BackendProvider.Precision;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.Lowered;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.op.Value;
import gradus.resnet.Blocks;
import gradus.resnet.Filters;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Residual blocks, and the numbers that the course notebook prints of them. */
final class BlockCases {
    /** A block belongs to a stage and has a letter; the files name its layers without them. */
    private static final int STAGE = 2;

    private static final String LETTER = "a";

    /** How well a float32 engine must give the printed numbers, relative to each. */
    private static final double PRINT = 3e-7;

    private BlockCases() {}

    // ---- group block ----

    static Map<String, Tensor> blocks(GoldenCase c, Engine engine) {
        var results = new LinkedHashMap<String, Tensor>();
        results.putAll(valueAndGradients(c, engine, true));
        results.putAll(valueAndGradients(c, engine, false));
        results.putAll(movingStatistics(c, engine, false));
        results.putAll(movingStatistics(c, engine, true));
        return results;
    }

    private static Map<String, Tensor> valueAndGradients(GoldenCase c, Engine engine, boolean training) {
        String mode = training ? "train." : "infer.";
        Model model = block(c, false);
        var p = new Program(engine);
        Value x = p.input(c, "x");
        Value dy = p.input(c, "dy");
        Value y = model.lower(p.graph(), training, List.of(x)).outputs().getFirst();
        p.output(mode + "y", y);
        var with = new LinkedHashMap<String, Value>();
        with.put(mode + "d_x", x);
        for (ModelWeight w : model.weightList()) {
            if (w.trainable()) {
                with.put(
                        mode + "d_" + fileName(w.name()), p.graph().parameters().get(w.name()));
            }
        }
        p.gradients(y, dy, with);
        return p.run(weights(c, model));
    }

    /** The moving statistics after one training step. */
    private static Map<String, Tensor> movingStatistics(GoldenCase c, Engine engine, boolean unbiased) {
        Model model = block(c, unbiased);
        var p = new Program(engine);
        Lowered lowered = model.lower(p.graph(), true, List.of(p.input(c, "x")));
        lowered.updates().forEach((name, value) -> {
            if (name.endsWith("/moving_variance")) {
                p.output("train." + fileName(name) + "_after1_" + (unbiased ? "unbiased" : "biased"), value);
            } else {
                p.output("train." + fileName(name) + "_after1", value);
            }
        });
        return p.run(weights(c, model));
    }

    private static Model block(GoldenCase c, boolean unbiased) {
        Shape x = c.tensor("x").shape();
        int[] f = c.integers("filters");
        var filters = Filters.of(f[0], f[1], f[2]);
        var blocks = Blocks.of()
                .epsilon(c.number("epsilon"))
                .momentum(c.number("momentum", 0.9))
                .unbiased(unbiased);
        LayerOutput in = Input.of(x.dim(1), x.dim(2), x.dim(3));
        String kind = c.text("kind");
        LayerOutput out = switch (kind) {
            case "identity" -> blocks.identity(in, c.integer("f"), filters, STAGE, LETTER);
            case "convolutional" ->
                blocks.convolutional(in, c.integer("f"), filters, STAGE, LETTER, c.integer("stride"));
            default -> throw OpCases.unknown(kind, "identity, convolutional");
        };
        return Model.of("block", in, out);
    }

    /** {@code conv_2a2b/kernel} is {@code conv_2b/kernel} in the files. */
    private static String fileName(String weight) {
        return weight.replaceFirst("_" + STAGE + LETTER, "_");
    }

    private static Map<String, Tensor> weights(GoldenCase c, Model model) {
        var weights = new LinkedHashMap<String, Tensor>();
        model.weightList().forEach(w -> weights.put(w.name(), c.tensor(fileName(w.name()))));
        return weights;
    }

    // ---- group notebook ----

    static List<Check> notebook(GoldenCase c, Manifest manifest, Engine engine) {
        Map<String, Manifest.Row> rows = manifest.rows(c.file());
        Model model = block(c, false);
        var p = new Program(engine);
        boolean training = c.flag("training");
        p.output(
                "y",
                model.lower(p.graph(), training, List.of(p.input(c, "x")))
                        .outputs()
                        .getFirst());
        Map<String, Tensor> results = p.run(weights(c, model));
        var checks = new ArrayList<>(Cases.compare(c, rows, results, engine.precision()));
        if (engine.precision() == Precision.FLOAT32) {
            Tensor y = results.get("y");
            if (c.has("printed_resume")) {
                // around(y[:, (0,-1), :, :].mean(axis=3), 5): the print is off by up to half a unit of its last digit
                checks.add(printed(c, "printed_resume", firstAndLastRow(y), 0.5e-5));
            }
            if (c.has("printed_sample0")) {
                checks.add(printed(c, "printed_sample0", firstSample(y), 0));
            }
        }
        return checks;
    }

    private static Check printed(GoldenCase c, String name, Tensor actual, double rounding) {
        Tensor expected = c.tensor(name);
        return new Check(name, expected, actual, i -> PRINT * Math.abs(expected.get(i)) + rounding);
    }

    private static Tensor firstSample(Tensor y) {
        Shape shape = y.shape().slice(1, y.shape().rank());
        var values = new double[shape.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = y.get(i);
        }
        return Tensor.of(shape, values);
    }

    private static Tensor firstAndLastRow(Tensor y) {
        int n = y.shape().dim(0);
        int h = y.shape().dim(1);
        int w = y.shape().dim(2);
        int channels = y.shape().dim(3);
        var means = new double[n * 2 * w];
        for (int i = 0; i < means.length; i++) {
            int row = i / w % 2 * (h - 1);
            int at = ((i / w / 2 * h + row) * w + i % w) * channels;
            for (int k = 0; k < channels; k++) {
                means[i] += y.get(at + k) / channels;
            }
        }
        return Tensor.of(Shape.of(n, 2, w), means);
    }
}
