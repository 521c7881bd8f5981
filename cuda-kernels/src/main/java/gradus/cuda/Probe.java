package gradus.cuda;

/** Measures the device's limits. */
final class Probe {
    private static final String MODULE = "Probe";
    private static final int BLOCK = 256;
    private static final int FMAS = 128; // of a thread in an iteration
    private static final double SECONDS = 0.02; // of a measurement that counts
    private static final int MOST = 1 << 26; // elements of a copy: 256 MiB, beyond every cache
    private static final int TIMES = 5;

    private final Device device;

    Probe(Device device) {
        this.device = device;
    }

    /** 10^9 float32 operations a second in multiply-adds from registers. */
    double gflops() {
        DeviceMemory y = device.pool.allocate(1);
        long blocks = 16L * device.multiprocessors;
        for (int iterations = 1; ; iterations *= 2) {
            double seconds = Double.POSITIVE_INFINITY;
            for (int t = 0; t < TIMES; t++) {
                int n = iterations;
                seconds = Math.min(
                        seconds,
                        seconds(() -> device.kernels
                                .of(MODULE, "peak_flops")
                                .i(n)
                                .p(y)
                                .run(blocks, BLOCK)));
                if (seconds < SECONDS / 2 && t == 0) {
                    break;
                }
            }
            if (seconds >= SECONDS / 2 || iterations > 1 << 24) {
                return 2.0 * BLOCK * blocks * iterations * FMAS / seconds * 1e-9;
            }
        }
    }

    /** 10^9 bytes a second, read and written, in a copy. */
    double gbytes() {
        int n = (int) Math.min(MOST, device.freeMemory() / 32) / 1024 * 1024;
        DeviceMemory x = device.pool.allocate(n);
        DeviceMemory y = device.pool.allocate(n);
        double best = Double.POSITIVE_INFINITY;
        for (int t = 0; t <= TIMES; t++) {
            double s = seconds(() ->
                    device.kernels.of(MODULE, "peak_bytes").i(n).p(x).p(y).run(Math.clamp(n / 1024, 1, 65_535), BLOCK));
            best = Math.min(best, s);
        }
        return 8.0 * n / best * 1e-9;
    }

    private double seconds(Runnable launch) {
        device.synchronize();
        long start = System.nanoTime();
        launch.run();
        device.synchronize();
        return (System.nanoTime() - start) * 1e-9;
    }
}
