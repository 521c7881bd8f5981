package gradus.app;

import gradus.layers.Model;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import java.nio.file.Path;
import java.util.regex.Pattern;
import picocli.CommandLine.Option;

/** Which network is meant: an architecture by name, with other pictures or classes perhaps. */
final class NetworkOptions {
    private static final Pattern INPUT = Pattern.compile("(\\d{1,5})x(\\d{1,5})(?:x(\\d{1,5}))?");

    @Option(
            names = "--model",
            paramLabel = "NAME",
            description = "architecture (default resnet50, the course's); 'gradus summary --list' lists them")
    String model;

    @Option(names = "--classes", paramLabel = "N", description = "number of classes, if not the architecture's own")
    Integer classes;

    @Option(
            names = "--input",
            paramLabel = "HxWxC",
            description = "size of pictures such as 224x224x3, if not the architecture's own")
    String input;

    /** @param file a trained model, or null for a new one of the named architecture */
    Model model(Path file) {
        if (file != null) {
            if (model != null || classes != null || input != null) {
                throw new UsageException("--model, --classes and --input are for a new network; " + file + " is one");
            }
            return ModelFile.open(file).model();
        }
        ResNet network = ResNets.byName(model == null ? "resnet50" : model);
        if (classes != null) {
            network = network.classes(classes);
        }
        if (input != null) {
            var m = INPUT.matcher(input);
            if (!m.matches()) {
                throw new UsageException("--input must be like 224x224x3, not '" + input + "'");
            }
            int channels = m.group(3) == null ? 3 : Integer.parseInt(m.group(3));
            network = network.input(Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)), channels);
        }
        return network.build();
    }
}
