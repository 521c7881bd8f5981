package gradus.cuda;

/** The device has no memory left. What was there before is as it was: the program can go on with less. */
public final class DeviceMemoryException extends CudaException {
    private static final long serialVersionUID = 1;

    DeviceMemoryException(String call, String more) {
        super(call, OUT_OF_MEMORY, more);
    }
}
