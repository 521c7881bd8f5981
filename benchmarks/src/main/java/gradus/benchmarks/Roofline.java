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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Every step of ResNet-50's inference under its roof: at most what memory delivers times the operations on each byte, and at
 * most what the multiply-add ports do (Williams, Waterman and Patterson, 2009).
 */
final class Roofline {
    private static final List<String> SERIES =
            List.of("1 x 1 convolution", "3 x 3 convolution, as if direct", "7 x 7 convolution", "others");
    private static final int RUNS = 60;
    private static final String PICTURE = "docs/roofline.svg";

    private Roofline() {}

    private static Path file(Path root) {
        return Results.folder(root).resolve("roofline.jsonl");
    }

    /** Measures one picture of 224 x 224 on all processors, and keeps the result. */
    static void measure(Path root) {
        try (var backend = Backends.open("simd", new Options(0, Precision.FLOAT32))) {
            measure(file(root), backend);
        }
    }

    private static <B> void measure(Path file, Backend<B> backend) {
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
        var points = new ArrayList<Object>();
        for (int i = 0; i < plan.nodes().size(); i++) {
            int index = i;
            long[] sorted =
                    Arrays.stream(nanos).mapToLong(n -> n[index]).sorted().toArray();
            if (sorted[RUNS / 2] > 0) {
                points.add(point(plan.nodes().get(i), sorted[RUNS / 2], backend.elementBytes()));
            }
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("gflops_limit", gflops);
        line.put("gbytes_limit", gbytes);
        line.put("points", points);
        Results.put(file, line);
    }

    private static List<Object> point(Node node, long nanos, int elementBytes) {
        Shape y = node.output().shape();
        double flop = node.op().flops(node.inputShapes(), y);
        double bytes = (double) elementBytes * node.op().elements(node.inputShapes(), y);
        int kernel = node.op() instanceof PreparedConv2D conv ? conv.kernel().dim(0) : 0;
        long series = switch (kernel) {
            case 1 -> 0;
            case 3 -> 1;
            case 7 -> 2;
            default -> 3;
        };
        return List.of(flop / bytes, flop / nanos, series, node.op().name() + " " + node.scope());
    }

    /** Adds the picture. */
    static void render(Documents documents, Path root) {
        for (Map<?, ?> line : Results.read(file(root))) {
            double gflops = Results.number(line, "gflops_limit");
            double gbytes = Results.number(line, "gbytes_limit");
            var points = new ArrayList<Chart.Point>();
            for (Object o : (List<?>) line.get("points")) {
                List<?> p = (List<?>) o;
                points.add(new Chart.Point(
                        ((Number) p.get(0)).doubleValue(),
                        ((Number) p.get(1)).doubleValue(),
                        ((Number) p.get(2)).intValue(),
                        (String) p.get(3)));
            }
            String title = String.format(
                    Locale.ROOT,
                    "ResNet-50, one picture of 224 x 224, under its roof: %.0f GFLOP/s, %.0f GB/s",
                    gflops,
                    gbytes);
            documents.picture(PICTURE, Chart.roofline(title, SERIES, points, gflops, gbytes));
        }
    }
}
