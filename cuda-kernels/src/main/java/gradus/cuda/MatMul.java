package gradus.cuda;

import gradus.backend.ScalarFunction;

/** Matrix products, and what convolutions share with them: tiles, and sums that several blocks compute parts of. */
final class MatMul {
    private static final String MODULE = "MatMul";
    static final int LEAST = 128; // numbers of a sum that are worth a block

    private final Device device;
    private final Elementwise elementwise;
    private final Hopper hopper;

    MatMul(Device device, Elementwise elementwise) {
        this.device = device;
        this.elementwise = elementwise;
        hopper = new Hopper(device, this, elementwise);
    }

    /** Where it is the better way. */
    Hopper hopper() {
        return hopper;
    }

    static boolean fours(int n) {
        return n % 4 == 0;
    }

    static boolean aligned(DeviceMemory... all) {
        for (DeviceMemory m : all) {
            if (m != null && !m.aligned()) {
                return false;
            }
        }
        return true;
    }

    void matMul(
            int m,
            int n,
            int k,
            boolean transposeA,
            boolean transposeB,
            DeviceMemory a,
            DeviceMemory b,
            DeviceMemory y) {
        int size = Tiling.size(m, n);
        if (k == 0) {
            elementwise.fill(size, 0, y);
        }
        if (size == 0 || k == 0) {
            return;
        }
        if (hopper.takes(m, n, k, a, b, y)) {
            hopper.product(m, n, k, transposeA, transposeB, a, b, y);
            return;
        }
        boolean vectors = fours(transposeA ? m : k) && fours(transposeB ? k : n) && aligned(a, b, y);
        var t = Tiling.of(m, n, k, 1, vectors, LEAST);
        String name = "matmul_" + (transposeA ? "t" : "n") + (transposeB ? "t" : "n") + "_" + t.tile().suffix;
        DeviceMemory result = result(t, size, y);
        run(
                t,
                1,
                device.kernels
                        .of(MODULE, name)
                        .i(m)
                        .i(n)
                        .i(k)
                        .i(t.splits())
                        .i(t.chunk())
                        .p(a)
                        .p(b)
                        .p(result));
        sumSplits(MODULE, t, size, n, null, result, null, null, y);
    }

    /** Where the kernel writes: the result, or the parts of sums. */
    DeviceMemory result(Tiling t, int size, DeviceMemory y) {
        return t.splits() == 1 ? y : device.workspace((long) t.splits() * size);
    }

    /** @param gridY blocks for each tile that compute different results */
    void run(Tiling t, int gridY, Kernels launch) {
        launch.run(
                t.gridX(),
                gridY,
                (long) t.batches() * t.splits(),
                t.tile().block,
                1,
                t.tile().shared(device.tensorCores()));
    }

    /** The end of a product in parts: y = f(sum of the parts + bias + residual). */
    void sumSplits(
            String module,
            Tiling t,
            int n,
            int channels,
            ScalarFunction f,
            DeviceMemory partial,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        if (t.splits() > 1) {
            device.kernels
                    .of(module, "sum_splits")
                    .i(t.splits())
                    .i(n)
                    .i(channels)
                    .function(Functions.of(f))
                    .p(partial)
                    .p(bias)
                    .p(residual)
                    .p(y)
                    .run(Math.clamp(Math.ceilDiv(n, 256), 1, 4096), 256);
        }
    }
}
