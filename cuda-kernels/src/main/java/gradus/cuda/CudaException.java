package gradus.cuda;

import gradus.tensor.GradusException;
import java.util.Map;

/**
 * A call of the CUDA driver that failed. The message names the call, the code, its meaning and what to do. Work on the
 * device is asynchronous, so a fault of a kernel is told by a later call.
 */
public class CudaException extends GradusException {
    private static final long serialVersionUID = 1;

    static final int OUT_OF_MEMORY = 2;
    static final int NO_DEVICE = 100;
    static final int INVALID_PTX = 218;
    static final int UNSUPPORTED_PTX = 222;
    static final int NOT_FOUND = 500;

    private static final String BROKEN =
            "the device context is unusable from here on: end the program; if it comes back,"
                    + " run it with CUDA_LAUNCH_BLOCKING=1 to see which step it is, and report it";
    private static final String HARDWARE = "see 'nvidia-smi' and the system's log; reset or replace the device";

    private record Meaning(String name, String text, String advice) {}

    private static final Map<Integer, Meaning> MEANINGS = Map.ofEntries(
            entry(1, "INVALID_VALUE", "an argument is out of range", "this is a mistake in gradus, please report it"),
            entry(
                    OUT_OF_MEMORY,
                    "OUT_OF_MEMORY",
                    "the device has no more memory",
                    "use a smaller batch or smaller images, or end what else uses the device ('nvidia-smi' shows it)"),
            entry(
                    3,
                    "NOT_INITIALIZED",
                    "the driver was not initialised",
                    "this is a mistake in gradus, please report it"),
            entry(4, "DEINITIALIZED", "the driver is shutting down", "close the backend before the program ends"),
            entry(
                    34,
                    "STUB_LIBRARY",
                    "libcuda.so.1 is the toolkit's stub, not the driver",
                    "install the NVIDIA driver"),
            entry(
                    46,
                    "DEVICE_UNAVAILABLE",
                    "another process holds the device exclusively",
                    "end it, or set compute mode DEFAULT"),
            entry(
                    NO_DEVICE,
                    "NO_DEVICE",
                    "the driver finds no GPU",
                    "check 'nvidia-smi' and CUDA_VISIBLE_DEVICES; in a container, start it with the GPU passed through"),
            entry(101, "INVALID_DEVICE", "there is no device of that number", "check CUDA_VISIBLE_DEVICES"),
            entry(
                    200,
                    "INVALID_IMAGE",
                    "the kernel's code cannot be read",
                    "this is a mistake in gradus, please report it"),
            entry(201, "INVALID_CONTEXT", "no context is current", "this is a mistake in gradus, please report it"),
            entry(
                    209,
                    "NO_BINARY_FOR_GPU",
                    "there is no code for this device",
                    "a device of compute capability 7.5 (Turing) or newer is needed"),
            entry(214, "ECC_UNCORRECTABLE", "the device's memory lost data", HARDWARE),
            entry(
                    INVALID_PTX,
                    "INVALID_PTX",
                    "the driver's compiler refuses the kernel",
                    "please report it with the text that follows"),
            entry(
                    UNSUPPORTED_PTX,
                    "UNSUPPORTED_PTX_VERSION",
                    "the driver is older than the kernels' code",
                    "install a newer NVIDIA driver"),
            entry(
                    NOT_FOUND,
                    "NOT_FOUND",
                    "no kernel of that name",
                    "the jars do not belong together: rebuild or reinstall"),
            entry(600, "NOT_READY", "the device is still at work", "this is a mistake in gradus, please report it"),
            entry(700, "ILLEGAL_ADDRESS", "a kernel touched memory that is not its own", BROKEN),
            entry(
                    701,
                    "LAUNCH_OUT_OF_RESOURCES",
                    "a kernel needs more registers or shared memory than the device has",
                    "this is a mistake in gradus, please report it with the device's name"),
            entry(702, "LAUNCH_TIMEOUT", "a kernel ran too long for a device that also drives a display", BROKEN),
            entry(714, "HARDWARE_STACK_ERROR", "a kernel's stack was damaged", BROKEN),
            entry(715, "ILLEGAL_INSTRUCTION", "a kernel met an instruction that the device does not have", BROKEN),
            entry(716, "MISALIGNED_ADDRESS", "a kernel read at an address that is no multiple of the size", BROKEN),
            entry(718, "INVALID_PC", "a kernel ran off its code", BROKEN),
            entry(719, "LAUNCH_FAILED", "a kernel failed", BROKEN),
            entry(720, "COOPERATIVE_LAUNCH_TOO_LARGE", "a grid does not fit the device", "please report it"),
            entry(800, "NOT_PERMITTED", "the call is not allowed", "check the device's compute mode and permissions"),
            entry(
                    801,
                    "NOT_SUPPORTED",
                    "the device or driver cannot do this",
                    "update the driver; -Dgradus.cuda.graphs=false avoids graphs"),
            entry(802, "SYSTEM_NOT_READY", "the system's fabric manager is not running", "start nvidia-fabricmanager"),
            entry(
                    803,
                    "SYSTEM_DRIVER_MISMATCH",
                    "library and kernel module are of different versions",
                    "reboot after the driver's update"),
            entry(
                    804,
                    "COMPAT_NOT_SUPPORTED_ON_DEVICE",
                    "forward compatibility is not for this device",
                    "install the driver itself"),
            entry(
                    900,
                    "STREAM_CAPTURE_UNSUPPORTED",
                    "the call cannot be recorded",
                    "run with -Dgradus.cuda.graphs=false and report it"),
            entry(
                    901,
                    "STREAM_CAPTURE_INVALIDATED",
                    "the recording was broken off",
                    "run with -Dgradus.cuda.graphs=false and report it"),
            entry(999, "UNKNOWN", "the driver knows no more", "see 'nvidia-smi' and the system's log"));

    private static Map.Entry<Integer, Meaning> entry(int code, String name, String text, String advice) {
        return Map.entry(code, new Meaning(name, text, advice));
    }

    private final String call;
    private final int code;

    CudaException(String call, int code, String more) {
        super(message(call, code, more));
        this.call = call;
        this.code = code;
    }

    private static String message(String call, int code, String more) {
        var m = MEANINGS.getOrDefault(
                code,
                new Meaning(
                        "code " + code,
                        "a code without a meaning here",
                        "look it up in the CUDA driver API's CUresult"));
        return call + ": CUDA_ERROR_" + m.name + " (" + code + "): " + m.text + "; " + m.advice
                + (more.isEmpty() ? "" : " (" + more + ")");
    }

    /** The function of the driver API. */
    public String call() {
        return call;
    }

    /** The driver's CUresult. */
    public int code() {
        return code;
    }

    /** Throws unless the code is CUDA_SUCCESS. */
    static void check(String call, int code) {
        check(call, code, "");
    }

    static void check(String call, int code, String more) {
        if (code == OUT_OF_MEMORY) {
            throw new DeviceMemoryException(call, more);
        }
        if (code != 0) {
            throw new CudaException(call, code, more);
        }
    }
}
