package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Node;
import gradus.layers.Predictor;
import gradus.op.PreparedConv2D;
import gradus.plan.Plan;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Every step of ResNet-50's inference under its roof: at most what memory delivers times the operations on each byte, and at
 * most what the multiply-add ports do (Williams, Waterman and Patterson, 2009).
 */
final class Roofline {
    private static final List<String> SERIES =
            List.of("1 x 1 convolution", "3 x 3 convolution, as if direct", "7 x 7 convolution", "others");
    private static final int RUNS = 60;

    private Roofline() {}

    /** One picture of 224 x 224 on all processors. */
    static void draw(Path file) {
        try (var backend = Backends.open("simd", new Options(0, Precision.FLOAT32))) {
            draw(file, backend);
        }
    }

    private static <B> void draw(Path file, Backend<B> backend) {
        var model = ResNets.byName("resnet50-224").build();
        model.initialize(1, DType.F32);
        var predictor = Predictor.of(model, backend);
        predictor.predict(Measured.random(Shape.of(1, 224, 224, 3), 1));
        Plan<B> plan = predictor.planOf(1);
        for (int i = 0; i < RUNS; i++) {
            plan.run();
        }
        var nanos = new long[RUNS][];
        for (int i = 0; i < RUNS; i++) {
            nanos[i] = plan.timedRun();
        }
        double gflops = backend.peakGflops();
        double gbytes = backend.peakGbytes();
        var points = new ArrayList<Chart.Point>();
        for (int i = 0; i < plan.nodes().size(); i++) {
            int index = i;
            long[] sorted =
                    Arrays.stream(nanos).mapToLong(n -> n[index]).sorted().toArray();
            if (sorted[RUNS / 2] > 0) {
                points.add(point(plan.nodes().get(i), sorted[RUNS / 2], backend.elementBytes()));
            }
        }
        Chart.roofline(
                file,
                String.format(
                        Locale.ROOT,
                        "ResNet-50, one picture of 224 x 224, under its roof: %.0f GFLOP/s, %.0f GB/s",
                        gflops,
                        gbytes),
                SERIES,
                points,
                gflops,
                gbytes);
    }

    private static Chart.Point point(Node node, long nanos, int elementBytes) {
        Shape y = node.output().shape();
        double flop = node.op().flops(node.inputShapes(), y);
        double bytes = (double) elementBytes * node.op().elements(node.inputShapes(), y);
        int kernel = node.op() instanceof PreparedConv2D conv ? conv.kernel().dim(0) : 0;
        int series = switch (kernel) {
            case 1 -> 0;
            case 3 -> 1;
            case 7 -> 2;
            default -> 3;
        };
        return new Chart.Point(flop / bytes, flop / nanos, series, node.op().name() + " " + node.scope());
    }
}
