package gradus.cuda;

import gradus.backend.BackendException;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Window;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The kernels on one device: modules loaded when first needed, and launches. A launch names the kernel, hands over the
 * parameters in order, each held against the signature in the PTX, then the grid:
 * {@code kernels.of("Elementwise", "fill").i(n).f(value).p(y).run(grid, 256)}.
 */
final class Kernels {
    static final List<String> MODULES =
            List.of("Elementwise", "Reduction", "Pooling", "Normalization", "Loss", "Probe", "MatMul", "Convolution");

    private static final int MAX_PARAMETERS = 64;
    private static final int MAX_BYTES = 4096;
    private static final int STATIC_SHARED = 48 * 1024; // more than that must be asked for

    private final Driver driver;
    private final Driver.Stream stream;
    private final int capability;
    private final String products;
    private final Map<String, Loaded> modules = new HashMap<>();
    private final Map<String, Kernel> kernels = new HashMap<>();

    private record Loaded(Driver.Module handle, Ptx ptx) {}

    private static final class Kernel {
        final String name;
        final Driver.Function function;
        final String signature;
        int shared = STATIC_SHARED;

        Kernel(String name, Driver.Function function, String signature) {
            this.name = name;
            this.function = function;
            this.signature = signature;
        }
    }

    // the launch that is being prepared: addresses of values, then the values
    private final ByteBuffer parameters =
            ByteBuffer.allocateDirect(MAX_PARAMETERS * Long.BYTES + MAX_BYTES).order(ByteOrder.nativeOrder());
    private final long base = MemorySegment.ofBuffer(parameters).address();
    private Kernel kernel;
    private int at; // in the signature
    private int count;
    private int end; // of the values

    Kernels(Driver driver, Driver.Stream stream, int capability, Precision precision) {
        this.driver = driver;
        this.stream = stream;
        this.capability = capability;
        this.products = "." + precision.name().toLowerCase(Locale.ROOT);
    }

    /** Products and convolutions exist in each precision; all else computes in float32. */
    static String resourceName(String module, String products) {
        return module.equals("MatMul") || module.equals("Convolution") ? module + products : module;
    }

    /** Begins a launch. */
    Kernels of(String module, String name) {
        kernel = kernels.computeIfAbsent(module + " " + name, key -> find(module, name));
        at = 0;
        count = 0;
        end = MAX_PARAMETERS * Long.BYTES;
        return this;
    }

    private Kernel find(String module, String name) {
        Loaded loaded = modules.computeIfAbsent(module, this::load);
        String signature = loaded.ptx.signatures().get(name);
        if (signature == null) {
            throw new BackendException("cuda backend: " + loaded.ptx.name() + " has no kernel " + name
                    + ": the jars do not belong together, reinstall them");
        }
        return new Kernel(name, driver.function(loaded.handle, name), signature);
    }

    private Loaded load(String module) {
        String name = resourceName(module, products);
        Ptx ptx = Ptx.load(name, capability);
        if (ptx == null) {
            throw new BackendException(
                    "cuda backend: no code of module " + name + " for a device of compute capability " + capability / 10
                            + "." + capability % 10 + "; 7.5 is needed for float32, 8.0 for tf32 and bf16");
        }
        return new Loaded(driver.loadModule("// gradus " + ptx.name() + "\n" + ptx.text()), ptx);
    }

    // ---- parameters ----

    private int value(String letter, int bytes, int alignment) {
        if (!kernel.signature.startsWith(letter, at)) {
            throw mismatch("parameter " + count + " is " + letter);
        }
        at += letter.length();
        end = (end + alignment - 1) / alignment * alignment;
        parameters.putLong(count++ * Long.BYTES, base + end);
        int where = end;
        end += bytes;
        return where;
    }

    private BackendException mismatch(String what) {
        return new BackendException("cuda backend: kernel " + kernel.name + " takes " + kernel.signature + ", " + what
                + ": the jars do not belong together, reinstall them");
    }

    Kernels i(int v) {
        parameters.putInt(value("i", Integer.BYTES, Integer.BYTES), v);
        return this;
    }

    Kernels f(double v) {
        parameters.putFloat(value("f", Float.BYTES, Float.BYTES), (float) v);
        return this;
    }

    Kernels l(long v) {
        parameters.putLong(value("l", Long.BYTES, Long.BYTES), v);
        return this;
    }

    /** An address; null is 0. */
    Kernels p(DeviceMemory m) {
        return l(m == null ? 0 : m.address());
    }

    /** A struct of numbers. */
    Kernels s(int... members) {
        int bytes = members.length * Integer.BYTES;
        int where = value("[" + bytes + "]", bytes, Integer.BYTES);
        for (int k = 0; k < members.length; k++) {
            parameters.putInt(where + k * Integer.BYTES, members[k]);
        }
        return this;
    }

    Kernels s(Window g) {
        return s(
                g.n(),
                g.h(),
                g.w(),
                g.c(),
                g.oh(),
                g.ow(),
                g.f(),
                g.kh(),
                g.kw(),
                g.strideH(),
                g.strideW(),
                g.dilationH(),
                g.dilationW(),
                g.top(),
                g.left(),
                g.groups());
    }

    /** A function of one number: its code and two parameters. */
    Kernels function(Functions.Code f) {
        return i(f.code()).f(f.p()).f(f.q());
    }

    // ---- grid ----

    void run(long gridX, int block) {
        run(gridX, 1, 1, block, 1, 0);
    }

    void run(long gridX, long gridY, long gridZ, int blockX, int blockY, int shared) {
        if (at != kernel.signature.length()) {
            throw mismatch("got " + count + " parameters");
        }
        if (gridX > Integer.MAX_VALUE || gridY > 65_535 || gridZ > 65_535 || gridX < 1 || gridY < 1 || gridZ < 1) {
            throw new BackendException("cuda backend: kernel " + kernel.name + " would need a grid of " + gridX + " x "
                    + gridY + " x " + gridZ + " blocks; use a smaller batch or smaller images");
        }
        if (shared > kernel.shared) {
            driver.allowShared(kernel.function, shared);
            kernel.shared = shared;
        }
        driver.launch(
                kernel.function, (int) gridX, (int) gridY, (int) gridZ, blockX, blockY, 1, shared, stream, parameters);
    }

    void close() {
        var all = new ArrayList<>(modules.values());
        modules.clear();
        kernels.clear();
        all.forEach(m -> driver.unload(m.handle));
    }
}
