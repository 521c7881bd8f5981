package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.backend.ScalarFunction.Relu;
import gradus.eager.Eager;
import gradus.eager.Variable;
import gradus.graph.FoldBatchNorm;
import gradus.graph.Fuse;
import gradus.graph.FuseGradient;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.BatchNorm;
import gradus.op.BatchNormGradient;
import gradus.op.BatchNormSums;
import gradus.op.Builder;
import gradus.op.Conv2D;
import gradus.op.Covariance;
import gradus.op.ElementwiseGradient;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2D;
import gradus.op.FusedConv2DInputGradient;
import gradus.op.Moments;
import gradus.op.Pad;
import gradus.op.Slice;
import gradus.op.Sliding;
import gradus.op.Sum;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One small residual network, four ways: planned and eager, fused and unfused; values and derivatives agree. */
class FusionTest {
    /** Parameters of the network below, in the order in which it asks for them. */
    private static List<Tensor> weights(Random r) {
        var w = new ArrayList<Tensor>();
        for (Shape kernel : List.of(Shape.of(3, 3, 3, 5), Shape.of(1, 1, 5, 5), Shape.of(3, 3, 5, 5))) {
            w.add(OpCases.gaussian(r, kernel));
            w.add(OpCases.gaussian(r, Shape.of(5)));
        }
        for (int i = 0; i < 3; i++) {
            w.add(OpCases.gaussian(r, Shape.of(5)));
            w.add(OpCases.gaussian(r, Shape.of(5)));
            w.add(OpCases.gaussian(r, Shape.of(5)));
            double[] variance = OpCases.gaussian(r, Shape.of(5)).doubles();
            for (int k = 0; k < 5; k++) {
                variance[k] = 0.5 + variance[k] * variance[k];
            }
            w.add(Tensor.of(Shape.of(5), variance));
        }
        return w;
    }

    /** z = relu(bn(conv(x) + b)), twice followed by z = relu(bn(conv(z) + b) + z), summed with weights. */
    private static Value network(Builder b, Value x, List<Value> w, boolean training, Tensor upstream) {
        Value y = convolution(b, x, w.get(0), w.get(1));
        Value z = b.map(new Relu(), norm(b, y, w.subList(6, 10), training));
        for (int i = 1; i < 3; i++) {
            Value branch = convolution(b, z, w.get(2 * i), w.get(2 * i + 1));
            branch = norm(b, branch, w.subList(6 + 4 * i, 10 + 4 * i), training);
            z = b.map(new Relu(), b.add(branch, z));
        }
        return b.sum(b.multiply(z, b.constant(upstream)));
    }

    private static Value convolution(Builder b, Value x, Value w, Value bias) {
        int k = w.shape().dim(0);
        var sliding = Sliding.same(x.shape().dim(1), x.shape().dim(2), k, k, 1, 1, 1, 1);
        return b.add(b.apply(new Conv2D(sliding, 1), x, w), bias);
    }

    private static Value norm(Builder b, Value x, List<Value> p, boolean training) {
        Value m = training ? b.apply(new Moments(), x) : b.stack(p.get(2), p.get(3));
        return b.apply(new BatchNorm(1e-3), x, m, p.get(0), p.get(1));
    }

    @ParameterizedTest
    @CsvSource({"reference, FLOAT64, true", "reference, FLOAT64, false", "simd, FLOAT32, true", "simd, FLOAT32, false"})
    void plannedEagerFusedUnfused(String name, Precision precision, boolean training) {
        double tolerance = precision == Precision.FLOAT64 ? 1e-11 : 2e-4;
        var random = new Random(11);
        List<Tensor> weights = weights(random);
        Tensor x = OpCases.gaussian(random, Shape.of(3, 7, 6, 3));
        Tensor upstream = OpCases.gaussian(random, Shape.of(3, 7, 6, 5));
        try (Backend<?> backend = Backends.open(name, new Options(2, precision))) {
            List<Tensor> plain = planned(backend, weights, x, upstream, training, false, false);
            List<Tensor> fused = planned(backend, weights, x, upstream, training, true, false);
            List<Tensor> backward = planned(backend, weights, x, upstream, training, true, true);
            List<Tensor> eager = eager(backend, weights, x, upstream, training);
            for (int i = 0; i < plain.size(); i++) {
                assertClose(plain.get(i), fused.get(i), tolerance, "fused, derivative " + i);
                assertClose(plain.get(i), backward.get(i), tolerance, "fused backward, derivative " + i);
                assertClose(plain.get(i), eager.get(i), tolerance, "eager, derivative " + i);
            }
        }
    }

    /** Statistics that are taken as a convolution's result is made are those behind its activation, whichever that is. */
    @ParameterizedTest
    @CsvSource({"1, false", "1, true", "3, false", "3, true"})
    void statisticsAreOfActivatedValues(int size, boolean residual) {
        List<ScalarFunction> functions = List.of(
                new Relu(),
                new ScalarFunction.Relu6(),
                new ScalarFunction.LeakyRelu(0.3),
                new ScalarFunction.Sigmoid(),
                new ScalarFunction.Tanh(),
                new ScalarFunction.Exp(),
                new ScalarFunction.Affine(10, 3),
                new ScalarFunction.Gelu());
        var random = new Random(4);
        for (int channels : new int[] {3, 64}) {
            Tensor x = OpCases.gaussian(random, Shape.of(2, 9, 8, channels));
            double[] kernel = OpCases.gaussian(random, Shape.of(size, size, channels, channels))
                    .doubles();
            Tensor w = Tensor.of(
                    Shape.of(size, size, channels, channels),
                    Arrays.stream(kernel)
                            .map(v -> v / (size * Math.sqrt(channels)))
                            .toArray());
            Tensor bias = OpCases.gaussian(random, Shape.of(channels));
            for (ScalarFunction f : functions) {
                var graph = new Graph();
                Value in = graph.input("x", x.shape());
                Value y =
                        convolution(graph, in, graph.parameter("w", w.shape()), graph.parameter("bias", bias.shape()));
                Value z = graph.map(f, residual ? graph.add(y, in) : y);
                graph.output("moments", graph.apply(new Moments(), z));
                graph.output("sum", graph.sum(z, 0, 3));
                List<Tensor> expected = statistics(Fuse.of(graph), "reference", Precision.FLOAT64, x, w, bias);
                List<Tensor> fused = statistics(Fuse.of(graph), "simd", Precision.FLOAT32, x, w, bias);
                assertClose(expected.get(0), fused.get(0), 1e-4, f + " moments of " + channels);
                assertClose(expected.get(1), fused.get(1), 1e-4, f + " sum of " + channels);
            }
        }
    }

    private static List<Tensor> statistics(
            Graph graph, String name, Precision precision, Tensor x, Tensor w, Tensor bias) {
        try (Backend<?> backend = Backends.open(name, new Options(2, precision))) {
            Plan<?> plan = Plan.of(graph, backend);
            plan.parameters().set("w", w);
            plan.parameters().set("bias", bias);
            plan.feed("x", x);
            plan.run();
            return List.of(plan.output("moments"), plan.output("sum"));
        }
    }

    /** The end of a stage: relu(bn(conv(a) + b) + r), read with strides, and perhaps by something else as well. */
    private record StageEnd(int f, int strideH, int strideW, boolean bias, boolean residual, boolean otherReader) {
        Value network(Graph g, Value x, List<Tensor> upstream) {
            Value a = g.map(
                    new Relu(),
                    norm(g, convolution(g, x, p(g, "w0", 3, 3, 3, 4), p(g, "b0", 4)), norms(g, 0, 4), true));
            Value z = g.apply(new Conv2D(Sliding.valid(1, 1), 1), a, p(g, "w1", 1, 1, 4, f));
            z = bias ? g.add(z, p(g, "b1", f)) : z;
            Value m = g.apply(new Moments(), z);
            g.output("moments", m);
            List<Value> p = norms(g, 1, f);
            z = g.apply(new BatchNorm(1e-3), z, m, p.get(0), p.get(1));
            if (residual) {
                z = g.add(z, convolution(g, x, p(g, "w2", 1, 1, 3, f), p(g, "b2", f)));
            }
            Value y = g.map(new Relu(), z);
            var down = new Conv2D(Sliding.valid(strideH, strideW), 1);
            Value first = g.add(g.apply(down, y, p(g, "w3", 1, 1, f, 5)), p(g, "b3", 5));
            Value second = g.apply(down, y, p(g, "w4", 1, 1, f, 2));
            Value loss = g.add(weighted(g, first, upstream.get(0)), weighted(g, second, upstream.get(1)));
            return otherReader ? g.add(loss, g.mean(y)) : loss;
        }

        private static Value p(Graph g, String name, int... shape) {
            return g.parameter(name, Shape.of(shape));
        }

        private static List<Value> norms(Graph g, int i, int c) {
            return List.of(p(g, "gamma" + i, c), p(g, "beta" + i, c));
        }

        private static Value weighted(Graph g, Value x, Tensor weights) {
            int n = x.shape().size();
            return g.sum(g.multiply(g.reshape(x, Shape.of(n)), g.constant(Tensor.of(Shape.of(n), weights.doubles()))));
        }
    }

    /** Values, moments and derivatives are those of all pixels, whichever of them are computed. */
    @ParameterizedTest
    @CsvSource({
        "6, 2, 2, true, true, false",
        "6, 2, 2, false, false, false",
        "16, 3, 1, true, false, false",
        "4, 1, 2, false, true, false",
        "6, 2, 2, true, true, true",
        "6, 1, 1, true, true, false",
        "3, 2, 2, true, true, false",
        "16, 2, 2, true, true, true",
        "16, 1, 1, false, false, false"
    })
    void batchNormIsFolded(int f, int strideH, int strideW, boolean bias, boolean residual, boolean otherReader) {
        var end = new StageEnd(f, strideH, strideW, bias, residual, otherReader);
        var random = new Random(5);
        Tensor x = OpCases.gaussian(random, Shape.of(3, 7, 6, 3));
        int pixels = 3 * ((7 - 1) / strideH + 1) * ((6 - 1) / strideW + 1);
        List<Tensor> upstream =
                List.of(OpCases.gaussian(random, Shape.of(pixels * 5)), OpCases.gaussian(random, Shape.of(pixels * 2)));
        try (Backend<?> exact = Backends.open("reference", new Options(1, Precision.FLOAT64));
                Backend<?> simd = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            List<Tensor> plain = stageEnd(exact, end, x, upstream, false);
            List<Tensor> folded = stageEnd(exact, end, x, upstream, true);
            List<Tensor> fast = stageEnd(simd, end, x, upstream, true);
            for (int i = 0; i < plain.size(); i++) {
                assertClose(plain.get(i), folded.get(i), 1e-11, "float64, result " + i);
                assertClose(plain.get(i), fast.get(i), 2e-4, "simd, result " + i);
            }
        }
    }

    /** Loss, moments, and the derivatives by the image and all parameters. */
    private static <B> List<Tensor> stageEnd(
            Backend<B> backend, StageEnd end, Tensor x, List<Tensor> upstream, boolean fused) {
        var graph = new Graph();
        Value in = graph.input("x", x.shape());
        Value loss = end.network(graph, in, upstream);
        graph.output("loss", loss);
        Graph forward = fused ? FoldBatchNorm.of(Fuse.of(graph), backend) : graph;
        boolean applies = fused && (!end.otherReader && end.strideH * end.strideW > 1 ? end.f >= 4 : end.f >= 16);
        assertEquals(applies ? 1 : 0, count(forward, n -> n.op() instanceof Covariance), forward::toString);
        var with = new ArrayList<Value>(List.of(in));
        with.addAll(forward.parameters().values());
        Gradient.Result gradient = Gradient.of(forward, loss, with);
        for (int i = 0; i < with.size(); i++) {
            gradient.graph().output("d" + i, gradient.derivatives().get(i));
        }
        Plan<B> plan = Plan.of(fused ? FuseGradient.of(gradient.graph(), backend) : gradient.graph(), backend);
        var random = new Random(6);
        graph.parameters().forEach((name, v) -> plan.parameters().set(name, OpCases.gaussian(random, v.shape())));
        plan.feed("x", x);
        plan.run();
        plan.run();
        var result = new ArrayList<Tensor>(List.of(plan.output("loss"), plan.output("moments")));
        for (int i = 0; i < with.size(); i++) {
            result.add(plan.output("d" + i));
        }
        return result;
    }

    /** What comes back from some rows and columns, and through a 1 x 1 convolution of all, to a ReLU: one node, no zeros in memory. */
    @ParameterizedTest
    @CsvSource({
        "reference, FLOAT64, 7, 6, 2, 2",
        "simd, FLOAT32, 7, 6, 2, 3",
        "simd, FLOAT32, 7, 6, 1, 2",
        "reference, FLOAT32, 7, 6, 3, 1",
        "simd, FLOAT32, 1, 1, 2, 2" // some are all: their memory must not be overwritten before they are added
    })
    void gradientsOfSomePixelsAreAddedWhereTheyBelong(
            String name, Precision precision, int h, int w, int stepH, int stepW) {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2, h, w, 5));
        Value z = graph.map(new Relu(), x);
        Value kernel = graph.parameter("w", Shape.of(1, 1, 5, 4));
        Value some = graph.apply(
                new Slice(
                        List.of(0, 0, 0, 0),
                        Shape.of(2, Math.ceilDiv(h, stepH), Math.ceilDiv(w, stepW), 5),
                        List.of(1, stepH, stepW, 1)),
                z);
        Value all = graph.apply(new Conv2D(Sliding.valid(1, 1), 1), z, kernel);
        Value loss = graph.add(
                graph.sum(graph.multiply(some, some)), graph.sum(graph.multiply(all, graph.multiply(all, all))));
        Gradient.Result gradient = Gradient.of(graph, loss, List.of(x));
        gradient.graph().output("dx", gradient.derivatives().get(0));
        try (Backend<?> backend = Backends.open(name, new Options(2, precision))) {
            Graph fused = FuseGradient.of(gradient.graph(), backend);
            assertEquals(1, count(fused, n -> n.op() instanceof FusedConv2DInputGradient g && g.stepH() == stepH));
            assertEquals(0, count(fused, n -> n.op() instanceof Pad), fused::toString);
            Tensor plain = dx(gradient.graph(), backend);
            assertClose(plain, dx(fused, backend), precision == Precision.FLOAT64 ? 1e-13 : 1e-5, "dx");
        }
    }

    private static <B> Tensor dx(Graph graph, Backend<B> backend) {
        Plan<B> plan = Plan.of(graph, backend);
        var random = new Random(3);
        plan.parameters().set("w", OpCases.gaussian(random, Shape.of(1, 1, 5, 4)));
        plan.feed("x", OpCases.gaussian(random, graph.inputs().get("x").shape()));
        plan.run();
        return plan.output("dx");
    }

    private static <B> List<Tensor> planned(
            Backend<B> backend,
            List<Tensor> weights,
            Tensor x,
            Tensor upstream,
            boolean training,
            boolean fuse,
            boolean backward) {
        var graph = new Graph();
        Value in = graph.input("x", x.shape());
        var w = new ArrayList<Value>();
        for (int i = 0; i < weights.size(); i++) {
            w.add(graph.parameter("w" + i, weights.get(i).shape()));
        }
        Value loss = network(graph, in, w, training, upstream);
        graph.output("loss", loss);
        Graph forward = fuse ? Fuse.of(graph) : graph;
        if (fuse) {
            assertFused(forward, training);
        }
        var with = new ArrayList<Value>(List.of(in));
        with.addAll(trainable(w));
        Gradient.Result gradient = Gradient.of(forward, loss, with);
        for (int i = 0; i < with.size(); i++) {
            gradient.graph().output("d" + i, gradient.derivatives().get(i));
        }
        Graph step = backward ? FuseGradient.of(gradient.graph(), backend) : gradient.graph();
        if (backward) {
            assertFusedBackward(step, training);
        }
        Plan<B> plan = Plan.of(step, backend);
        for (int i = 0; i < weights.size(); i++) {
            plan.parameters().set("w" + i, weights.get(i));
        }
        plan.feed("x", x);
        plan.run();
        plan.run(); // what is hoisted or overwritten in place must survive a second run
        var result = new ArrayList<Tensor>(List.of(plan.output("loss")));
        for (int i = 0; i < with.size(); i++) {
            result.add(plan.output("d" + i));
        }
        return result;
    }

    private static void assertFused(Graph graph, boolean training) {
        long convolutions = graph.nodes().stream()
                .filter(n -> n.op() instanceof FusedConv2D)
                .count();
        long norms = graph.nodes().stream()
                .filter(n -> n.op() instanceof FusedBatchNorm f && f.ownMoments() && f.f() != null)
                .count();
        assertEquals(3, convolutions, graph::toString);
        assertEquals(training ? 3 : 0, norms, graph::toString);
    }

    /** One ReLU is left, where the upstream gradient comes in; training adds no gradients of biases up. */
    private static void assertFusedBackward(Graph graph, boolean training) {
        assertEquals(1, count(graph, n -> n.op() instanceof ElementwiseGradient), graph::toString);
        assertEquals(training ? 1 : 0, count(graph, n -> n.op() instanceof BatchNormSums s && s.relu()));
        assertEquals(training ? 1 : 0, count(graph, n -> n.op() instanceof BatchNormGradient g && g.relu()));
        assertEquals(2, count(graph, n -> n.op() instanceof FusedConv2DInputGradient));
        assertEquals(training ? 1 : 2, count(graph, n -> n.op() instanceof FusedConv2DInputGradient g && g.relu()));
        if (training) {
            assertEquals(1, count(graph, n -> n.op() instanceof Sum), graph::toString);
        }
    }

    private static long count(Graph graph, Predicate<Node> which) {
        return graph.live().stream().filter(which).count();
    }

    /** All but the moving statistics. */
    private static List<Value> trainable(List<Value> w) {
        var trained = new ArrayList<>(w.subList(0, 6));
        for (int i = 6; i < w.size(); i += 4) {
            trained.addAll(w.subList(i, i + 2));
        }
        return trained;
    }

    private static <B> List<Tensor> eager(
            Backend<B> backend, List<Tensor> weights, Tensor x, Tensor upstream, boolean training) {
        var eager = new Eager<>(backend);
        var in = eager.leaf(x);
        var w = new ArrayList<Value>();
        weights.forEach(t -> w.add(eager.leaf(t)));
        var loss = (Variable) network(eager, in, w, training, upstream);
        loss.backward();
        var result = new ArrayList<Tensor>(List.of(loss.value(), in.grad()));
        trainable(w).forEach(v -> result.add(((Variable) v).grad()));
        return result;
    }

    private static void assertClose(Tensor expected, Tensor actual, double tolerance, String what) {
        assertEquals(expected.shape(), actual.shape(), what);
        double largest = 0.1; // derivatives of biases in front of batch norm are mathematically zero
        for (double v : expected.doubles()) {
            largest = Math.max(largest, Math.abs(v));
        }
        for (int i = 0; i < expected.size(); i++) {
            double error = Math.abs(expected.get(i) - actual.get(i)) / largest;
            assertTrue(error <= tolerance, what + ": relative error " + error);
        }
    }
}
