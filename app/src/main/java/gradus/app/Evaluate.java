package gradus.app;

import gradus.data.Dataset;
import gradus.data.Datasets;
import gradus.io.Json;
import gradus.train.Checkpoint;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus evaluate MODEL --data SET}. */
@Command(
        name = "evaluate",
        description =
                "Accuracy and loss of a model on the test part of a data set, or without one on its validation part.")
final class Evaluate implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Mixin
    FileOptions options;

    @Parameters(
            paramLabel = "MODEL",
            description = "model: what 'train' left, safetensors, a layers-model folder of Keras, HDF5, or ONNX")
    Path path;

    @Option(
            names = "--data",
            paramLabel = "SET",
            description = "generated[:COUNT], signs:DIR, images:DIR, cifar10:FILE[,FILE..] or idx:DIR; default: what"
                    + " the model was trained on")
    String data;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "of generated data; default: without --data that of the training, else 0")
    Long seed;

    @Option(names = "--json", description = "print one line {\"data\":..,\"n\":..,\"accuracy\":..,\"loss\":..}")
    boolean json;

    @Override
    public Integer call() {
        ModelFile file = ModelFile.open(path, options);
        String set = data != null ? data : file.imported().metadata().get(ModelFile.DATA);
        if (set == null) {
            throw new UsageException(path + " does not say what data it was trained on; give some with --data");
        }
        var pictures = file.pictures();
        Dataset held = Judge.heldOut(Datasets.open(set, seed(file), 0, 0), set).framed(pictures);
        held = pictures.channels() == 3 ? held.rgb() : held;
        if (file.labels().isEmpty()) {
            throw new UsageException(path + " has no classifier: its outputs are "
                    + file.model().outputShapes().getFirst());
        }
        if (held.labels().size() != file.labels().size()) {
            throw new UsageException("the model knows " + file.labels().size() + " classes " + file.labels() + ", "
                    + set + " has " + held.labels().size() + ": " + held.labels());
        }
        if (!held.labels().equals(file.labels())) {
            spec.commandLine()
                    .getErr()
                    .println("note: the model's classes are " + file.labels() + ", those of the data " + held.labels()
                            + "; they are compared by their numbers");
        }
        try (var backend = engine.open()) {
            var judge = Judge.of(set, file.model(), pictures.mode(), held, backend);
            var out = spec.commandLine().getOut();
            if (json) {
                out.println(judge.json());
            } else {
                judge.print(out, true);
            }
        }
        return Exit.OK;
    }

    /** Generated pictures are what the training was judged by only with its seed. */
    private long seed(ModelFile file) {
        String trained = file.imported().metadata().get(Checkpoint.SEED);
        if (seed != null || data != null || trained == null) {
            return seed == null ? 0 : seed;
        }
        if (Json.parse(trained) instanceof Long number) {
            return number;
        }
        throw new UsageException(path + ": its seed is no whole number but " + trained + "; give one with --seed");
    }
}
