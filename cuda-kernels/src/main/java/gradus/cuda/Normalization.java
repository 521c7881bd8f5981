package gradus.cuda;

import gradus.backend.ScalarFunction;

/** Batch norm. Statistics in two stages: chunks of rows, then what the chunks found. */
final class Normalization {
    private static final String MODULE = "Normalization";
    private static final int COLUMNS = 64; // of a block: 16 threads of 4
    private static final int MAX_GRID = 65_535;

    private final Device device;
    private final Elementwise elementwise;
    private final Reduction reduction;

    Normalization(Device device, Elementwise elementwise, Reduction reduction) {
        this.device = device;
        this.elementwise = elementwise;
        this.reduction = reduction;
    }

    /** Rows of a chunk: a multiple of 16, so many that there are at most 65535 chunks. */
    static int chunk(int rows) {
        int chunk = rows <= 1 << 16 ? 256 : 2048;
        return Math.max(chunk, Math.ceilDiv(Math.ceilDiv(rows, MAX_GRID), 16) * 16);
    }

    static int chunks(int rows) {
        return Math.ceilDiv(rows, chunk(rows));
    }

    private static long gridX(int c) {
        return Math.ceilDiv(c, COLUMNS);
    }

    static long gridY(int rows) {
        return Math.clamp((rows + 63L) / 64, 1, 1024);
    }

    private Kernels of(String kernel, int rows, int c) {
        return device.kernels.of(MODULE, kernel).i(rows).i(c);
    }

    void moments(int rows, int c, DeviceMemory x, DeviceMemory m) {
        if (c == 0) {
            return;
        }
        if (rows == 0) {
            elementwise.fill(2 * c, Double.NaN, m); // the mean of nothing
            return;
        }
        int chunk = chunk(rows);
        int chunks = chunks(rows);
        DeviceMemory partial = device.workspace(3L * chunks * c);
        of("moments_partial", rows, c).i(chunk).p(x).p(partial).run(gridX(c), chunks, 1, 16, 16, 0);
        of("moments_merge", rows, c).i(chunk).p(partial).p(m).run(Math.ceilDiv(c, 16), 1, 1, 16, 64, 0);
    }

    void momentsGradient(int rows, int c, DeviceMemory dm, DeviceMemory x, DeviceMemory m, DeviceMemory dx) {
        if (Tiling.size(rows, c) > 0) {
            of("moments_gradient", rows, c).p(dm).p(x).p(m).p(dx).run(gridX(c), gridY(rows), 1, 16, 16, 0);
        }
    }

    void batchNorm(
            int rows,
            int c,
            double epsilon,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory m,
            DeviceMemory gamma,
            DeviceMemory beta,
            DeviceMemory residual,
            DeviceMemory y) {
        if (Tiling.size(rows, c) > 0) {
            of("batch_norm", rows, c)
                    .f(epsilon)
                    .function(Functions.of(f))
                    .p(x)
                    .p(m)
                    .p(gamma)
                    .p(beta)
                    .p(residual)
                    .p(y)
                    .run(gridX(c), gridY(rows), 1, 16, 16, 0);
        }
    }

    void sums(int rows, int c, double epsilon, DeviceMemory dy, DeviceMemory x, DeviceMemory m, DeviceMemory s) {
        if (c == 0) {
            return;
        }
        if (rows == 0) {
            elementwise.fill(2 * c, 0, s);
            return;
        }
        int chunks = chunks(rows);
        DeviceMemory partial = chunks == 1 ? s : device.workspace(2L * chunks * c);
        of("batch_norm_sums", rows, c)
                .f(epsilon)
                .i(chunk(rows))
                .p(dy)
                .p(null)
                .p(x)
                .p(m)
                .p(partial)
                .run(gridX(c), chunks, 1, 16, 16, 0);
        if (chunks > 1) {
            reduction.stage(Reduction.SUM, 1, chunks, 2 * c, chunks, partial, s);
        }
    }

    void gradient(
            int rows,
            int c,
            double epsilon,
            DeviceMemory dy,
            DeviceMemory x,
            DeviceMemory m,
            DeviceMemory gamma,
            DeviceMemory s,
            DeviceMemory dx) {
        if (Tiling.size(rows, c) > 0) {
            of("batch_norm_gradient", rows, c)
                    .f(epsilon)
                    .p(dy)
                    .p(null)
                    .p(x)
                    .p(m)
                    .p(gamma)
                    .p(s)
                    .p(dx)
                    .run(gridX(c), gridY(rows), 1, 16, 16, 0);
        }
    }
}
