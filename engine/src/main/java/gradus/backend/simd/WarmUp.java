package gradus.backend.simd;

import gradus.backend.Arithmetic;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Has the kernels of inference compiled while the caller still reads weights. The interpreter makes an object of every
 * vector, a thousand times slower than compiled code, and an operation that a network contains once would be run that way
 * for its first hundreds of predictions. Tiny shapes suffice; every branch of a kernel is taken, since the compiler leaves
 * out what it has not seen and begins again when it comes. One thread of the lowest priority, once in a JVM, ends itself.
 */
final class WarmUp {
    private static final long NANOS = 1_200_000_000;
    private static final AtomicBoolean STARTED = new AtomicBoolean();

    private WarmUp() {}

    static void start() {
        if (STARTED.compareAndSet(false, true)) {
            var thread = Thread.ofPlatform().daemon().name("gradus-warm-up").unstarted(WarmUp::run);
            thread.setPriority(Thread.MIN_PRIORITY);
            thread.start();
        }
    }

    private static void run() {
        var relu = new ScalarFunction.Relu();
        try (var b = new SimdBackend(1, false)) {
            Memory x = b.allocate(1 << 15);
            Memory w = b.allocate(1 << 17);
            Memory y = b.allocate(1 << 15);
            Memory packed = b.allocate(1 << 18);
            Window[] windows = {
                window(8, 64, 8, 64, 1, 1, 0), // direct
                window(8, 64, 4, 64, 1, 2, 0),
                window(14, 3, 7, 64, 7, 2, 3), // copied, with padding
                window(8, 32, 8, 32, 3, 1, 1), // Winograd, tiles of 4 x 4 and of 2 x 2
                window(4, 288, 4, 32, 3, 1, 1),
            };
            Window pool = window(9, 64, 4, 64, 3, 2, 0);
            var bias = Broadcast.of(Shape.of(4, 1000), Shape.of(1000));
            for (long end = System.nanoTime() + NANOS; System.nanoTime() < end; ) {
                for (Window g : windows) {
                    b.prepareKernel(g, w, packed);
                    b.conv2dPrepared(g, relu, x, packed, w, null, y);
                    b.conv2dPrepared(g, null, x, packed, w, y, y);
                    b.conv2dFused(g, relu, x, w, w, null, y);
                }
                b.maxPool(pool, x, y);
                b.sum(1, 49, 256, x, y);
                b.map(new ScalarFunction.Affine(0.5, 1), 2048, x, y);
                b.matMul(1, 100, 256, false, false, x, w, y);
                b.arithmetic(Arithmetic.ADD, bias, x, w, y);
                b.softmax(4, 1000, x, y);
            }
        }
    }

    private static Window window(int side, int c, int out, int f, int kernel, int stride, int padding) {
        return new Window(1, side, side, c, out, out, f, kernel, kernel, stride, stride, 1, 1, padding, padding, 1);
    }
}
