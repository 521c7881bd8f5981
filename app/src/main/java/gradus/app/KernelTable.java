package gradus.app;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.op.Conv2D;
import gradus.op.FusedConv2D;
import gradus.op.MatMul;
import gradus.op.PreparedConv2D;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * {@code gradus bench --kernels}: single kernels, each in its own plan, with operands that stay in the caches as far as
 * they fit: the matrix product of 1024 x 1024 with itself, and every distinct convolution that a network's plan has, with
 * bias and ReLU and its kernel prepared beforehand, as that plan runs it.
 *
 * <p>GFLOP/s count every multiplication of the plain method, so Winograd's may exceed the peak. The peak is probed after
 * each slice of a kernel's time; the share is the median of the slices' own, since clocks drift.
 */
final class KernelTable {
    private static final int SLICES = 3;
    private static final int PRODUCT = 1024;

    private final Map<String, Graph> kernels = new LinkedHashMap<>();

    private KernelTable() {}

    /** The kernels of this network's plan for one picture, and the products. */
    static <B> KernelTable of(Model model, Tensor picture, Backend<B> backend) {
        var table = new KernelTable();
        table.kernels.put("product_" + PRODUCT, product(PRODUCT, false));
        table.kernels.put("product_" + PRODUCT + "_prepared", product(PRODUCT, true));
        var predictor = Predictor.of(model, backend);
        predictor.predict(picture);
        for (Node node : predictor.planOf(1).nodes()) {
            switch (node.op()) {
                case PreparedConv2D(FusedConv2D fused, Shape kernel) ->
                    table.add(fused.conv(), node.inputShapes().get(0), kernel);
                case FusedConv2D fused ->
                    table.add(
                            fused.conv(),
                            node.inputShapes().get(0),
                            node.inputShapes().get(1));
                default -> {}
            }
        }
        return table;
    }

    private void add(Conv2D conv, Shape x, Shape w) {
        int stride = conv.sliding().strideH();
        String name = "conv_fwd_" + w.dim(0) + "x" + w.dim(1) + "_" + w.dim(2) + "_" + w.dim(3) + "_" + x.dim(1)
                + (stride == 1 ? "" : "_s" + stride);
        kernels.computeIfAbsent(name, _ -> {
            var graph = new Graph();
            Value y = graph.apply(
                    new FusedConv2D(conv, false, new ScalarFunction.Relu()),
                    graph.input("x", x),
                    graph.parameter("w", w),
                    graph.parameter("bias", Shape.of(w.dim(3))));
            graph.output("y", y);
            return graph;
        });
    }

    /** The product of two n x n matrices, with operands. */
    static <B> Plan<B> product(int n, Backend<B> backend) {
        return fed(product(n, false), backend);
    }

    /** @param prepared whether the second factor stays the same, so that it is packed once */
    private static Graph product(int n, boolean prepared) {
        var graph = new Graph();
        Shape square = Shape.of(n, n);
        Value b = prepared ? graph.parameter("b", square) : graph.input("b", square);
        graph.output("y", graph.apply(new MatMul(false, false), graph.input("a", square), b));
        return graph;
    }

    /**
     * Times the kernels whose names contain what the pattern describes and prints a line for each.
     *
     * @param seconds for each kernel, after half as long to warm up
     * @throws UsageException if there is no such kernel
     */
    <B> void print(Pattern wanted, Backend<B> backend, int threads, double seconds, PrintWriter out) {
        if (kernels.keySet().stream().noneMatch(name -> wanted.matcher(name).find())) {
            throw new UsageException(
                    "--kernels: no name matches '" + wanted + "'; there are " + String.join(", ", kernels.keySet()));
        }
        kernels.forEach((name, graph) -> {
            if (wanted.matcher(name).find()) {
                out.println(line(name, graph, backend, threads, seconds));
                out.flush();
            }
        });
    }

    private static <B> String line(String name, Graph graph, Backend<B> backend, int threads, double seconds) {
        Plan<B> plan = fed(graph, backend);
        double gflop = plan.nodes().stream()
                .filter(n -> graph.outputs().containsValue(n.output()))
                .mapToDouble(n -> n.op().flops(n.inputShapes(), n.output().shape()) * 1e-9)
                .sum();
        times(plan, seconds / 2);
        var shares = new double[SLICES];
        var peaks = new double[SLICES];
        var millis = new double[0];
        for (int i = 0; i < SLICES; i++) {
            double[] slice = times(plan, seconds / SLICES);
            peaks[i] = backend.peakGflops();
            shares[i] = 100 * gflop * 1000 / median(slice) / peaks[i];
            int length = millis.length;
            millis = Arrays.copyOf(millis, length + slice.length);
            System.arraycopy(slice, 0, millis, length, slice.length);
        }
        double median = median(millis);
        return String.format(
                Locale.ROOT,
                "peer=gradus case=%s threads=%d batch=1 gflops=%.1f p50_ms=%.4f min_ms=%.4f reps=%d"
                        + " # fma_peak=%.1f percent_of_peak=%.1f (%.1f to %.1f)",
                name,
                threads,
                gflop * 1000 / median,
                median,
                millis[0],
                millis.length,
                median(peaks),
                median(shares),
                shares[0],
                shares[SLICES - 1]);
    }

    private static <B> Plan<B> fed(Graph graph, Backend<B> backend) {
        Plan<B> plan = Plan.of(graph, backend);
        graph.inputs().forEach((name, v) -> plan.feed(name, random(v.shape(), name.hashCode())));
        graph.parameters().forEach((name, v) -> plan.parameters().set(name, random(v.shape(), name.hashCode())));
        plan.run(); // prepares the kernel
        return plan;
    }

    /** Milliseconds of each of at least 5 runs that take so many seconds together. */
    private static double[] times(Plan<?> plan, double seconds) {
        var millis = new double[1 << 16];
        int n = 0;
        long begin = System.nanoTime();
        while (n < 5 || System.nanoTime() - begin < seconds * 1e9 && n < millis.length) {
            long start = System.nanoTime();
            plan.run();
            millis[n++] = (System.nanoTime() - start) * 1e-6;
        }
        return Arrays.copyOf(millis, n);
    }

    /** Sorts them, too. */
    private static double median(double[] values) {
        Arrays.sort(values);
        int n = values.length;
        return (values[(n - 1) / 2] + values[n / 2]) / 2;
    }

    /** Uniform in [-1, 1). */
    private static Tensor random(Shape shape, long seed) {
        var random = new SplittableRandom(seed);
        var x = new float[shape.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = 2 * random.nextFloat() - 1;
        }
        return Tensor.of(shape, x);
    }
}
