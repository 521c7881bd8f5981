package gradus.layers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Central differences in float64 through a model of one layer, with respect to its inputs and all trainable weights, in
 * training and in inference mode. Random shapes include extent 1, even kernels, strides beyond the kernel, odd channels.
 */
class LayerGradientTest {
    private static final int SHAPES = 22;
    private static final double TOLERANCE = 1e-7;
    private static final double STEP = 1e-4;

    /** A layer and the shapes of the samples it is given. */
    private record Case(Layer layer, List<Shape> inputs) {}

    private static Map<String, Function<Random, Case>> cases() {
        Map<String, Function<Random, Case>> m = new LinkedHashMap<>();
        m.put("Conv2D", r -> {
            int groups = r.nextInt(4) == 0 ? 1 + r.nextInt(3) : 1;
            var conv = Conv2D.of(groups * (1 + r.nextInt(4)), 1 + r.nextInt(4), 1 + r.nextInt(4))
                    .groups(groups)
                    .bias(r.nextBoolean())
                    .activation(r.nextBoolean() ? "tanh" : "linear");
            conv = r.nextInt(4) == 0 ? conv.dilation(2) : conv.strides(1 + r.nextInt(5), 1 + r.nextInt(5));
            conv = r.nextBoolean() ? conv.same() : conv;
            return new Case(conv, List.of(Shape.of(7 + r.nextInt(4), 7 + r.nextInt(4), groups * (1 + r.nextInt(3)))));
        });
        m.put("BatchNormalization", r -> {
            var norm = BatchNormalization.of().center(r.nextInt(4) > 0).scale(r.nextInt(4) > 0);
            return new Case(norm.unbiased(r.nextBoolean()), List.of(r.nextBoolean() ? image(r) : vector(r)));
        });
        m.put("Activation", r -> {
            var all = ActivationFunction.values();
            return new Case(Activation.of(all[r.nextInt(all.length)]), List.of(image(r)));
        });
        m.put("Clip", r -> new Case(Clip.of(-0.02 * r.nextInt(20), 0.02 * r.nextInt(1, 20)), List.of(image(r))));
        m.put("LeakyReLU", r -> new Case(LeakyReLU.of(r.nextDouble()), List.of(image(r))));
        m.put("Add", r -> merge(Add.of(), r));
        m.put("Subtract", r -> new Case(Subtract.of(), Collections.nCopies(2, image(r))));
        m.put("Multiply", r -> merge(Multiply.of(), r));
        m.put("Average", r -> merge(Average.of(), r));
        m.put("Concatenate", r -> {
            Shape s = image(r);
            return new Case(Concatenate.of(), List.of(s, s.with(-1, 1 + r.nextInt(5)), s.with(-1, 1)));
        });
        m.put(
                "ZeroPadding2D",
                r -> new Case(
                        ZeroPadding2D.of(r.nextInt(3), r.nextInt(3), r.nextInt(3), r.nextInt(3)), List.of(image(r))));
        m.put("ChannelPadding", r -> new Case(ChannelPadding.of(r.nextInt(3), r.nextInt(3)), List.of(image(r))));
        m.put("MaxPooling2D", r -> {
            var pool = MaxPooling2D.of(1 + r.nextInt(3), 1 + r.nextInt(3)).strides(1 + r.nextInt(4));
            int h = r.nextInt(pool.pool().height());
            int w = r.nextInt(pool.pool().width());
            return new Case(
                    switch (r.nextInt(3)) {
                        case 0 -> pool;
                        case 1 -> pool.same();
                        default -> pool.padding(h, 0, r.nextInt(w + 1), w);
                    },
                    List.of(image(r)));
        });
        m.put("AveragePooling2D", r -> {
            var pool = AveragePooling2D.of(1 + r.nextInt(3), 1 + r.nextInt(3)).strides(1 + r.nextInt(4));
            int h = r.nextInt(pool.pool().height());
            int w = r.nextInt(pool.pool().width());
            return new Case(
                    switch (r.nextInt(3)) {
                        case 0 -> pool;
                        case 1 -> pool.same();
                        default -> pool.padding(h, 0, r.nextInt(w + 1), w);
                    },
                    List.of(image(r)));
        });
        m.put("GlobalMaxPooling2D", r -> new Case(GlobalMaxPooling2D.of(), List.of(image(r))));
        m.put("GlobalAveragePooling2D", r -> new Case(GlobalAveragePooling2D.of(), List.of(image(r))));
        m.put("Flatten", r -> new Case(Flatten.of(), List.of(image(r))));
        m.put("Reshape", r -> {
            Shape s = image(r);
            return new Case(Reshape.of(s.dim(2), s.dim(0) * s.dim(1)), List.of(s));
        });
        m.put(
                "Dense",
                r -> new Case(
                        Dense.of(1 + r.nextInt(9)).activation(r.nextBoolean() ? "softmax" : "sigmoid"),
                        List.of(r.nextBoolean() ? image(r) : vector(r))));
        m.put("Dropout", r -> new Case(Dropout.of(r.nextInt(9) * 0.1), List.of(image(r))));
        return m;
    }

    private static Case merge(Layer layer, Random r) {
        return new Case(layer, Collections.nCopies(2 + r.nextInt(2), image(r)));
    }

    private static Shape image(Random r) {
        return Shape.of(3 + r.nextInt(4), 3 + r.nextInt(5), 1 + r.nextInt(5));
    }

    private static Shape vector(Random r) {
        return Shape.of(1 + r.nextInt(9));
    }

    /** Fails when a kind of layer has no case. */
    @Test
    void noLayerIsForgotten() {
        assertEquals(LayerConfigTest.types(), cases().keySet());
    }

    @TestFactory
    Stream<DynamicTest> everyLayer() {
        return cases().entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    var random = new Random(e.getKey().hashCode());
                    for (int i = 0; i < SHAPES; i++) {
                        check(e.getValue().apply(random), i % 3 > 0, random);
                    }
                }));
    }

    private static void check(Case c, boolean training, Random random) {
        var inputs = c.inputs().stream().map(s -> Input.of(s.toArray())).toList();
        var model = Model.of("one", inputs, List.of(c.layer().named("layer").apply(inputs)));
        model.initialize(random.nextInt(), DType.F64);
        int n = 2 + random.nextInt(2);
        var graph = new Graph();
        var values = new ArrayList<Value>();
        var given = new LinkedHashMap<String, Tensor>();
        for (int i = 0; i < inputs.size(); i++) {
            Shape shape = c.inputs().get(i).prepend(n);
            values.add(graph.input("x" + i, shape));
            given.put("x" + i, distinct(shape, random));
        }
        Value y = model.lower(graph, training, values).outputs().get(0);
        Value loss = graph.sum(graph.multiply(y, graph.constant(gaussian(y.shape(), random))));
        graph.output("loss", loss);
        var names = new ArrayList<>(given.keySet());
        model.weightList().stream()
                .filter(w -> w.trainable() && graph.parameters().containsKey(w.name()))
                .forEach(w -> {
                    names.add(w.name());
                    values.add(graph.parameters().get(w.name()));
                    given.put(w.name(), gaussian(w.shape(), random));
                });
        Gradient.Result d = Gradient.of(graph, loss, values);
        IntStream.range(0, names.size())
                .filter(i -> d.derivatives().get(i) != null)
                .forEach(i ->
                        d.graph().output("d " + names.get(i), d.derivatives().get(i)));
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT64))) {
            Plan<?> plan = Plan.of(d.graph(), backend);
            Plan<?> forward = Plan.of(graph, backend);
            for (Plan<?> p : List.of(plan, forward)) {
                model.weights().forEach(p.parameters()::set);
                if (graph.inputs().containsKey("step")) {
                    p.feed("step", Tensor.scalar(7)); // both plans draw the same mask
                }
            }
            run(plan, given);
            for (int i = 0; i < names.size(); i++) {
                assertTrue(d.derivatives().get(i) != null, c.layer() + ": no derivative of " + names.get(i));
                double[] analytic = plan.output("d " + names.get(i)).doubles();
                direction(c, training, forward, given, names.get(i), analytic, random);
                direction(c, training, forward, given, names.get(i), analytic, random);
            }
        }
    }

    private static void direction(
            Case c,
            boolean training,
            Plan<?> forward,
            Map<String, Tensor> given,
            String name,
            double[] d,
            Random random) {
        double[] v = new double[d.length];
        double analytic = 0;
        double norm = 0;
        for (int k = 0; k < v.length; k++) {
            v[k] = Math.clamp(random.nextGaussian(), -2, 2);
            analytic += d[k] * v[k];
            norm += d[k] * d[k];
        }
        double numeric = (8 * (at(forward, given, name, v, STEP) - at(forward, given, name, v, -STEP))
                        - (at(forward, given, name, v, 2 * STEP) - at(forward, given, name, v, -2 * STEP)))
                / (12 * STEP);
        double scale = Math.max(Math.max(Math.abs(analytic), Math.abs(numeric)), Math.max(Math.sqrt(norm), 1e-2));
        double error = Math.abs(analytic - numeric) / scale;
        String what = c.layer() + " of " + c.inputs() + (training ? ", training, " : ", inference, ") + name
                + ": derivative " + analytic + ", difference quotient " + numeric + ", error " + error;
        assertTrue(error <= TOLERANCE, what);
    }

    private static double at(Plan<?> plan, Map<String, Tensor> given, String name, double[] v, double h) {
        var changed = new LinkedHashMap<>(given);
        double[] x = given.get(name).doubles().clone();
        for (int k = 0; k < x.length; k++) {
            x[k] += h * v[k];
        }
        changed.put(name, Tensor.of(given.get(name).shape(), x));
        run(plan, changed);
        return plan.output("loss").item();
    }

    private static void run(Plan<?> plan, Map<String, Tensor> given) {
        given.forEach((name, value) -> {
            if (name.startsWith("layer/")) {
                plan.parameters().set(name, value);
            } else {
                plan.feed(name, value);
            }
        });
        plan.run();
    }

    private static Tensor gaussian(Shape shape, Random random) {
        return Tensor.of(shape, random.doubles(shape.size(), -1.5, 1.5).toArray());
    }

    /** Distinct values at least 0.02 apart and as far from the kinks of activations, 0 and 6, so that maxima stay. */
    private static Tensor distinct(Shape shape, Random random) {
        var order = new ArrayList<Integer>();
        for (int i = 0; i < shape.size(); i++) {
            order.add(i);
        }
        Collections.shuffle(order, random);
        return Tensor.of(
                shape,
                order.stream()
                        .mapToDouble(i -> 0.02 * (i - shape.size() / 2) + 0.01)
                        .toArray());
    }
}
