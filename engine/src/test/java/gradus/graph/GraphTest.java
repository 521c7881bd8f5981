package gradus.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.op.BatchNorm;
import gradus.op.BatchNormGradient;
import gradus.op.BatchNormSums;
import gradus.op.Concat;
import gradus.op.Conv2D;
import gradus.op.Conv2DInputGradient;
import gradus.op.Dropout;
import gradus.op.MatMul;
import gradus.op.Max;
import gradus.op.MaxGradient;
import gradus.op.MaxPool2D;
import gradus.op.MomentsGradient;
import gradus.op.Pad;
import gradus.op.Sliding;
import gradus.op.Transpose;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class GraphTest {
    @Test
    void errorsNameLayerOpAndShapes() {
        var graph = new Graph();
        Value a = graph.input("a", Shape.of(2, 3));
        Value b = graph.input("b", Shape.of(4, 5));
        graph.scope("fc");
        var e = assertThrows(ShapeException.class, () -> graph.apply(new MatMul(false, false), a, b));
        assertTrue(e.getMessage().contains("layer 'fc'"), e.getMessage());
        assertTrue(e.getMessage().contains("MatMul of (2, 3), (4, 5)"), e.getMessage());
    }

    @Test
    void valuesOfAnotherGraphAreRefused() {
        Value stranger = new Graph().input("x", Shape.of(1));
        var e = assertThrows(GradusException.class, () -> new Graph().scale(stranger, 2));
        assertTrue(e.getMessage().contains("not a value of this graph"), e.getMessage());
    }

    @Test
    void namesAreUnique() {
        var graph = new Graph();
        graph.input("x", Shape.SCALAR);
        assertThrows(GradusException.class, () -> graph.input("x", Shape.SCALAR));
        graph.parameter("w", Shape.of(2));
        assertThrows(ShapeException.class, () -> graph.parameter("w", Shape.of(3)));
        graph.update("w", graph.parameter("w", Shape.of(2)));
        assertThrows(GradusException.class, () -> graph.update("w", graph.parameter("w", Shape.of(2))));
    }

    /** The input of the first layer needs no derivative, and none is computed. */
    @Test
    void noDerivativeIsComputedThatNobodyReads() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(1, 8, 8, 3));
        Value w = graph.parameter("w", Shape.of(3, 3, 3, 4));
        Value y = graph.apply(new Conv2D(Sliding.valid(1, 1), 1), x, w);
        Value loss = graph.sum(y);
        Gradient.Result d = Gradient.of(graph, loss, List.of(w));
        assertTrue(d.graph().nodes().stream().noneMatch(n -> n.op() instanceof Conv2DInputGradient));
        assertEquals(w.shape(), d.derivatives().get(0).shape());
    }

    @Test
    void onlyScalarsAreDifferentiated() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2));
        var e = assertThrows(GradusException.class, () -> Gradient.of(graph, x, List.of(x)));
        assertTrue(e.getMessage().contains("(2,)"), e.getMessage());
    }

    @Test
    void theListingReadsFromTopToBottom() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2, 3));
        Value w = graph.parameter("w", Shape.of(3, 1));
        graph.scope("dense");
        Value y = graph.map(new ScalarFunction.Relu(), graph.matMul(x, w));
        graph.scope("");
        Value loss = graph.sum(y);
        graph.output("loss", loss);
        Gradient.Result d = Gradient.of(graph, loss, List.of(w));
        d.graph().output("dw", d.derivatives().get(0));
        List<String> lines = d.graph()
                .toString()
                .lines()
                .map(l -> l.replaceAll(" +", " ").strip())
                .toList();
        assertEquals(
                List.of(
                        "input x (2, 3)",
                        "parameter w (3, 1)",
                        "%0 = MatMul(x, w) [transposeA=false, transposeB=false] (2, 1) dense",
                        "%1 = Relu(%0) [f=Relu[]] (2, 1) dense",
                        "%2 = Sum(%1) [from=0, to=2] ()"),
                lines.subList(0, 5));
        // the derivative of the sum repeats the 1 it is given, ReLU's keeps it where y > 0, MatMul's is x^T times that
        List<String> ops = lines.stream()
                .filter(l -> l.startsWith("%"))
                .map(l -> l.replaceAll(".*= (\\w+).*", "$1"))
                .toList();
        assertEquals(List.of("MatMul", "Relu", "Sum", "Reshape", "BroadcastTo", "ReluGradient", "MatMul"), ops);
        assertEquals("output dw = %6 (3, 1)", lines.getLast());
    }

    /** ZeroPadding2D in front of a convolution, and behind a ReLU in front of a pooling, leaves no step of its own. */
    @Test
    void paddingBecomesPartOfConvolutionAndPooling() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2, 6, 7, 3));
        Value w = graph.parameter("w", Shape.of(3, 3, 3, 4));
        var around = new Pad(List.of(0, 1, 2, 0), List.of(0, 0, 1, 0));
        var convolution = new Conv2D(new Sliding(2, 1, 1, 1, 0, 1, 1, 0), 1);
        Value y = graph.map(new ScalarFunction.Relu(), graph.apply(convolution, graph.apply(around, x), w));
        var pool = new MaxPool2D(3, 3, Sliding.valid(2, 2));
        graph.output("pooled", graph.apply(pool, graph.apply(around, y)));
        graph.output("negative", graph.apply(pool, graph.apply(around, graph.scale(y, -1))));
        Graph fused = Fuse.of(graph);
        long pads = fused.nodes().stream().filter(n -> n.op() instanceof Pad).count();
        assertEquals(1, pads, () -> "zeros are larger than negative numbers: that padding must stay\n" + fused);
        var random = new SplittableRandom(1);
        Tensor images =
                Tensor.of(x.shape(), random.doubles(x.shape().size(), -1, 1).toArray());
        Tensor kernel =
                Tensor.of(w.shape(), random.doubles(w.shape().size(), -1, 1).toArray());
        var options = new BackendProvider.Options(1, BackendProvider.Precision.FLOAT64, false);
        try (var backend = Backends.open("reference", options)) {
            for (String output : List.of("pooled", "negative")) {
                assertArrayEquals(
                        run(graph, backend, images, kernel, output),
                        run(fused, backend, images, kernel, output),
                        output);
            }
        }
    }

    /** A window that would see nothing but padding sees the padding's zeros, whoever does it. */
    @Test
    void paddingStaysWhereAWindowWouldSeeNothingElse() {
        var options = new BackendProvider.Options(1, BackendProvider.Precision.FLOAT64, false);
        var around = new Pad(List.of(0, 1, 1, 0), List.of(0, 1, 1, 0));
        try (var backend = Backends.open("reference", options)) {
            for (Sliding sliding : List.of(
                    Sliding.same(4, 4, 2, 2, 1, 1, 1, 1),
                    new Sliding(1, 1, 1, 1, 1, 0, 0, 0),
                    new Sliding(1, 1, 1, 1, 0, 0, 0, 1),
                    new Sliding(1, 1, 3, 1, 0, 0, 0, 0),
                    new Sliding(1, 1, 1, 3, 0, 0, 0, 0))) {
                var graph = new Graph();
                Value x = graph.input("x", Shape.of(1, 2, 2, 1));
                Value w = graph.parameter("w", Shape.SCALAR);
                Value y = graph.map(new ScalarFunction.Relu(), graph.multiply(x, w));
                graph.output("y", graph.apply(new MaxPool2D(2, 2, sliding), graph.apply(around, y)));
                Tensor ones = Tensor.of(x.shape(), 1.0, 1, 1, 1);
                double[] expected = run(graph, backend, ones, Tensor.scalar(1), "y");
                assertArrayEquals(
                        expected, run(Fuse.of(graph), backend, ones, Tensor.scalar(1), "y"), sliding.toString());
                assertTrue(Arrays.stream(expected).allMatch(v -> v >= 0));
            }
        }
    }

    /** Every mistake in shapes and axes is a ShapeException before anything is computed. */
    @Test
    void shapesThatDoNotFitAreNamed() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2, 3, 4));
        Value image = graph.input("image", Shape.of(1, 3, 1, 1));
        Value m = graph.input("m", Shape.of(2, 4));
        Value c = graph.input("c", Shape.of(4));
        Value none = graph.input("none", Shape.of(2, 0));
        Value noStatistics = graph.input("no statistics", Shape.of(2, 0));
        Value empty = graph.input("empty", Shape.of(0));
        Value kernel = graph.input("kernel", Shape.of(5, 1, 1, 1));
        Value one = graph.input("one", Shape.of(1, 1, 1, 1));
        int max = Integer.MAX_VALUE;
        for (Executable mistake : List.<Executable>of(
                () -> graph.sum(x, 2, 1),
                () -> graph.sum(x, -2, -1),
                () -> graph.apply(new Max(2, 1), x),
                () -> graph.apply(new Max(0, 4), x),
                () -> graph.apply(new MaxGradient(0, 1), c, x, c),
                () -> graph.apply(new Transpose(List.of(-1, 0, 1)), x),
                () -> graph.apply(new Transpose(List.of(0, 1, -1)), x),
                () -> graph.apply(new Concat(0)),
                () -> graph.apply(new BatchNorm(1e-3), none, noStatistics, empty, empty),
                () -> graph.apply(new BatchNormGradient(1e-3), x, x, m, c, c),
                () -> graph.apply(new BatchNormGradient(1e-3), c, x, m, c, m),
                () -> graph.apply(new BatchNormSums(1e-3), x, x, c),
                () -> graph.apply(new MomentsGradient(), c, x, m),
                () -> graph.apply(new MaxPool2D(0, 1, Sliding.valid(1, 1)), image),
                () -> graph.apply(new MaxPool2D(1, -1, Sliding.valid(1, 1)), image),
                () -> graph.apply(new Conv2D(new Sliding(1, 1, 1 << 30, 1, 0, 0, 0, 0), 1), image, kernel),
                () -> graph.apply(new Conv2D(new Sliding(1, 1, max, 1, 0, 0, 0, 0), 1), image, kernel),
                () -> graph.apply(new Conv2D(new Sliding(1, 1, 1, 1, max, 0, 0, 0), 1), image, one),
                () -> new Sliding(1, 1, 1, 1, max, max, 0, 0),
                () -> Sliding.same(3, 3, 3, 3, 0, 1, 1, 1))) {
            assertThrows(ShapeException.class, mistake);
        }
        Value stranger = new Graph().input("x", Shape.of(4));
        graph.parameter("p", Shape.of(4));
        assertThrows(GradusException.class, () -> graph.update("p", stranger));
        assertThrows(GradusException.class, () -> new ScalarFunction.LeakyRelu(-0.5));
        assertThrows(GradusException.class, () -> new Dropout(1.5, 1));
    }

    /** Zeros around are not the only ones that an image may be too large for. */
    @Test
    void paddingThatIsTooLargeIsNamed() {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(2, 1000));
        var pad = new Pad(List.of(0, 1), List.of(0, 2), List.of(0, 3_000_000));
        var e = assertThrows(ShapeException.class, () -> graph.apply(pad, x));
        assertTrue(e.getMessage().contains("[0, 1], [0, 2], [0, 3000000]"), e.getMessage());
        assertTrue(e.getMessage().contains("1000 on axis 1"), e.getMessage());
    }

    private static <B> double[] run(Graph graph, Backend<B> backend, Tensor x, Tensor w, String output) {
        Plan<B> plan = Plan.of(graph, backend);
        plan.parameters().set("w", w);
        plan.feed("x", x);
        plan.run();
        return plan.output(output).doubles();
    }
}
