package gradus.backend;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds backends: those of the engine and those of further jars on the path. */
public final class Backends {
    private Backends() {}

    /** All providers, best first. One that fails to load is left out: its jar is not for this JVM. */
    public static List<BackendProvider> providers() {
        return ServiceLoader.load(BackendProvider.class, Backends.class.getClassLoader()).stream()
                .flatMap(p -> {
                    try {
                        return Stream.of(p.get());
                    } catch (ServiceConfigurationError | LinkageError e) {
                        return Stream.empty();
                    }
                })
                .sorted(Comparator.comparingInt(BackendProvider::priority).reversed())
                .toList();
    }

    /**
     * The backend of that name, or for {@code null} or {@code "auto"} the best that can run with these options.
     *
     * @throws BackendException if the named one does not exist or cannot run; the message says what to do
     */
    public static Backend<?> open(String name, Options options) {
        List<BackendProvider> all = providers();
        boolean any = name == null || name.equals("auto");
        for (var provider : all) {
            if (any ? provider.unavailable(options).isEmpty() : provider.name().equals(name)) {
                provider.unavailable(options).ifPresent(why -> {
                    throw new BackendException("backend " + provider.name() + " cannot run here: " + why);
                });
                return provider.open(options);
            }
        }
        throw new BackendException("no backend '" + name + "'; there are: "
                + all.stream().map(BackendProvider::name).collect(Collectors.joining(", ")) + ", auto");
    }

    /** The best backend in float32 on all processors. */
    public static Backend<?> open() {
        return open("auto", new Options(0, Precision.FLOAT32));
    }
}
