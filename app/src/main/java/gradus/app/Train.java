package gradus.app;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Precision;
import gradus.data.Augmentation;
import gradus.data.BatchPipeline;
import gradus.data.DataSplit;
import gradus.data.Dataset;
import gradus.data.Datasets;
import gradus.data.Pictures;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.train.Callback;
import gradus.train.Checkpoint;
import gradus.train.CsvHistory;
import gradus.train.FitOptions;
import gradus.train.History;
import gradus.train.Metric;
import gradus.train.SaveCheckpoint;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gradus train}. */
@Command(
        name = "train",
        description = {
            "Trains a residual network. Without options: the complete 50-layer network on generated hand signs.",
            "Leaves in --out: model.safetensors (all that predict, evaluate and --resume need), history.csv,"
                    + " curves.png.",
            "Ctrl-C leaves a model.safetensors, too, in the middle of an epoch, and --resume goes on from there."
        })
final class Train implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Option(
            names = "--data",
            paramLabel = "SET",
            description = "generated[:COUNT] (default), signs:DIR, images:DIR, cifar10:FILE[,FILE..] or idx:DIR")
    String data;

    @Option(names = "--model", paramLabel = "NAME", description = "architecture; 'gradus summary --list' lists them")
    String model;

    @Option(names = "--size", paramLabel = "N", description = "height and width of the network's pictures")
    Integer size;

    @Option(names = "--epochs", paramLabel = "N", description = "passes over the training pictures")
    Integer epochs;

    @Option(names = "--batch", paramLabel = "N", description = "pictures in a step")
    Integer batch;

    @Option(names = "--examples", paramLabel = "N", description = "size of the generated training set")
    Integer examples;

    @Option(names = "--optimizer", paramLabel = "NAME", description = "sgd, adam, adamw or rmsprop")
    String optimizer;

    @Option(
            names = "--learning-rate",
            paramLabel = "X",
            description = "highest learning rate, reached after the warm-up and then lowered along a cosine")
    Double learningRate;

    @Option(names = "--warm-up", paramLabel = "EPOCHS", description = "epochs in which the learning rate rises from 0")
    Double warmUp;

    @Option(
            names = "--weight-decay",
            paramLabel = "X",
            description = "of kernels, times the learning rate; adamw has 0.004 where the data set has none")
    Double weightDecay;

    @Option(names = "--label-smoothing", paramLabel = "X", description = "share of the target spread over all classes")
    Double labelSmoothing;

    @Option(names = "--momentum", paramLabel = "X", description = "of batch norm's moving statistics")
    Double momentum;

    @Option(
            names = "--average",
            paramLabel = "X",
            description = "running average of the weights: share of the old value, such as 0.99; 0 for none")
    Double average;

    @Option(names = "--no-augmentation", description = "train on the pictures as they are")
    boolean noAugmentation;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "what first weights, order and changes are drawn from (0)")
    Long seed;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "where results go; default runs/SET, such as runs/generated")
    Path out;

    @Option(
            names = "--resume",
            description = "go on from the model in --out, with the settings it was begun with; only --epochs and the"
                    + " options of the engine can be given anew")
    boolean resume;

    @Option(
            names = "--recompute",
            description = "compute normalised and activated values again in the backward pass instead of keeping them:"
                    + " about half the memory for pictures, same results, some more time")
    boolean recompute;

    @Option(
            names = {"-q", "--quiet"},
            description = "print the result only")
    boolean quiet;

    @Option(names = "--json", description = "end with one line {\"data\":..,\"n\":..,\"accuracy\":..,\"loss\":..}")
    boolean json;

    @Override
    public Integer call() {
        Settings settings = resume ? resumed() : chosen();
        Path folder = out != null ? out : Path.of("runs", Recipe.kind(settings.data));
        List<Path> made = create(folder);
        boolean finished = false;
        try (var interrupt = new Interrupt(() -> tooEarly(made));
                var backend = engine.open()) {
            int status = run(settings, folder, backend, interrupt);
            finished = true;
            return status;
        } finally {
            if (!finished) {
                made.forEach(Train::deleteIfEmpty);
            }
        }
    }

    private void tooEarly(List<Path> made) {
        made.forEach(Train::deleteIfEmpty);
        var err = spec.commandLine().getErr();
        err.println("gradus: interrupted before the first step; nothing was written");
        err.flush();
    }

    // ---- what to do ----

    /**
     * All that a training is determined by, beside the data themselves.
     *
     * @param size height and width of pictures, 0 for what the architecture is known for
     */
    private record Settings(String data, Recipe recipe, int size, long seed, Checkpoint from) {
        private static final String KEY = "train";

        /** For the model file, so that a resumption needs no options. */
        String json() {
            var map = new LinkedHashMap<String, Object>();
            map.put("model", recipe.model());
            map.put("examples", (long) recipe.examples());
            map.put("epochs", (long) recipe.epochs());
            map.put("batch", (long) recipe.batch());
            map.put("size", (long) size);
            map.put("small", recipe.small());
            map.put("augmentation", !recipe.augmentation().equals(Augmentation.NONE));
            return Json.write(map);
        }

        /** @param epochs null for as many as it was begun with */
        static Settings of(Checkpoint from, Path file, Integer epochs) {
            try {
                String data = from.metadata().get(ModelFile.DATA);
                var map = (Map<?, ?>) Json.parse(from.metadata().get(KEY));
                long seed = (Long) Json.parse(from.metadata().get(Checkpoint.SEED));
                Recipe r = Recipe.of(data); // learning rate and the like are the optimizer's, which is in the file
                var recipe = new Recipe(
                        (String) map.get("model"),
                        integer(map, "examples"),
                        epochs == null ? integer(map, "epochs") : epochs,
                        integer(map, "batch"),
                        r.optimizer(),
                        r.learningRate(),
                        r.warmUp(),
                        r.weightDecay(),
                        r.labelSmoothing(),
                        r.momentum(),
                        r.average(),
                        (Boolean) map.get("augmentation") ? r.augmentation() : Augmentation.NONE,
                        r.preprocess(),
                        (Double) map.get("small"),
                        r.trainOnValidation());
                return new Settings(data, recipe, integer(map, "size"), seed, from);
            } catch (ClassCastException | NullPointerException | ArithmeticException e) {
                throw new UsageException(file + ": this model was not left by 'gradus train', it cannot be resumed", e);
            }
        }

        private static int integer(Map<?, ?> map, String key) {
            return Math.toIntExact((Long) map.get(key));
        }
    }

    private Settings chosen() {
        String set = data == null ? "generated" : data;
        Recipe r = Recipe.of(set);
        if (examples != null && !set.equals("generated")) {
            throw new UsageException(
                    "--examples is for --data generated without a count; " + set + " has the pictures it has");
        }
        String rule = given(optimizer, r.optimizer()).toLowerCase(Locale.ROOT);
        var recipe = new Recipe(
                given(model, r.model()),
                examples == null ? r.examples() : positive("--examples", examples),
                positive("--epochs", given(epochs, r.epochs())),
                positive("--batch", given(batch, r.batch())),
                rule,
                atLeast0("--learning-rate", given(learningRate, r.learningRate())),
                atLeast0("--warm-up", given(warmUp, r.warmUp())),
                atLeast0("--weight-decay", given(weightDecay, r.weightDecay(rule))),
                atLeast0("--label-smoothing", given(labelSmoothing, r.labelSmoothing())),
                atLeast0("--momentum", given(momentum, r.momentum())),
                atLeast0("--average", given(average, r.average())),
                noAugmentation ? Augmentation.NONE : r.augmentation(),
                r.preprocess(),
                model == null && size == null ? r.small() : 0, // not every network can compute with small pictures
                r.trainOnValidation());
        int side = size == null ? 0 : positive("--size", size);
        return new Settings(recipe.data(set), recipe, side, given(seed, 0L), null);
    }

    private Settings resumed() {
        var fixed = new LinkedHashMap<String, Object>();
        fixed.put("--model", model);
        fixed.put("--size", size);
        fixed.put("--batch", batch);
        fixed.put("--examples", examples);
        fixed.put("--optimizer", optimizer);
        fixed.put("--learning-rate", learningRate);
        fixed.put("--warm-up", warmUp);
        fixed.put("--weight-decay", weightDecay);
        fixed.put("--label-smoothing", labelSmoothing);
        fixed.put("--momentum", momentum);
        fixed.put("--average", average);
        fixed.put("--seed", seed);
        fixed.put("--no-augmentation", noAugmentation ? true : null);
        fixed.forEach((name, value) -> {
            if (value != null) {
                throw new UsageException(
                        name + " cannot be changed by --resume: the settings are those the training was"
                                + " begun with. Leave it out, or begin anew without --resume");
            }
        });
        Path folder = out != null ? out : Path.of("runs", data == null ? "generated" : Recipe.kind(data));
        Path file = folder.resolve(ModelFile.NAME);
        if (!Files.exists(file)) {
            throw new UsageException("nothing to resume: there is no " + file + "; give the folder with --out");
        }
        Checkpoint from = Checkpoint.load(file);
        if (!from.hasTraining()) {
            throw new UsageException(file + " holds a model but no training to go on with");
        }
        var settings = Settings.of(from, file, epochs == null ? null : positive("--epochs", epochs));
        String kind = Recipe.kind(settings.data);
        String where = data == null || data.equals("generated") && kind.equals("generated") ? settings.data : data;
        // files may have been moved; generated pictures are others if their number is another
        if (!Recipe.kind(where).equals(kind) || kind.equals("generated") && !where.equals(settings.data)) {
            throw new UsageException(file + " was trained on " + settings.data + ", not on " + data
                    + "; --resume goes on with the same data: leave --data out, or begin anew without --resume");
        }
        return new Settings(where, settings.recipe, settings.size, settings.seed, from);
    }

    private static <T> T given(T option, T otherwise) {
        return option == null ? otherwise : option;
    }

    private static int positive(String option, int value) {
        if (value < 1) {
            throw new UsageException(option + " must be 1 or more, not " + value);
        }
        return value;
    }

    private static double atLeast0(String option, double value) {
        if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
            throw new UsageException(option + " must be 0 or more, not " + value);
        }
        return value;
    }

    // ---- doing it ----

    private <B> int run(Settings s, Path folder, Backend<B> backend, Interrupt interrupt) {
        var progress = spec.commandLine().getOut();
        if (json) {
            progress = spec.commandLine().getErr(); // standard output is for the result alone
        }
        Recipe r = s.recipe;
        ResNet network = ResNets.byName(r.model());
        network = network.blocks(network.blocks().momentum(r.momentum()).zeroGamma(true));
        int height = s.size > 0 ? s.size : network.input().dim(0);
        int width = s.size > 0 ? s.size : network.input().dim(1);
        DataSplit split = Datasets.open(s.data, s.seed, height, width);
        Dataset train = (r.trainOnValidation() ? split.train().concat(split.validation()) : split.train()).rgb();
        Dataset heldOut = Judge.heldOut(split, s.data).rgb();
        boolean watchValidation = !r.trainOnValidation() && split.validation().size() > 0;
        Dataset watched = watchValidation ? split.validation().rgb() : heldOut;

        Training<B> training = s.from == null
                ? begin(
                        s,
                        network.input(height, width, 3).classes(train.labels().size()),
                        train,
                        backend)
                : s.from.resume(backend);
        training.recompute(recompute);
        Model net = training.model();
        var pictures = Pictures.of(net, r.preprocess());
        Map<String, String> metadata = Map.of(
                Checkpoint.LABELS, Json.write(train.labels()),
                Checkpoint.PREPROCESSING, pictures.json(),
                Checkpoint.SEED, Json.write(s.seed),
                ModelFile.DATA, s.data,
                Settings.KEY, s.json());
        Path file = folder.resolve(ModelFile.NAME);
        if (!quiet) {
            introduce(progress, s, net, train, heldOut, backend, training, file);
        }

        var callbacks = new ArrayList<Callback>();
        var display = new ProgressDisplay(progress, ProgressDisplay.onTerminal());
        if (!quiet) {
            callbacks.add(display);
        }
        callbacks.add(interrupt);
        callbacks.add(new SaveCheckpoint(file, null, metadata));
        callbacks.add(new CsvHistory(folder.resolve("history.csv")));
        callbacks.add(drawing(folder.resolve("curves.png"), progress));
        var source = BatchPipeline.training(train, r.batch(), s.seed, r.augmentation(), r.preprocess());
        var validation = BatchPipeline.evaluation(watched, r.batch(), r.preprocess());
        long start = System.nanoTime();
        Callback[] all = callbacks.toArray(Callback[]::new);
        if (training.epoch() < r.smallEpochs()) {
            var small = BatchPipeline.training(
                    train.resized(height * 5 / 8, width * 5 / 8), r.batch(), s.seed, r.augmentation(), r.preprocess());
            training.fit(small, validation, FitOptions.of(r.smallEpochs()).callbacks(all));
        }
        History history = training.history().stopped()
                ? training.history()
                : training.fit(source, validation, FitOptions.of(r.epochs()).callbacks(all));
        if (history.stopped()) {
            Checkpoint.of(training).with(metadata).save(file);
            progress.println("interrupted in epoch " + (training.epoch() + 1) + " after step " + training.step() + "; "
                    + file + " is saved, go on with: gradus train --resume --out " + folder);
            progress.flush();
            interrupt.saved();
            return Exit.INTERRUPTED;
        }
        interrupt.saved(); // all is
        if (!quiet) {
            double seconds = (System.nanoTime() - start) / 1e9;
            progress.println(String.format(
                    Locale.ROOT,
                    "trained in %s, %.1f %% of it waiting for pictures; results are in %s",
                    ProgressDisplay.time(seconds),
                    100 * display.secondsWaited() / seconds,
                    folder));
            progress.flush();
        }
        var judge = Judge.of(s.data, net, r.preprocess(), heldOut, backend);
        if (json) {
            spec.commandLine().getOut().println(judge.json());
        } else {
            judge.print(spec.commandLine().getOut(), !quiet);
        }
        return Exit.OK;
    }

    private <B> Training<B> begin(Settings s, ResNet network, Dataset train, Backend<B> backend) {
        Model net = network.build();
        net.initialize(s.seed, engine.precision() == Precision.FLOAT64 ? DType.F64 : DType.F32);
        var loss = SparseCategoricalCrossentropy.of().labelSmoothing(s.recipe.labelSmoothing());
        return Training.compile(net, s.recipe.optimizer(train.size()), loss, List.of(new Metric.Accuracy()), backend);
    }

    private static void introduce(
            PrintWriter out,
            Settings s,
            Model net,
            Dataset train,
            Dataset heldOut,
            Backend<?> backend,
            Training<?> training,
            Path file) {
        Shape input = net.inputShapes().getFirst();
        out.println(String.format(
                Locale.ROOT,
                "%s %dx%dx%d, %d classes, %,d parameters; %s",
                s.recipe.model(),
                input.dim(0),
                input.dim(1),
                input.dim(2),
                train.labels().size(),
                net.parameterCount(),
                backend.description()));
        out.println("data " + s.data + ": " + train.size() + " pictures to train on, " + heldOut.size() + " held out; "
                + s.recipe.epochs() + " epochs of batches of " + s.recipe.batch()
                + (s.recipe.smallEpochs() == 0
                        ? ""
                        : ", the first " + s.recipe.smallEpochs() + " with pictures of " + input.dim(0) * 5 / 8 + " x "
                                + input.dim(1) * 5 / 8));
        if (s.from != null) {
            out.println("going on from " + file + ", epoch " + (training.epoch() + 1) + ", step " + training.step());
            if (training.epoch() < s.recipe.epochs() && training.learningRate(training.step()) == 0) {
                out.println(
                        "note: the learning rate has fallen to 0 as planned, so nothing more will be learned; to train"
                                + " longer, begin anew with more --epochs");
            }
        }
        out.flush();
    }

    /** Draws the curves after each epoch. A picture is not worth losing a training for: without fonts there is none. */
    private static Callback drawing(Path file, PrintWriter out) {
        return new Callback() {
            private boolean failed;

            @Override
            public void onEpochEnd(Training<?> training, History history) {
                try {
                    if (!failed) {
                        Curves.write(history, file);
                    }
                } catch (RuntimeException | LinkageError | InternalError e) {
                    failed = true;
                    out.println("note: " + file + " could not be drawn (" + e + "); history.csv has the numbers");
                }
            }
        };
    }

    /** Makes a folder. Returns what is new of its path, innermost first. */
    private static List<Path> create(Path folder) {
        var made = new ArrayList<Path>();
        for (Path p = folder.toAbsolutePath(); p != null && !Files.exists(p); p = p.getParent()) {
            made.add(p);
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new FileException("cannot make folder " + folder + ": " + FileException.reason(e), e);
        }
        if (!Files.isWritable(folder)) {
            throw new FileException("folder " + folder + " cannot be written to");
        }
        return made;
    }

    private static void deleteIfEmpty(Path folder) {
        try {
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // not empty: what is in it is a finished epoch
        }
    }
}
