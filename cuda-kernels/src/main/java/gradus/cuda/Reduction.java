package gradus.cuda;

/** Sums and maxima; long runs in two stages, cut by the shape alone. */
final class Reduction {
    private static final String MODULE = "Reduction";
    static final int SUM = 0;
    static final int MAX = 1;
    private static final int ROW_CHUNK = 4096;
    private static final int COLUMN_CHUNK = 512;
    private static final int WARPS = 8; // of a block of 256 threads

    private final Device device;

    Reduction(Device device) {
        this.device = device;
    }

    /** Values that are added by one warp (inner = 1) or one column of a block, in the first of at most two stages. */
    static int chunk(int outer, int reduced, int inner) {
        if (inner == 1) {
            return reduced > 2 * ROW_CHUNK ? ROW_CHUNK : Math.max(1, reduced);
        }
        boolean few = (long) outer * Math.ceilDiv(inner, 32) < COLUMN_CHUNK;
        return reduced > 2 * COLUMN_CHUNK && few ? COLUMN_CHUNK : Math.max(1, reduced);
    }

    void reduce(int op, int outer, int reduced, int inner, DeviceMemory x, DeviceMemory y) {
        int n = Tiling.size(outer, inner);
        if (n == 0) {
            return;
        }
        int chunk = chunk(outer, reduced, inner);
        int chunks = Math.max(1, Math.ceilDiv(reduced, chunk));
        if (chunks == 1) {
            stage(op, outer, reduced, inner, chunk, x, y);
            return;
        }
        DeviceMemory partial = device.workspace(Tiling.size(n, chunks));
        stage(op, outer, reduced, inner, chunk, x, partial);
        stage(op, outer, chunks, inner, chunks, partial, y);
    }

    /** One launch: (outer, reduced, inner) to (outer, chunks, inner). */
    void stage(int op, int outer, int reduced, int inner, int chunk, DeviceMemory x, DeviceMemory y) {
        long parts = (long) outer * Math.max(1, Math.ceilDiv(reduced, chunk));
        if (inner == 1) {
            device.kernels
                    .of(MODULE, "reduce_rows")
                    .i(op)
                    .i(outer)
                    .i(reduced)
                    .i(chunk)
                    .p(x)
                    .p(y)
                    .run(Math.ceilDiv(parts, WARPS), 256);
        } else {
            device.kernels
                    .of(MODULE, "reduce_columns")
                    .i(op)
                    .i(outer)
                    .i(reduced)
                    .i(inner)
                    .i(chunk)
                    .p(x)
                    .p(y)
                    .run(parts * Math.ceilDiv(inner, 32), 1, 1, 32, 16, 0);
        }
    }

    void maxGradient(
            int outer, int reduced, int inner, DeviceMemory dy, DeviceMemory x, DeviceMemory y, DeviceMemory dx) {
        int n = Tiling.size(outer, inner);
        if (n > 0 && reduced > 0) {
            device.kernels
                    .of(MODULE, "max_gradient")
                    .i(outer)
                    .i(reduced)
                    .i(inner)
                    .p(dy)
                    .p(x)
                    .p(y)
                    .p(dx)
                    .run(Math.ceilDiv(n, inner < 32 ? WARPS : 256), 256);
        }
    }
}
