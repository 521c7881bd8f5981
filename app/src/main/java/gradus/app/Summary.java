package gradus.app;

import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus summary}. */
@Command(
        name = "summary",
        description = "Prints the layers of a network with output shapes and parameters, as Keras does.")
final class Summary implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    NetworkOptions network;

    @Parameters(arity = "0..1", paramLabel = "MODEL", description = "a trained model instead of an architecture")
    Path file;

    @Option(names = "--list", description = "list the architectures that can be named")
    boolean list;

    @Override
    public Integer call() {
        var out = spec.commandLine().getOut();
        if (list) {
            for (String name : ResNets.names()) {
                ResNet r = ResNets.byName(name);
                out.println(String.format(
                        Locale.ROOT,
                        "%-16s %-15s %4d classes  %,12d parameters",
                        name,
                        r.input(),
                        r.classes(),
                        r.build().parameterCount()));
            }
        } else {
            out.print(network.model(file).summary());
        }
        return Exit.OK;
    }
}
