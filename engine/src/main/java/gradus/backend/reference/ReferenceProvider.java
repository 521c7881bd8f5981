package gradus.backend.reference;

import gradus.backend.BackendProvider;
import java.util.Optional;

/** Offers the reference backend: it runs everywhere, in both precisions, and is taken when nothing faster can run. */
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
        return Optional.empty();
    }

    @Override
    public ReferenceBackend open(Options options) {
        return new ReferenceBackend(options.precision());
    }
}
