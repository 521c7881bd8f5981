package gradus.backend.reference;

import gradus.backend.BackendProvider;
import java.util.Optional;

/** Offers the reference backend: it runs everywhere, in float32 and float64, and is taken when nothing faster can run. */
public final class ReferenceProvider implements BackendProvider {
    @Override
    public String name() {
        return "reference";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Optional<String> unavailable(Options options) {
        return switch (options.precision()) {
            case FLOAT32, FLOAT64 -> Optional.empty();
            case TF32, BF16 -> Optional.of("it computes in float32 or float64");
        };
    }

    @Override
    public ReferenceBackend open(Options options) {
        return new ReferenceBackend(options.precision());
    }
}
