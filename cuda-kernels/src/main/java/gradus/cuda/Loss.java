package gradus.cuda;

/** What losses are made of; a warp for each row. */
final class Loss {
    private static final String MODULE = "Loss";
    private static final int WARPS = 8;

    private final Device device;

    Loss(Device device) {
        this.device = device;
    }

    private void rows(String kernel, int rows, int classes, DeviceMemory x, DeviceMemory y) {
        if (Tiling.size(rows, classes) > 0) {
            device.kernels.of(MODULE, kernel).i(rows).i(classes).p(x).p(y).run(Math.ceilDiv(rows, WARPS), 32 * WARPS);
        }
    }

    void softmax(int rows, int classes, DeviceMemory x, DeviceMemory y) {
        rows("softmax", rows, classes, x, y);
    }

    void logSoftmax(int rows, int classes, DeviceMemory x, DeviceMemory y) {
        rows("log_softmax", rows, classes, x, y);
    }

    void oneHot(int rows, int classes, DeviceMemory labels, DeviceMemory y) {
        rows("one_hot", rows, classes, labels, y);
    }
}
