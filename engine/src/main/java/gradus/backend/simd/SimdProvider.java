package gradus.backend.simd;

import gradus.backend.Backend;
import gradus.backend.BackendException;
import gradus.backend.BackendProvider;
import java.util.Optional;

/** Offers the {@code simd} backend. Touches no vector class until it is opened, so that it loads on every JVM. */
public final class SimdProvider implements BackendProvider {
    private static final String MODULE = "jdk.incubator.vector";

    @Override
    public String name() {
        return "simd";
    }

    @Override
    public int priority() {
        return 10;
    }

    @Override
    public Optional<String> unavailable(Options options) {
        if (options.precision() != Precision.FLOAT32) {
            return Optional.of("it computes in float32 only; for float64 use the reference backend");
        }
        Module own = SimdProvider.class.getModule();
        if (!ModuleLayer.boot().findModule(MODULE).map(own::canRead).orElse(false)) {
            return Optional.of("the Vector API module is not readable; add '--add-modules " + MODULE
                    + "' to the java command line");
        }
        return Optional.empty();
    }

    @Override
    public Backend<?> open(Options options) {
        unavailable(options).ifPresent(why -> {
            throw new BackendException("backend simd cannot run here: " + why);
        });
        WarmUp.start();
        return new SimdBackend(options.threads(), options.exact());
    }
}
