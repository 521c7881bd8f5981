package gradus.backend.agreement;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.SplittableRandom;

/**
 * A backend beside the double-precision reference: the same call on both, on the same numbers. It is simd, or what {@code
 * -Dgradus.test.backend} names; a backend that is named so and cannot run here is not tested.
 */
public final class Twins implements AutoCloseable {
    /** Half a unit in the last place of 1: the relative error of one rounding. */
    public static final double U = 0x1p-24;

    /** One call of a backend method; the last memory is the result. */
    @FunctionalInterface
    public interface Call {
        void on(Backend<Object> backend, Object[] in, Object y);
    }

    public final SplittableRandom random;
    private final Backend<Object> reference = plain(Backends.open("reference", new Options(1, Precision.FLOAT64)));
    final Backend<Object> tested;

    Twins(long seed, int threads) {
        this(seed, threads, false);
    }

    public Twins(long seed, int threads, boolean exact) {
        random = new SplittableRandom(seed);
        String name = System.getProperty("gradus.test.backend");
        var options = new Options(threads, Precision.FLOAT32, exact);
        if (name != null) {
            Backends.providers().stream()
                    .filter(p -> p.name().equals(name))
                    .forEach(p -> assumeTrue(
                            p.unavailable(options).isEmpty(),
                            () -> p.unavailable(options).orElse("")));
        }
        tested = plain(Backends.open(name == null ? "simd" : name, options));
    }

    @SuppressWarnings("unchecked") // memory is only handed back to the backend it came from
    private static Backend<Object> plain(Backend<?> backend) {
        return (Backend<Object>) backend;
    }

    public double[] reference(Call call, int size, Tensor... in) {
        return run(reference, call, size, in).doubles();
    }

    public float[] tested(Call call, int size, Tensor... in) {
        return run(tested, call, size, in).floats();
    }

    static Tensor run(Backend<Object> backend, Call call, int size, Tensor... in) {
        var memory = new Object[in.length];
        for (int i = 0; i < in.length; i++) {
            memory[i] = backend.allocate(in[i].size());
            backend.write(in[i], memory[i]);
        }
        // the result lies in a slab with NaN around it and in it: whoever forgets an element, or writes too many, is
        // seen
        Object slab = backend.allocate(size + 48);
        backend.fill(size + 48, Double.NaN, slab);
        Object y = backend.slice(slab, 16, size);
        call.on(backend, memory, y);
        backend.synchronize();
        for (int i = 0; i < size + 48; i = i == 15 ? 16 + size : i + 1) {
            if (!Double.isNaN(
                    backend.read(backend.slice(slab, i, 1), Shape.of(1)).get(0))) {
                fail("wrote outside its result at " + (i - 16) + " of " + size);
            }
        }
        return backend.read(y, Shape.of(size));
    }

    /** |tested - reference| at most {@code k U} times the same call's result on {@code magnitudes}. */
    public void agree(String what, double k, Call call, int size, Tensor[] in, Tensor[] magnitudes) {
        double[] scale = reference(call, size, magnitudes);
        for (int i = 0; i < size; i++) {
            scale[i] = k * U * Math.abs(scale[i]) + Float.MIN_NORMAL;
        }
        within(what, call, scale, in);
    }

    /** |tested - reference| at most bound, element by element; NaN and infinity where the reference has them. */
    public void within(String what, Call call, double[] bound, Tensor... in) {
        double[] expected = reference(call, bound.length, in);
        float[] actual = tested(call, bound.length, in);
        for (int i = 0; i < bound.length; i++) {
            boolean same = Float.compare((float) expected[i], actual[i]) == 0;
            if (!same && !(Math.abs(actual[i] - expected[i]) <= bound[i])) {
                fail(what + ": element " + i + " is " + actual[i] + ", expected " + expected[i] + " within " + bound[i]
                        + ", off by " + Math.abs(actual[i] - expected[i]) / bound[i] + " bounds");
            }
        }
    }

    // ---- random arguments ----

    /** In [1, max], small values more often. */
    public int size(int max) {
        return 1 + (int) (max * Math.pow(random.nextDouble(), 3));
    }

    public boolean flip() {
        return random.nextBoolean();
    }

    /** Numbers around 0. */
    public Tensor numbers(int n) {
        return numbers(n, 0, 1);
    }

    public Tensor numbers(int n, double mean, double deviation) {
        var values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) (mean + deviation * (random.nextDouble() + random.nextDouble() - 1) * 2.45);
        }
        return Tensor.of(Shape.of(n), values);
    }

    /** Small whole numbers, so that there are ties. */
    public Tensor whole(int n) {
        var values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = random.nextInt(-3, 4);
        }
        return Tensor.of(Shape.of(n), values);
    }

    public static Tensor[] magnitudes(Tensor... in) {
        var abs = new Tensor[in.length];
        for (int i = 0; i < in.length; i++) {
            abs[i] = magnitude(in[i], 1);
        }
        return abs;
    }

    /** sign |x|. */
    public static Tensor magnitude(Tensor x, int sign) {
        float[] values = x.floats().clone();
        for (int i = 0; i < values.length; i++) {
            values[i] = sign * Math.abs(values[i]);
        }
        return Tensor.of(x.shape(), values);
    }

    /** Any window: even and odd kernels, strides beyond the kernel, dilation, groups, padding on any side. */
    public Window window(boolean pooling) {
        if (!pooling && random.nextInt(8) == 0) {
            return random.nextInt(2) == 0 ? longKernel() : manyChannels();
        }
        boolean many = random.nextInt(4) == 0; // small images, many of them and of their channels
        int groups = pooling || flip() ? 1 : size(4);
        int c = groups * (many ? 20 + size(200) : size(pooling ? 70 : 40));
        int f = pooling ? c : groups * size(70);
        int kh = size(5);
        int kw = flip() ? kh : size(5);
        int dh = flip() ? 1 : size(3);
        int dw = flip() ? dh : size(3);
        int sh = flip() ? 1 : size(4);
        int sw = flip() ? sh : size(4);
        int top = pooling ? random.nextInt(kh) : random.nextInt((kh - 1) * dh + 1);
        int left = pooling ? random.nextInt(kw) : random.nextInt((kw - 1) * dw + 1);
        int h = size(many ? 6 : 14);
        int w = size(many ? 6 : 14);
        // as many results as start inside the padded image; the last ones may hang over its end, as SAME's do
        int oh = Math.max(1, (h + top - 1) / sh + 1 - random.nextInt(2));
        int ow = Math.max(1, (w + left - 1) / sw + 1 - random.nextInt(2));
        int n = random.nextInt(20) == 0 ? 0 : many ? 6 + size(20) : size(4);
        return new Window(n, h, w, c, oh, ow, f, kh, kw, sh, sw, dh, dw, top, left, groups);
    }

    /** Runs of all lengths, of a kernel that is long in one direction or both. */
    private Window longKernel() {
        int groups = size(2);
        int c = groups * size(5);
        int kh = size(flip() ? 3 : 40);
        int kw = size(flip() ? 3 : 40);
        int h = Math.max(1, kh - 4) + size(8);
        int w = Math.max(1, kw - 4) + size(8);
        int sh = size(3);
        int sw = size(3);
        return new Window(
                size(3),
                h,
                w,
                c,
                (h - 1) / sh + 1,
                (w - 1) / sw + 1,
                groups * size(40),
                kh,
                kw,
                sh,
                sw,
                1,
                1,
                kh / 2,
                kw / 2,
                groups);
    }

    /** As in the last layers of a network. */
    private Window manyChannels() {
        int h = size(5);
        int w = size(5);
        int k = flip() ? 1 : 3;
        int s = size(2);
        return new Window(
                size(4),
                h,
                w,
                size(900),
                (h - 1) / s + 1,
                (w - 1) / s + 1,
                size(500),
                k,
                k,
                s,
                s,
                1,
                1,
                k / 2,
                k / 2,
                1);
    }

    public static int inputs(Window g) {
        return g.n() * g.h() * g.w() * g.c();
    }

    public static int results(Window g) {
        return g.n() * g.oh() * g.ow() * g.f();
    }

    public static int kernels(Window g) {
        return g.kh() * g.kw() * (g.c() / g.groups()) * g.f();
    }

    @Override
    public void close() {
        tested.close();
    }
}
