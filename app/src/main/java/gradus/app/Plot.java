package gradus.app;

import gradus.io.AtomicFile;
import gradus.layers.Model;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus plot FILE.svg}. */
@Command(
        name = "plot",
        description =
                "Draws a network as a diagram: FILE.svg for a browser, FILE.dot for Graphviz. Default: model.svg.")
final class Plot implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    NetworkOptions network;

    @Parameters(
            arity = "0..2",
            paramLabel = "[MODEL] FILE",
            description = "a trained model instead of an architecture, and the file to write")
    List<Path> paths;

    @Override
    public Integer call() {
        Path model = null;
        Path file = null;
        for (Path p : paths == null ? List.<Path>of() : paths) {
            String name = Convert.name(p);
            boolean picture = name.endsWith(".svg") || name.endsWith(".dot");
            if (picture && file == null) {
                file = p;
            } else if (!picture && model == null) {
                model = p;
            } else {
                throw new UsageException("give one file to write, ending in .svg or .dot, and at most one model");
            }
        }
        file = file == null ? Path.of("model.svg") : file;
        Model drawn = network.model(model);
        boolean svg = Convert.name(file).endsWith(".svg");
        AtomicFile.write(file, (svg ? drawn.toSvg() : drawn.toDot()).getBytes(StandardCharsets.UTF_8));
        spec.commandLine().getOut().println("wrote " + file);
        return Exit.OK;
    }
}
