package gradus.benchmarks.ladder;

import gradus.backend.Backend;
import gradus.benchmarks.Convolution;
import gradus.benchmarks.Layer;
import gradus.benchmarks.Measured;
import gradus.graph.Graph;
import gradus.plan.Plan;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Warmup;

/** The rungs of the 3 x 3 convolution, on one thread; only the engine knows more. */
@Fork(1)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 400, timeUnit = TimeUnit.MILLISECONDS)
public class ConvolutionLadder extends Measured {
    /** From the definition to the engine. */
    public enum Step implements Rung {
        NAIVE(
                NaiveConvolution.class,
                NaiveConvolution::new,
                "The definition: six loops.",
                "As with the naive product: dependent additions, and the kernel read in steps of a whole row."),
        IM2COL(
                Im2col.class,
                Im2col::new,
                "Write every window out as a row: the convolution is a product of matrices.",
                "Every pixel is written nine times and copied once more by the product, through a cache it does not fit."),
        DIRECT(
                Direct.class,
                Direct::new,
                "Read the windows where they lie: rows of A that overlap.",
                "It forms all 9 products of a pixel, a pair of channels at a time, and the multiply-add ports are busy."),
        WINOGRAD_2(
                Winograd.class,
                () -> new Winograd(2),
                "F(2x2, 3x3): 16 products for four pixels instead of 36.",
                "Larger tiles save more: four times for 4 x 4 pixels against 2.25 times."),
        WINOGRAD_4(
                Winograd.class,
                () -> new Winograd(4),
                "F(4x4, 3x3): 36 products for sixteen pixels instead of 144.",
                "The transforms, written here for any m, now cost as much as the products; all transformed tiles"
                        + " together (900 KB) are read from beyond the second-level cache for each panel."),
        ENGINE(
                Engine.class,
                null,
                "The engine's convolution: transforms written out for m = 2 and 4, blocks of tiles in the second-level"
                        + " cache, and the choice of m by the layer's shape; bias and ReLU come on top.",
                "The next saving would cost accuracy: the entries of the transforms of F(6x6) reach 21.");

        private final Class<?> source;
        private final Supplier<ConvolutionRung> make;
        private final String idea;
        private final String next;

        Step(Class<?> source, Supplier<ConvolutionRung> make, String idea, String next) {
            this.source = source;
            this.make = make;
            this.idea = idea;
            this.next = next;
        }

        @Override
        public Class<?> source() {
            return source;
        }

        @Override
        public List<String> files() {
            return this == ENGINE
                    ? Rung.engine("Winograd", "WinogradTransforms", "MicroKernel", "MicroKernelRows")
                    : Rung.super.files();
        }

        @Override
        public String idea() {
            return idea;
        }

        @Override
        public String next() {
            return next;
        }

        /** Null for the engine. */
        ConvolutionRung rung() {
            return make == null ? null : make.get();
        }
    }

    @Param
    public Step rung;

    @Param("3x3/1:128-128@28")
    public String layer;

    public ConvolutionLadder() {}

    @Override
    protected void prepare(Backend<?> backend) {
        Layer g = Layer.of(layer);
        if (rung == Step.ENGINE) {
            measure(Convolution.graph(g, Convolution.Pass.INFERENCE, 1), backend);
            return;
        }
        Tensor x = random(g.input(1), 1);
        Tensor w = random(g.kernelShape(), 2);
        Tensor expected = engine(g, x, w, backend);
        var y = new float[expected.size()];
        int s = g.side();
        int c = g.channels();
        int f = g.filters();
        var convolution = rung.rung();
        float[] prepared = convolution.prepare(c, f, w.floats());
        Runnable work = () -> convolution.convolve(s, s, c, f, x.floats(), prepared, y);
        work.run();
        compare(rung.name(), expected, Tensor.of(expected.shape(), y));
        measure(work, 2.0 * 9 * c * y.length, 4.0 * (x.size() + w.size() + y.length));
    }

    private static Tensor engine(Layer layer, Tensor x, Tensor w, Backend<?> backend) {
        Graph graph = Convolution.graph(layer, Convolution.Pass.FORWARD, 1);
        var plan = Plan.of(graph, backend);
        plan.feed("x", x);
        plan.feed("w", w);
        plan.run();
        return plan.output(Convolution.Pass.FORWARD.name());
    }
}
