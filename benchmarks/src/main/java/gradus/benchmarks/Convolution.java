package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.graph.Graph;
import gradus.op.Conv2DInputGradient;
import gradus.op.Conv2DKernelGradient;
import gradus.op.FusedConv2D;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;
import org.openjdk.jmh.annotations.Param;

/** Every distinct convolution of ResNet-50 at 224 x 224, and its derivatives. */
public class Convolution extends Measured {
    /** What is computed. */
    public enum Pass {
        /** y of a kernel that changes from run to run, as in training. */
        FORWARD,
        /** y = max(conv + bias, 0) with a kernel prepared once, as in inference. */
        INFERENCE,
        /** dx. */
        INPUT_GRADIENT,
        /** dw. */
        KERNEL_GRADIENT
    }

    @Param({
        "7x7/2:3-64@224",
        "1x1/1:64-64@56",
        "3x3/1:64-64@56",
        "1x1/1:64-256@56",
        "1x1/1:256-64@56",
        "1x1/2:256-128@56",
        "3x3/1:128-128@28",
        "1x1/1:128-512@28",
        "1x1/2:256-512@56",
        "1x1/1:512-128@28",
        "1x1/2:512-256@28",
        "3x3/1:256-256@14",
        "1x1/1:256-1024@14",
        "1x1/2:512-1024@28",
        "1x1/1:1024-256@14",
        "1x1/2:1024-512@14",
        "3x3/1:512-512@7",
        "1x1/1:512-2048@7",
        "1x1/2:1024-2048@14",
        "1x1/1:2048-512@7"
    })
    public String layer;

    @Param
    public Pass pass;

    @Param("1")
    public int batch;

    public Convolution() {}

    @Override
    protected void prepare(Backend<?> backend) {
        measure(graph(Layer.of(layer), pass, batch), backend);
    }

    public static Graph graph(Layer layer, Pass pass, int batch) {
        var graph = new Graph();
        var conv = layer.conv();
        Shape x = layer.input(batch);
        Shape w = layer.kernelShape();
        Shape y = conv.shape(List.of(x, w));
        Value result = switch (pass) {
            case FORWARD -> graph.apply(conv, graph.input("x", x), graph.input("w", w));
            case INFERENCE ->
                graph.apply(
                        new FusedConv2D(conv, false, new ScalarFunction.Relu()),
                        graph.input("x", x),
                        graph.parameter("w", w),
                        graph.parameter("bias", Shape.of(layer.filters())));
            case INPUT_GRADIENT ->
                graph.apply(new Conv2DInputGradient(conv, x), graph.input("dy", y), graph.input("w", w));
            case KERNEL_GRADIENT ->
                graph.apply(new Conv2DKernelGradient(conv, w), graph.input("x", x), graph.input("dy", y));
        };
        graph.output(pass.name(), result);
        return graph;
    }
}
