package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.op.Op;
import gradus.op.PrepareKernel;
import gradus.op.PreparedConv2D;
import gradus.op.PreparedMatMul;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Tensor;
import gradus.tests.OpCases.Case;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Central differences in float64 through graph, derivative, plan and reference backend, for every op. */
class GradientCheckTest {
    private static final int SHAPES = 24;
    private static final double TOLERANCE = 1e-7;

    @TestFactory
    Stream<DynamicTest> everyOp() {
        return OpCases.all().entrySet().stream()
                .filter(e -> differentiable(e.getValue()))
                .map(e -> DynamicTest.dynamicTest(e.getKey().getSimpleName(), () -> {
                    var random = new Random(e.getKey().getSimpleName().hashCode());
                    for (int i = 0; i < SHAPES; i++) {
                        check(e.getValue().apply(random), random);
                    }
                }));
    }

    @TestFactory
    Stream<DynamicTest> everyScalarFunction() {
        Set<Class<?>> covered = OpCases.FUNCTIONS.stream().map(Object::getClass).collect(Collectors.toSet());
        assertEquals(Set.of(ScalarFunction.class.getPermittedSubclasses()), covered);
        return OpCases.FUNCTIONS.stream()
                .map(f -> DynamicTest.dynamicTest(f.toString(), () -> {
                    var random = new Random(7);
                    for (int i = 0; i < SHAPES; i++) {
                        check(OpCases.elementwise(random, f), random);
                    }
                }));
    }

    /**
     * Every op has a case of its own; those without a derivative are reached as part of one that is checked above. What
     * plans alone put in, for kernels that do not change, never stands in a graph that is differentiated.
     */
    @Test
    void noOpIsForgotten() {
        var names = new TreeSet<String>();
        for (Class<?> c : Op.class.getPermittedSubclasses()) {
            names.add(c.getSimpleName());
        }
        names.removeAll(List.of(
                PrepareKernel.class.getSimpleName(),
                PreparedConv2D.class.getSimpleName(),
                PreparedMatMul.class.getSimpleName()));
        var covered = new TreeSet<String>();
        OpCases.all().keySet().forEach(c -> covered.add(c.getSimpleName()));
        assertEquals(names, covered);
    }

    private static boolean differentiable(Function<Random, Case> cases) {
        for (boolean d : cases.apply(new Random(1)).differentiable()) {
            if (d) {
                return true;
            }
        }
        return false;
    }

    private static void check(Case c, Random random) {
        var graph = new Graph();
        var inputs = new ArrayList<Value>();
        for (int i = 0; i < c.inputs().size(); i++) {
            inputs.add(graph.input("x" + i, c.inputs().get(i).shape()));
        }
        Value y = graph.apply(c.op(), inputs);
        Value weights = graph.constant(OpCases.gaussian(random, y.shape()));
        Value loss = graph.sum(graph.multiply(y, weights));
        graph.output("loss", loss);
        Gradient.Result gradient = Gradient.of(graph, loss, inputs);
        for (int i = 0; i < inputs.size(); i++) {
            if (c.differentiable()[i]) {
                gradient.graph().output("d" + i, gradient.derivatives().get(i));
            }
        }
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT64))) {
            Plan<?> plan = Plan.of(gradient.graph(), backend);
            Plan<?> forward = Plan.of(graph, backend);
            run(plan, c.inputs());
            for (int i = 0; i < inputs.size(); i++) {
                if (c.differentiable()[i]) {
                    double[] d = plan.output("d" + i).doubles();
                    for (int direction = 0; direction < 3; direction++) {
                        direction(c, forward, i, d, random);
                    }
                }
            }
        }
    }

    /** The derivative along a random direction against a fourth-order central difference. */
    private static void direction(Case c, Plan<?> forward, int i, double[] d, Random random) {
        Tensor x = c.inputs().get(i);
        double[] v = OpCases.gaussian(random, x.shape()).doubles();
        double analytic = 0;
        double norm = 0;
        for (int k = 0; k < v.length; k++) {
            v[k] = Math.clamp(v[k], -3, 3);
            analytic += d[k] * v[k];
            norm += d[k] * d[k];
        }
        double h = 1e-3;
        double numeric = (8 * (at(c, forward, i, v, h) - at(c, forward, i, v, -h))
                        - (at(c, forward, i, v, 2 * h) - at(c, forward, i, v, -2 * h)))
                / (12 * h);
        double scale = Math.max(Math.max(Math.abs(analytic), Math.abs(numeric)), Math.sqrt(norm));
        double error = Math.abs(analytic - numeric) / Math.max(scale, 1e-3);
        String what = c.op() + " of "
                + c.inputs().stream().map(t -> t.shape().toString()).toList() + ", input " + i + ": derivative "
                + analytic
                + ", difference quotient " + numeric + ", error " + error;
        assertTrue(error <= TOLERANCE, what);
    }

    private static double at(Case c, Plan<?> forward, int i, double[] v, double h) {
        var inputs = new ArrayList<>(c.inputs());
        double[] x = inputs.get(i).doubles().clone();
        for (int k = 0; k < x.length; k++) {
            x[k] += h * v[k];
        }
        inputs.set(i, Tensor.of(inputs.get(i).shape(), x));
        run(forward, inputs);
        return forward.output("loss").item();
    }

    private static void run(Plan<?> plan, List<Tensor> inputs) {
        for (int i = 0; i < inputs.size(); i++) {
            plan.feed("x" + i, inputs.get(i));
        }
        plan.run();
    }
}
