package gradus.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OptimizerTest {
    /** Weights under an optimizer, with gradients that are given. */
    private static final class Run {
        final Optimizer optimizer;
        final Parameters<?> parameters;
        final Plan<?> plan;
        final Graph graph = new Graph();
        long step;

        Run(Optimizer optimizer, Map<String, Tensor> weights, Precision precision) {
            this.optimizer = optimizer;
            parameters = new Parameters<>(Backends.open("reference", new Options(1, precision)));
            parameters.setAll(weights);
            var gradients = new LinkedHashMap<String, Value>();
            weights.forEach((name, w) -> {
                graph.parameter(name, w.shape());
                gradients.put(name, graph.input("gradient of " + name, w.shape()));
            });
            Map<String, Value> updates = optimizer.update(graph, gradients);
            if (optimizer.average() > 0) {
                var values = new LinkedHashMap<>(updates);
                values.keySet().retainAll(weights.keySet());
                updates.putAll(optimizer.averages(graph, values));
            }
            updates.forEach(graph::update);
            plan = Plan.of(graph, parameters);
        }

        void step(Map<String, Tensor> gradients) {
            gradients.forEach((name, g) -> plan.feed("gradient of " + name, g));
            var scalars = new LinkedHashMap<>(
                    optimizer.scalars(step, optimizer.learningRate().at(step)));
            scalars.put("average_rate", step == 0 ? 1 : 1 - optimizer.average());
            scalars.keySet().retainAll(graph.inputs().keySet());
            scalars.forEach((name, v) -> plan.feed(name, Tensor.scalar(v)));
            plan.run();
            step++;
        }

        double[] values(String name) {
            return parameters.get(name).doubles();
        }
    }

    /** One weight of two numbers through several steps in float64. */
    private static Run run(Optimizer optimizer, double[] w, double[]... gradients) {
        var run = new Run(optimizer, Map.of("w", Tensor.of(Shape.of(w.length), w)), Precision.FLOAT64);
        for (double[] g : gradients) {
            run.step(Map.of("w", Tensor.of(Shape.of(g.length), g)));
        }
        return run;
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "FLOAT64"})
    void everyRecordedCase(Precision precision) {
        List<String> files = Golden.files("optimizer");
        assertEquals(8, files.size());
        boolean float64 = precision == Precision.FLOAT64;
        for (String file : files) {
            var golden = new Golden(file);
            var run = new Run(optimizer(golden), Map.of("w", golden.tensor("w")), precision);
            for (int i = 1; i <= 5; i++) {
                run.step(Map.of("w", golden.tensor("g" + i)));
                golden.check("w_after" + i, run.parameters.get("w"), float64);
            }
            for (String slot : List.of("m", "v", "velocity")) {
                if (golden.has(slot + "_after5.f64")) {
                    golden.check(slot + "_after5", run.parameters.get("optimizer/" + slot + "/w"), float64);
                }
            }
        }
    }

    private static Optimizer optimizer(Golden golden) {
        double lr = golden.number("lr");
        var decay = WeightDecay.of(golden.number("weight_decay"));
        return switch ((String) golden.attribute("optimizer")) {
            case "adam" ->
                Adam.of(lr)
                        .betas(golden.number("beta_1"), golden.number("beta_2"))
                        .epsilon(golden.number("epsilon"))
                        .weightDecay(decay);
            case "adamw" ->
                AdamW.of(lr)
                        .betas(golden.number("beta_1"), golden.number("beta_2"))
                        .epsilon(golden.number("epsilon"))
                        .weightDecay(decay);
            case "sgd" -> {
                var sgd = Sgd.of(lr).momentum(golden.number("momentum")).weightDecay(decay);
                yield (Boolean) golden.attribute("nesterov") ? sgd.nesterov(true) : sgd;
            }
            default -> throw new AssertionError(golden.attribute("optimizer"));
        };
    }

    /** Against the formulas in plain Java: there are no recorded cases of RMSprop. */
    @Test
    void rmsProp() {
        IntFunction<double[]> gradient = t -> new double[] {0.5 - t, 0.1 * t * t};
        for (boolean centered : new boolean[] {false, true}) {
            for (double momentum : new double[] {0, 0.8}) {
                var optimizer = new RmsProp(
                        Schedule.constant(0.01),
                        0.9,
                        momentum,
                        1e-7,
                        centered,
                        WeightDecay.none(),
                        new Clipping.None(),
                        0);
                var run = run(optimizer, new double[] {1, -2}, gradient.apply(1), gradient.apply(2), gradient.apply(3));
                var w = new double[] {1, -2};
                for (int i = 0; i < 2; i++) {
                    double v = 0;
                    double a = 0;
                    double u = 0;
                    for (int t = 1; t <= 3; t++) {
                        double g = gradient.apply(t)[i];
                        v = 0.9 * v + 0.1 * g * g;
                        a = 0.9 * a + 0.1 * g;
                        double increment = 0.01 * g / Math.sqrt(v - (centered ? a * a : 0) + 1e-7);
                        u = momentum * u + increment;
                        w[i] -= momentum > 0 ? u : increment;
                    }
                }
                assertArrayEquals(w, run.values("w"), 1e-14);
            }
        }
    }

    @Test
    void clippingByValue() {
        var run = run(
                Sgd.of(1.0).clipping(new Clipping.ByValue(0.5)), new double[] {0, 0, 0}, new double[] {2, -3, 0.25});
        assertArrayEquals(new double[] {-0.5, 0.5, -0.25}, run.values("w"));
    }

    @Test
    void clippingByNormIsWeightByWeightGlobalNormIsNot() {
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("a", Tensor.of(Shape.of(2), 0.0, 0.0));
        weights.put("b", Tensor.of(Shape.of(1), 0.0));
        var gradients = Map.of(
                "a", Tensor.of(Shape.of(2), 3.0, 4.0), "b", Tensor.of(Shape.of(1), 12.0)); // norms 5, 12; together 13
        var each = new Run(Sgd.of(1.0).clipping(new Clipping.ByNorm(10)), weights, Precision.FLOAT64);
        each.step(gradients);
        assertArrayEquals(new double[] {-3, -4}, each.values("a"), 1e-15);
        assertArrayEquals(new double[] {-10}, each.values("b"), 1e-14);
        var all = new Run(Sgd.of(1.0).clipping(new Clipping.ByGlobalNorm(6.5)), weights, Precision.FLOAT64);
        all.step(gradients);
        assertArrayEquals(new double[] {-1.5, -2}, all.values("a"), 1e-15);
        assertArrayEquals(new double[] {-6}, all.values("b"), 1e-14);
        var none = new Run(Sgd.of(1.0).clipping(new Clipping.ByGlobalNorm(14)), weights, Precision.FLOAT64);
        none.step(gradients);
        assertArrayEquals(new double[] {-12}, none.values("b"));
    }

    @Test
    void clippingOfZeroGradientsGivesNoNaN() {
        for (Clipping c : List.of(new Clipping.ByNorm(1), new Clipping.ByGlobalNorm(1), new Clipping.ByValue(1))) {
            assertArrayEquals(
                    new double[] {1},
                    run(Sgd.of(1.0).clipping(c), new double[] {1}, new double[] {0})
                            .values("w"));
        }
        assertThrows(TrainingException.class, () -> new Clipping.ByNorm(0));
    }

    @Test
    void weightDecaySparesWhatItIsToldTo() {
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("conv/kernel", Tensor.of(Shape.of(1), 1.0));
        weights.put("bn/gamma", Tensor.of(Shape.of(1), 1.0));
        var run = new Run(Sgd.of(0.5).weightDecay(WeightDecay.ofKernels(0.1)), weights, Precision.FLOAT64);
        run.step(Map.of("conv/kernel", Tensor.of(Shape.of(1), 0.0), "bn/gamma", Tensor.of(Shape.of(1), 0.0)));
        assertArrayEquals(new double[] {0.95}, run.values("conv/kernel"));
        assertArrayEquals(new double[] {1}, run.values("bn/gamma"));
    }

    @Test
    void defaultsAreKeras() {
        var rate = Schedule.constant(0.001);
        var none = new Clipping.None();
        assertEquals(new Adam(rate, 0.9, 0.999, 1e-7, WeightDecay.none(), none, 0), Adam.of());
        assertEquals(new AdamW(rate, 0.9, 0.999, 1e-7, WeightDecay.of(0.004), none, 0), AdamW.of());
        assertEquals(new RmsProp(rate, 0.9, 0, 1e-7, false, WeightDecay.none(), none, 0), RmsProp.of(0.001));
        assertEquals(new Sgd(rate, 0, false, WeightDecay.none(), none, 0), Sgd.of(0.001));
        assertThrows(TrainingException.class, () -> RmsProp.of(0.001).momentum(1));
        assertThrows(TrainingException.class, () -> RmsProp.of(0.001).momentum(-0.1));
    }

    @Test
    void averageBeginsWithTheFirstWeights() {
        var run = run(Sgd.of(1.0).average(0.75), new double[] {0}, new double[] {-1});
        assertArrayEquals(new double[] {1}, run.values("optimizer/ema/w"));
        run.step(Map.of("w", Tensor.of(Shape.of(1), -4.0)));
        assertArrayEquals(new double[] {5}, run.values("w"));
        assertArrayEquals(new double[] {2}, run.values("optimizer/ema/w")); // 1 + (5 - 1) / 4
    }
}
