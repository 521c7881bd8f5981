package gradus.app;

import gradus.app.golden.GoldenSuite;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus golden DIR}: compares this engine with recorded results of others. */
@Command(
        name = "golden",
        description =
                "Computes every case of a folder of golden cases (NAME.safetensors and manifest.tsv), compares with"
                        + " the folder's own tolerances, and ends with 'N passed, N failed'. Exit status 0 if none failed,"
                        + " 1 if some did.")
final class Golden implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Parameters(paramLabel = "DIR", description = "folder of golden cases")
    Path folder;

    @Option(names = "--group", paramLabel = "NAME", split = ",", description = "only the cases of these groups")
    List<String> groups = List.of();

    @Option(names = "--unfused", description = "compute operation by operation, without joining any")
    boolean unfused;

    @Option(
            names = {"-v", "--verbose"},
            description = "a line for every file")
    boolean verbose;

    @Override
    public Integer call() {
        if (!Files.isDirectory(folder)) {
            throw new UsageException(folder + " is not a folder");
        }
        var out = spec.commandLine().getOut();
        try (var backend = engine.open()) {
            out.println("backend " + backend.name() + ": " + backend.description());
            var result = new GoldenSuite(folder, backend, engine.precision(), !unfused, out, verbose).run(groups);
            return result.failed() == 0 ? Exit.OK : Exit.DIFFERENT;
        }
    }
}
