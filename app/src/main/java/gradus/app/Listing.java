package gradus.app;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Graph;
import gradus.tensor.Shape;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus listing}. */
@Command(
        name = "listing",
        description =
                "Prints the program that trains a network, one line an operation: forward, loss, derivatives, update.")
final class Listing implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    NetworkOptions network;

    @Parameters(arity = "0..1", paramLabel = "MODEL", description = "a trained model instead of an architecture")
    Path file;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "1", description = "pictures in a step (default 1)")
    int batch;

    @Option(names = "--inference", description = "the program that predicts instead")
    boolean inference;

    @Option(names = "--unfused", description = "as the layers wrote it, before operations are joined")
    boolean unfused;

    @Override
    public Integer call() {
        if (batch < 1) {
            throw new UsageException("--batch must be 1 or more, not " + batch);
        }
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT32))) {
            var training = Training.compile(
                            network.model(file), Sgd.of(0.1), SparseCategoricalCrossentropy.of(), List.of(), backend)
                    .fused(!unfused);
            Graph graph =
                    inference ? training.inferenceGraph(batch, null) : training.trainingGraph(batch, Shape.of(batch));
            spec.commandLine().getOut().print(gradus.graph.Listing.of(graph));
        }
        return Exit.OK;
    }
}
