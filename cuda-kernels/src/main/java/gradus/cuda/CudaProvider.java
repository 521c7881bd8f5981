package gradus.cuda;

import gradus.backend.BackendException;
import gradus.backend.BackendProvider;
import gradus.tensor.GradusException;
import java.util.Optional;

/**
 * Offers the {@code cuda} backend. Looks for the driver's library first; JCuda is touched only when that is there, so a
 * machine without one pays for a failed look-up and nothing more.
 */
public final class CudaProvider implements BackendProvider {
    private static final int OLDEST = 75;
    private static final int TENSOR_CORES = 80; // with tf32 and bf16

    /** What was found; looked for once. */
    private record Machine(Driver driver, int capability, String problem) {}

    private static Machine machine;

    /** For {@link java.util.ServiceLoader}. */
    public CudaProvider() {}

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public int priority() {
        return 20;
    }

    private static synchronized Machine machine() {
        if (machine == null) {
            machine = look();
        }
        return machine;
    }

    private static Machine look() {
        Optional<String> missing = NativeLibrary.driverMissing();
        if (missing.isPresent()) {
            return new Machine(null, 0, missing.get());
        }
        try {
            Driver driver = JCudaBinding.load();
            int capability = driver.deviceCount() == 0 ? 0 : Device.capability(driver);
            return new Machine(driver, capability, problem(driver, capability).orElse(null));
        } catch (GradusException e) {
            return new Machine(null, 0, e.getMessage());
        }
    }

    /** Why the kernels cannot run on the first device of this driver. */
    static Optional<String> problem(Driver driver, int capability) {
        if (driver.deviceCount() == 0) {
            return Optional.of(new CudaException("cuDeviceGetCount", CudaException.NO_DEVICE, "").getMessage());
        }
        if (capability < OLDEST) {
            return Optional.of(driver.deviceName(0) + " has compute capability " + capability / 10 + "."
                    + capability % 10 + ", 7.5 (Turing) or newer is needed");
        }
        for (String module : Kernels.MODULES) {
            Ptx ptx = Ptx.load(Kernels.resourceName(module, ".float32"), capability);
            if (ptx == null) {
                return Optional.of("the jar has no code of module " + module + "; reinstall it");
            }
            int needed = ptx.driverNeeded();
            if (driver.version() < needed) {
                return Optional.of("the driver supports CUDA " + text(driver.version()) + ", the kernels need "
                        + text(needed) + "; install a newer NVIDIA driver");
            }
        }
        return Optional.empty();
    }

    private static String text(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    @Override
    public Optional<String> unavailable(Options options) {
        if (options.precision() == Precision.FLOAT64) {
            return Optional.of("it computes in float32, tf32 or bf16; for float64 use the reference backend");
        }
        Machine m = machine();
        if (m.problem != null) {
            return Optional.of(m.problem);
        }
        return unavailable(options.precision(), m.capability);
    }

    static Optional<String> unavailable(Precision precision, int capability) {
        return precision != Precision.FLOAT32 && capability < TENSOR_CORES
                ? Optional.of("the device has compute capability " + capability / 10 + "." + capability % 10
                        + ", tf32 and bf16 need 8.0 (Ampere) or newer; use float32")
                : Optional.empty();
    }

    @Override
    public CudaBackend open(Options options) {
        unavailable(options).ifPresent(why -> {
            throw new BackendException("backend cuda cannot run here: " + why);
        });
        return new CudaBackend(machine().driver, options.precision());
    }
}
