package gradus.cuda;

import gradus.backend.Arithmetic;
import gradus.backend.BackendException;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import java.util.Arrays;

/** Operations on each element by itself, and copies. The kernels loop, so any grid does. */
final class Elementwise {
    private static final String MODULE = "Elementwise";
    static final int MAX_RANK = 8;
    private static final int BLOCK = 256;

    private final Device device;

    Elementwise(Device device) {
        this.device = device;
    }

    /** Four elements a thread, up to some blocks for each multiprocessor. */
    static long grid(int n) {
        return Math.clamp((Tiling.size(n) + 1023L) / 1024, 1, 2048);
    }

    private Kernels of(String kernel) {
        return device.kernels.of(MODULE, kernel);
    }

    void fill(int n, double value, DeviceMemory y) {
        if (n > 0) {
            of("fill").i(n).f(value).p(y).run(grid(n), BLOCK);
        }
    }

    void copy(StridedCopy view, DeviceMemory x, DeviceMemory y) {
        int n = Tiling.size(view.dims());
        if (n > 0) {
            of("strided_copy").s(view(view)).p(x).p(y).run(grid(n), BLOCK);
        }
    }

    /** The struct CopyView. */
    static int[] view(StridedCopy view) {
        int[] s = head(view.dims(), 4 + 3 * MAX_RANK, 4);
        s[2] = view.xOffset();
        s[3] = view.yOffset();
        put(view.xStrides(), s, 4 + MAX_RANK);
        put(view.yStrides(), s, 4 + 2 * MAX_RANK);
        return s;
    }

    /** The struct BroadcastView. */
    static int[] view(Broadcast view) {
        int[] s = head(view.dims(), 2 + 3 * MAX_RANK, 2);
        put(view.aStrides(), s, 2 + MAX_RANK);
        put(view.bStrides(), s, 2 + 2 * MAX_RANK);
        return s;
    }

    private static int[] head(int[] dims, int length, int at) {
        if (dims.length > MAX_RANK) {
            throw new BackendException("cuda backend: arrays of " + dims.length
                    + " axes that cannot be joined; at most " + MAX_RANK + " are possible: " + Arrays.toString(dims));
        }
        var s = new int[length];
        s[0] = Math.max(1, dims.length);
        s[1] = Tiling.size(dims);
        s[at] = 1; // of a scalar
        put(dims, s, at);
        return s;
    }

    private static void put(int[] from, int[] to, int at) {
        System.arraycopy(from, 0, to, at, from.length);
    }

    void map(ScalarFunction f, int n, DeviceMemory x, DeviceMemory y) {
        if (n > 0) {
            of("map").function(Functions.of(f)).i(n).p(x).p(y).run(grid(n), BLOCK);
        }
    }

    void mapGradient(ScalarFunction f, int n, DeviceMemory dy, DeviceMemory z, DeviceMemory dx) {
        if (n > 0) {
            of("map_gradient").function(Functions.of(f)).i(n).p(dy).p(z).p(dx).run(grid(n), BLOCK);
        }
    }

    void arithmetic(Arithmetic op, Broadcast view, DeviceMemory a, DeviceMemory b, DeviceMemory y) {
        int n = Tiling.size(view.dims());
        if (n > 0) {
            of("arithmetic").i(code(op)).s(view(view)).p(a).p(b).p(y).run(grid(n), BLOCK);
        }
    }

    private static int code(Arithmetic op) {
        return switch (op) {
            case ADD -> 0;
            case SUBTRACT -> 1;
            case MULTIPLY -> 2;
            case DIVIDE -> 3;
        };
    }

    void combine(int n, double alpha, double beta, DeviceMemory a, DeviceMemory s, DeviceMemory b, DeviceMemory y) {
        if (n > 0) {
            of("combine").i(n).f(alpha).f(beta).p(a).p(s).p(b).p(y).run(grid(n), BLOCK);
        }
    }

    void lerp(int n, double t, DeviceMemory a, DeviceMemory b, DeviceMemory y) {
        if (n > 0) {
            of("lerp").i(n).f(t).p(a).p(b).p(y).run(grid(n), BLOCK);
        }
    }

    void lerpSquare(int n, double t, DeviceMemory v, DeviceMemory g, DeviceMemory y) {
        if (n > 0) {
            of("lerp_square").i(n).f(t).p(v).p(g).p(y).run(grid(n), BLOCK);
        }
    }

    void adamStep(
            int n, double epsilon, DeviceMemory w, DeviceMemory m, DeviceMemory v, DeviceMemory rate, DeviceMemory y) {
        if (n > 0) {
            of("adam_step").i(n).f(epsilon).p(w).p(m).p(v).p(rate).p(y).run(grid(n), BLOCK);
        }
    }

    void adam(
            int n,
            double t1,
            double t2,
            double epsilon,
            DeviceMemory w,
            DeviceMemory m,
            DeviceMemory v,
            DeviceMemory g,
            DeviceMemory rate) {
        if (n > 0) {
            of("adam").i(n).f(t1).f(t2).f(epsilon).p(w).p(m).p(v).p(g).p(rate).run(grid(n), BLOCK);
        }
    }

    void dropout(int n, double p, long seed, DeviceMemory step, DeviceMemory x, DeviceMemory y) {
        if (n > 0) {
            of("dropout")
                    .i(n)
                    .i((int) Math.ceil(p * 0x1p24)) // u < p for u a multiple of 2^-24
                    .f(1 - p)
                    .l(seed)
                    .p(step)
                    .p(x)
                    .p(y)
                    .run(grid(n), BLOCK);
        }
    }
}
