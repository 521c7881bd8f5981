package gradus.cuda;

import gradus.backend.Window;

/** Windows over images, a thread for each result at a time. */
final class Pooling {
    private static final String MODULE = "Pooling";
    private static final int BLOCK = 256;

    private final Device device;

    Pooling(Device device) {
        this.device = device;
    }

    static long grid(int n) {
        return Math.clamp((n + 255L) / 256, 1, 8192);
    }

    void max(Window g, DeviceMemory x, DeviceMemory y) {
        int n = Convolution.results(g);
        if (n > 0) {
            device.kernels.of(MODULE, "max_pool").s(g).p(x).p(y).run(grid(n), BLOCK);
        }
    }

    void maxGradient(Window g, DeviceMemory dy, DeviceMemory x, DeviceMemory dx) {
        int n = Convolution.inputs(g);
        if (n > 0) {
            device.kernels.of(MODULE, "max_pool_gradient").s(g).p(dy).p(x).p(dx).run(grid(n), BLOCK);
        }
    }

    void average(Window g, DeviceMemory x, DeviceMemory y) {
        int n = Convolution.results(g);
        if (n > 0) {
            device.kernels.of(MODULE, "average_pool").s(g).p(x).p(y).run(grid(n), BLOCK);
        }
    }

    void averageGradient(Window g, DeviceMemory dy, DeviceMemory dx) {
        int n = Convolution.inputs(g);
        if (n > 0) {
            device.kernels.of(MODULE, "average_pool_gradient").s(g).p(dy).p(dx).run(grid(n), BLOCK);
        }
    }
}
