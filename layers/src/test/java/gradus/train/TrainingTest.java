package gradus.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.layers.Activation;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Dropout;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.Model;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingTest {
    static final List<Metric> ACCURACY = List.of(new Metric.Accuracy());
    static final Precision F32 = Precision.FLOAT32;

    static Backend<?> reference(Precision precision) {
        return Backends.open("reference", new Options(1, precision));
    }

    /** Convolution, batch norm, dropout and a softmax: everything that makes training different from inference. */
    static Model convolutional(long seed) {
        var x = Input.of(6, 6, 1);
        var y = x.then(Conv2D.of(8, 3).same())
                .then(BatchNormalization.of().momentum(0.9))
                .then(Activation.relu())
                .then(GlobalAveragePooling2D.of())
                .then(Dropout.of(0.1))
                .then(Dense.of(3).activation("softmax"));
        Model model = Model.of("small", x, y);
        model.initialize(seed, DType.F32);
        return model;
    }

    /** One weight matrix from 2 inputs to 2 logits, all 0. */
    static Model linear() {
        var x = Input.of(2);
        Model model = Model.of("linear", x, x.then(Dense.of(2)));
        model.setWeights(Map.of(
                "dense/kernel",
                Tensor.zeros(DType.F64, Shape.of(2, 2)),
                "dense/bias",
                Tensor.zeros(DType.F64, Shape.of(2))));
        return model;
    }

    /** Batches that are given. */
    record Given(List<Batch> batches) implements DataSource {
        @Override
        public int size() {
            return batches.stream().mapToInt(Batch::size).sum();
        }

        @Override
        public int batchSize() {
            return batches.get(0).size();
        }

        @Override
        public Iterable<Batch> epoch(int epoch) {
            return batches;
        }
    }

    static Training<?> training(Model model, Backend<?> backend) {
        return Training.compile(model, Adam.of(0.02), SparseCategoricalCrossentropy.of(), ACCURACY, backend);
    }

    @Test
    void learnsWhatCanBeLearned() {
        Model model = convolutional(1);
        var training = training(model, reference(F32));
        History history = training.fit(Samples.of(50, 16, 3), Samples.of(21, 8, 4), FitOptions.of(40));
        assertEquals(40, history.epochs().size());
        assertEquals(
                List.of("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"),
                List.copyOf(history.last().values().keySet()));
        var evaluation = training.evaluate(Samples.of(50, 16, 3));
        assertEquals(1, evaluation.accuracy());
        assertEquals(50, evaluation.samples());
        assertEquals(17, evaluation.confusion().count(0, 0));
        assertTrue(history.last().values().get("val_accuracy") > 0.9);
        // the model, on its own, predicts what the training does
        Batch batch = Samples.of(21, 8, 4).all();
        Tensor mine = training.predict(batch.x());
        Tensor its = model.predict(batch.x());
        for (int i = 0; i < mine.size(); i++) {
            assertEquals(mine.get(i), its.get(i), 1e-5);
        }
        assertEquals(mine, training.predict(new Samples(Samples.of(21, 8, 4).x(), new int[21], 3, 5, -1)));
    }

    /** Mean of squares of all numbers; it knows nothing of logits. */
    private record Squares() implements Loss {
        @Override
        public Value perSample(Builder b, Value prediction, Value target) {
            Value d = b.subtract(prediction, target);
            return b.scale(
                    b.sum(b.multiply(d, d), 1, 2), 1.0 / prediction.shape().dim(1));
        }

        @Override
        public String name() {
            return "squares";
        }
    }

    /** A loss that cannot take logits is given what the model predicts, a half each; of the logits it would be 6.5. */
    @Test
    void aLossOfTheCallersOwnIsOfThePrediction() {
        var x = Input.of(2);
        Model model = Model.of("soft", x, x.then(Dense.of(2).activation("softmax")));
        model.setWeights(Map.of(
                "dense/kernel",
                Tensor.zeros(DType.F64, Shape.of(2, 2)),
                "dense/bias",
                Tensor.full(DType.F64, Shape.of(2), 3)));
        var training = Training.compile(model, Sgd.of(0), new Squares(), List.of(), reference(Precision.FLOAT64));
        var batch = new Batch(Tensor.zeros(DType.F64, Shape.of(1, 2)), Tensor.of(Shape.of(1, 2), 1.0, 0.0), null);
        assertEquals(0.25, training.trainOnBatch(batch), 1e-15);
        assertEquals(0.25, training.evaluate(new Given(List.of(batch))).loss(), 1e-15);
    }

    /** Targets of such a loss need not be classes; an evaluation then has no confusion matrix. */
    @Test
    void targetsThatAreNoClasses() {
        var x = Input.of(2);
        Model model = Model.of("regression", x, x.then(Dense.of(1)));
        var training = Training.compile(model, Sgd.of(0.1), new Squares(), List.of(), reference(Precision.FLOAT64));
        var y = Tensor.of(Shape.of(3, 1), 2.0, 3.5, -1.0);
        var data = new Given(List.of(new Batch(Tensor.zeros(DType.F64, Shape.of(3, 2)), y, null)));
        training.fit(data, data, FitOptions.of(1));
        assertEquals(null, training.evaluate(data).confusion());
    }

    /** Keras's val_loss has the penalties too. */
    @Test
    void evaluationCountsPenalties() {
        var x = Input.of(2);
        Model model = Model.of("l2", x, x.then(Dense.of(2).l2(0.5)));
        model.setWeights(Map.of(
                "dense/kernel",
                Tensor.full(DType.F64, Shape.of(2, 2), 2),
                "dense/bias",
                Tensor.zeros(DType.F64, Shape.of(2))));
        var training = Training.compile(
                model,
                Sgd.of(0),
                SparseCategoricalCrossentropy.of().fromLogits(),
                List.of(),
                reference(Precision.FLOAT64));
        var batch = new Batch(Tensor.zeros(DType.F64, Shape.of(1, 2)), Tensor.of(Shape.of(1), 1.0), null);
        double expected = Math.log(2) + 0.5 * 4 * 4;
        assertEquals(expected, training.trainOnBatch(batch), 1e-12);
        assertEquals(expected, training.evaluate(new Given(List.of(batch))).loss(), 1e-12);
        model.trainable(false);
        assertEquals(
                Math.log(2),
                Training.compile(model, Sgd.of(0), training.loss(), List.of(), reference(Precision.FLOAT64))
                        .evaluate(new Given(List.of(batch)))
                        .loss(),
                1e-12);
    }

    /** Steps outside of fit count as steps, but are no part of an epoch. */
    @Test
    void trainOnBatchTakesNothingFromFit() {
        var training = training(convolutional(1), reference(F32));
        var data = Samples.of(10, 4, 1);
        for (int i = 0; i < 5; i++) {
            training.trainOnBatch(data.all());
        }
        training.fit(data, null, FitOptions.of(1));
        assertEquals(5 + 3, training.step());
        assertEquals(1, training.epoch());
        var nan =
                new Batch(Tensor.full(DType.F32, Shape.of(1, 6, 6, 1), Double.NaN), Tensor.of(Shape.of(1), 0.0), null);
        assertThrows(TrainingException.class, () -> training.trainOnBatch(nan));
        var e = assertThrows(TrainingException.class, () -> training.trainOnBatch(data.all()));
        assertTrue(e.getMessage().contains("compile the model again"), e.getMessage());
    }

    /** Layers that can compute with pictures of another size do. */
    @Test
    void predictsPicturesOfAnotherSize() {
        var x = Input.of(4, 4, 1);
        Model model = Model.of("same", x, x.then(Conv2D.of(1, 1).named("c")));
        model.setWeight("c/kernel", Tensor.full(DType.F32, Shape.of(1, 1, 1, 1), 1));
        var training = training(model, reference(Precision.FLOAT64));
        for (int size : new int[] {2, 6}) {
            Tensor p = Tensor.full(DType.F64, Shape.of(40, size, size, 1), 7);
            assertEquals(p, training.predict(p));
        }
        assertEquals(
                Shape.of(0, 4, 4, 1),
                training.predict(Tensor.zeros(DType.F32, Shape.of(0, 4, 4, 1))).shape());
        var mixed = new Given(List.of(
                new Batch(Tensor.zeros(DType.F32, Shape.of(1, 2, 2, 1)), Tensor.scalar(0), null),
                new Batch(Tensor.zeros(DType.F32, Shape.of(1, 3, 3, 1)), Tensor.scalar(0), null)));
        assertThrows(ShapeException.class, () -> training.predict(mixed));
    }

    @Test
    void fusedIsAsUnfused() {
        var backend = reference(Precision.FLOAT64);
        Model fused = convolutional(1);
        Model plain = convolutional(1);
        training(fused, backend).fit(Samples.of(20, 8, 3), null, FitOptions.of(2));
        training(plain, backend).fused(false).fit(Samples.of(20, 8, 3), null, FitOptions.of(2));
        plain.weights()
                .forEach((name, expected) ->
                        assertArrayEquals(expected.doubles(), fused.weight(name).doubles(), 1e-9, name));
        assertEquals(DType.F64, fused.weight("dense/kernel").dtype());
    }

    /** Logits are 0, so each class has probability 1/2: the derivative of the bias is the mean of w (1/2 - t). */
    @Test
    void weightsOfSamplesAndClasses() {
        var x = Tensor.of(Shape.of(4, 2), new double[8]);
        var y = Tensor.of(Shape.of(4), 0.0, 0.0, 1.0, 1.0);
        var loss = SparseCategoricalCrossentropy.of().fromLogits();
        var weighted = new Given(List.of(new Batch(x, y, Tensor.of(Shape.of(4), 1.0, 2.0, 3.0, 0.0))));
        Model model = linear();
        var training = Training.compile(model, Sgd.of(1.0), loss, ACCURACY, reference(Precision.FLOAT64));
        double value =
                training.fit(weighted, null, FitOptions.of(1)).last().values().get("loss");
        assertEquals(6 * Math.log(2) / 4, value, 1e-15);
        assertArrayEquals(new double[] {0, 0}, model.weight("dense/bias").doubles(), 1e-15); // (1 + 2 - 3) / 2 / 4

        model = linear();
        training = Training.compile(model, Sgd.of(1.0), loss, ACCURACY, reference(Precision.FLOAT64));
        value = training.fit(weighted, null, FitOptions.of(1).classWeights(Map.of(1, 5.0)))
                .last()
                .values()
                .get("loss");
        assertEquals(18 * Math.log(2) / 4, value, 1e-15);
        // class 0: weights 1, 2; class 1: 3 * 5, 0; bias moves by the mean of w (t - 1/2)
        assertArrayEquals(new double[] {-1.5, 1.5}, model.weight("dense/bias").doubles(), 1e-15);

        assertEquals(
                Math.log(2),
                Training.compile(linear(), Sgd.of(1.0), loss, ACCURACY, reference(Precision.FLOAT64))
                        .evaluate(new Given(List.of(new Batch(x, y, null))))
                        .loss(),
                1e-15);
    }

    /** The losses of batches of different sizes count by their samples. */
    @Test
    void epochLossIsTheMeanOverSamples() {
        var loss = SparseCategoricalCrossentropy.of().fromLogits();
        var a = new Batch(Tensor.of(Shape.of(1, 2), 1.0, 0), Tensor.of(Shape.of(1), 0.0), Tensor.of(Shape.of(1), 4.0));
        var b = new Batch(
                Tensor.of(Shape.of(3, 2), new double[6]),
                Tensor.of(Shape.of(3), 0.0, 1, 1),
                Tensor.of(Shape.of(3), 0.0, 0, 0));
        var training = Training.compile(linear(), Sgd.of(0.0), loss, ACCURACY, reference(Precision.FLOAT64));
        var values = training.fit(new Given(List.of(a, b)), null, FitOptions.of(1))
                .last()
                .values();
        assertEquals(Math.log(2), values.get("loss"), 1e-15);
        assertEquals(0.5, values.get("accuracy")); // of equal logits the first counts: right for two of four
    }

    @Test
    void penaltiesAreOfTheLossAndOfTheGradient() {
        var x = Input.of(1);
        Model model = Model.of("m", x, x.then(Dense.of(2).l2(0.5).bias(false)));
        model.setWeights(Map.of("dense/kernel", Tensor.of(Shape.of(1, 2), 3.0, 0.0)));
        var data = new Given(List.of(new Batch(Tensor.of(Shape.of(1, 1), 0.0), Tensor.of(Shape.of(1), 0.0), null)));
        var training = Training.compile(
                model,
                Sgd.of(0.1),
                SparseCategoricalCrossentropy.of().fromLogits(),
                ACCURACY,
                reference(Precision.FLOAT64));
        double loss = training.fit(data, null, FitOptions.of(1)).last().values().get("loss");
        assertEquals(Math.log(2) + 0.5 * 9, loss, 1e-14);
        assertArrayEquals(
                new double[] {3 - 0.1 * 2 * 0.5 * 3, 0},
                model.weight("dense/kernel").doubles(),
                1e-15);
    }

    /**
     * A softmax at the end: the loss of its probabilities is computed from the logits, exact where float32 rounds to 0.
     */
    @Test
    void logitsAreTakenFromBeforeASoftmax() {
        var x = Input.of(2);
        Model model = Model.of("m", x, x.then(Activation.of("linear")));
        Model direct = Model.of("d", x, x.then(Activation.of("softmax")));
        var data = new Given(List.of(new Batch(Tensor.of(Shape.of(1, 2), 0f, 200f), Tensor.of(Shape.of(1), 0f), null)));
        var loss = SparseCategoricalCrossentropy.of();
        assertEquals(
                200,
                Training.compile(direct, Sgd.of(0.1), loss, ACCURACY, reference(F32))
                        .evaluate(data)
                        .loss(),
                1e-4);
        var rounded =
                new Given(List.of(new Batch(Tensor.of(Shape.of(1, 2), 0f, 1f), Tensor.of(Shape.of(1), 0f), null)));
        assertEquals(
                -Math.log(1e-7), // what clipping leaves
                Training.compile(model, Sgd.of(0.1), loss, ACCURACY, reference(F32))
                        .evaluate(rounded)
                        .loss(),
                1e-4);
        var e = assertThrows(
                TrainingException.class,
                () -> Training.compile(direct, Sgd.of(0.1), loss, ACCURACY, reference(F32))
                        .fit(data, null, FitOptions.of(1)));
        assertTrue(e.getMessage().contains("nothing to train"), e.getMessage());
    }

    @Test
    void aLossThatIsNoNumberEndsTraining() {
        var good = new Batch(Tensor.of(Shape.of(1, 2), 1f, 0f), Tensor.of(Shape.of(1), 0f), null);
        var bad = new Batch(Tensor.of(Shape.of(1, 2), Float.NaN, 0f), Tensor.of(Shape.of(1), 0f), null);
        Model model = linear();
        Tensor before = model.weight("dense/bias");
        var training = Training.compile(
                model, Sgd.of(0.25), SparseCategoricalCrossentropy.of().fromLogits(), ACCURACY, reference(F32));
        var data = new Given(List.of(good, good, bad));
        var e = assertThrows(TrainingException.class, () -> training.fit(data, null, FitOptions.of(5)));
        for (String part : List.of("epoch 1", "batch 3", "step 3", "NaN", "0.25", "lower learning rate")) {
            assertTrue(e.getMessage().contains(part), part + " in: " + e.getMessage());
        }
        assertEquals(before, model.weight("dense/bias"));
        assertTrue(Double.isFinite(training.evaluate(new Given(List.of(good))).loss()));
        assertThrows(TrainingException.class, () -> training.fit(data, null, FitOptions.of(6)));
    }

    @Test
    void labelsAndShapesAreChecked() {
        var training = training(convolutional(1), reference(F32));
        var x = Tensor.zeros(DType.F32, Shape.of(2, 6, 6, 1));
        for (float label : new float[] {3, -1, 0.5f, Float.NaN}) {
            var data = new Given(List.of(new Batch(x, Tensor.of(Shape.of(2), 0f, label), null)));
            var e = assertThrows(TrainingException.class, () -> training.fit(data, null, FitOptions.of(1)));
            assertTrue(e.getMessage().contains("classes 0 to 2"), e.getMessage());
        }
        var wrong = new Given(List.of(
                new Batch(Tensor.zeros(DType.F32, Shape.of(2, 5, 6, 1)), Tensor.of(Shape.of(2), 0f, 1f), null)));
        var e = assertThrows(TrainingException.class, () -> training.evaluate(wrong));
        assertTrue(e.getMessage().contains("(5, 6, 1)") && e.getMessage().contains("(6, 6, 1)"), e.getMessage());
    }

    @Test
    void distributionsAsTargets() {
        Samples samples = Samples.of(12, 4, 3);
        var batches = new ArrayList<Batch>();
        for (Batch b : samples.epoch(0)) {
            var t = new float[b.size() * 3];
            for (int i = 0; i < b.size(); i++) {
                t[i * 3 + (int) b.y().get(i)] = 1;
            }
            batches.add(new Batch(b.x(), Tensor.of(Shape.of(b.size(), 3), t), null));
        }
        Model a = convolutional(1);
        Model b = convolutional(1);
        Training.compile(a, Adam.of(), CategoricalCrossentropy.of(), ACCURACY, reference(F32))
                .fit(new Given(batches), null, FitOptions.of(1));
        Training.compile(b, Adam.of(), SparseCategoricalCrossentropy.of(), ACCURACY, reference(F32))
                .fit(samples, null, FitOptions.of(1));
        assertEquals(a.weights(), b.weights());
    }

    @Test
    void topK() {
        var p = Tensor.of(Shape.of(3, 4), 0.1f, 0.2f, 0.3f, 0.4f, 0.4f, 0.3f, 0.2f, 0.1f, 0.25f, 0.25f, 0.25f, 0.25f);
        var y = Tensor.of(Shape.of(3), 2f, 2f, 3f);
        assertEquals(0, new Metric.Accuracy().sum(p, y));
        assertEquals(2, new Metric.TopK(2).sum(p, y)); // of equal predictions none is larger
        assertEquals(3, new Metric.TopK(3).sum(p, y));
        assertEquals("top_5_accuracy", new Metric.TopK(5).name());
        var nan = Tensor.of(Shape.of(1, 2), Float.NaN, 0f);
        assertEquals(0, new Metric.TopK(2).sum(nan, Tensor.of(Shape.of(1), 0f)));
    }

    /** Of more samples than are predicted together each gets its own prediction. */
    @Test
    void predictsManySamplesInOrder() {
        var x = Input.of(2);
        Model model = Model.of("sum", x, x.then(Dense.of(1).named("d")));
        model.setWeight("d/kernel", Tensor.full(DType.F64, Shape.of(2, 1), 1));
        model.setWeight("d/bias", Tensor.zeros(DType.F64, Shape.of(1)));
        var samples = new double[2 * 75];
        for (int i = 0; i < samples.length; i++) {
            samples[i] = i;
        }
        Tensor y = training(model, reference(Precision.FLOAT64)).predict(Tensor.of(Shape.of(75, 2), samples));
        for (int i = 0; i < 75; i++) {
            assertEquals(4 * i + 1, y.get(i));
        }
    }

    /** The epochs begin where they are told to, the steps go on; each epoch's learning rate is that of its last step. */
    @Test
    void epochsCanBeginElsewhere() {
        var schedule = Schedule.steps(List.of(2L, 5L), List.of(0.1, 0.01, 0.001));
        var training = Training.compile(
                convolutional(1), Sgd.of(schedule), SparseCategoricalCrossentropy.of(), ACCURACY, reference(F32));
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(1)); // 2 steps
        History h = training.fit(Samples.of(8, 4, 1), null, FitOptions.of(7).initialEpoch(5)); // 4 more
        assertEquals(
                List.of(0, 5, 6), h.epochs().stream().map(History.Epoch::number).toList());
        assertEquals(6, training.step());
        assertEquals(List.of(schedule.at(1), schedule.at(3), schedule.at(5)), h.values("learning_rate"));
        var none = new Given(List.of());
        var e = assertThrows(TrainingException.class, () -> training.fit(none, null, FitOptions.of(8)));
        assertTrue(e.getMessage().contains("no samples"), e.getMessage());
    }

    /** Weights that are set, as by EarlyStopping in the end, are those that are evaluated, averages or not. */
    @Test
    void weightsThatAreSetAreEvaluated() {
        var training = Training.compile(
                convolutional(1),
                Adam.of(0.02).average(0.9),
                SparseCategoricalCrossentropy.of(),
                ACCURACY,
                reference(F32));
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(3));
        Map<String, Tensor> other = convolutional(2).weights();
        training.setWeights(other);
        assertEquals(other, training.weights());
        double expected = training(convolutional(2), reference(F32))
                .evaluate(Samples.of(8, 4, 2))
                .loss();
        assertEquals(expected, training.evaluate(Samples.of(8, 4, 2)).loss());
    }

    @Test
    void confusion() {
        var m = new ConfusionMatrix(2);
        m.add(Tensor.of(Shape.of(3, 2), 1f, 0f, 0f, 1f, 0f, 1f), Tensor.of(Shape.of(3), 0f, 0f, 1f));
        assertEquals(1, m.count(0, 1));
        assertEquals(0.5, m.recall(0));
        assertEquals(0.5, m.precision(1));
        assertTrue(Double.isNaN(new ConfusionMatrix(2).recall(0)));
        assertEquals(3, m.table(List.of("cat", "dog")).lines().count());
    }

    // ---- the same again ----

    private static byte[] trained(Backend<?> backend, Path file) throws Exception {
        var training = training(convolutional(7), backend);
        training.fit(Samples.of(40, 16, 5), Samples.of(9, 4, 6), FitOptions.of(3));
        Checkpoint.of(training).save(file);
        return Files.readAllBytes(file);
    }

    @Test
    void equalRunsGiveEqualFiles(@TempDir Path folder) throws Exception {
        byte[] first = trained(reference(F32), folder.resolve("a"));
        assertArrayEquals(first, trained(reference(F32), folder.resolve("b")));
    }

    @Test
    void anyNumberOfThreadsGivesTheSameFile(@TempDir Path folder) throws Exception {
        try (var one = Backends.open("auto", new Options(1, F32));
                var two = Backends.open("auto", new Options(2, F32));
                var five = Backends.open("auto", new Options(5, F32))) {
            byte[] first = trained(one, folder.resolve("1"));
            assertArrayEquals(first, trained(two, folder.resolve("2")));
            assertArrayEquals(first, trained(five, folder.resolve("5")));
        }
    }

    @Test
    void goingOnFromAFileIsAsNeverHavingStopped(@TempDir Path folder) throws Exception {
        for (Optimizer optimizer : List.of(
                Adam.of(Schedule.cosine(0.02, 9).warmUp(2)),
                Sgd.of(0.05).momentum(0.9).nesterov(true).weightDecay(WeightDecay.ofKernels(1e-3)),
                RmsProp.of(0.01).momentum(0.5).centered(true),
                AdamW.of(0.01).average(0.9).clipping(new Clipping.ByGlobalNorm(1)))) {
            Path straight = folder.resolve("straight");
            Path stopped = folder.resolve("stopped");
            Path resumed = folder.resolve("resumed");
            var validation = Samples.of(9, 4, 6);
            var data = Samples.of(40, 16, 5);
            var a = Training.compile(
                    convolutional(7), optimizer, SparseCategoricalCrossentropy.of(), ACCURACY, reference(F32));
            a.fit(data, validation, FitOptions.of(3));
            Checkpoint.of(a).with("labels", "[\"a\",\"b\",\"c\"]").save(straight);

            var b = Training.compile(
                    convolutional(7), optimizer, SparseCategoricalCrossentropy.of(), ACCURACY, reference(F32));
            b.fit(data, validation, FitOptions.of(1));
            Checkpoint.of(b).save(stopped);
            var c = Checkpoint.load(stopped).resume(reference(F32));
            c.fit(data, validation, FitOptions.of(3));
            Checkpoint.of(c).with("labels", "[\"a\",\"b\",\"c\"]").save(resumed);
            assertArrayEquals(Files.readAllBytes(straight), Files.readAllBytes(resumed), optimizer.toString());
            assertEquals(a.model().weights(), c.model().weights());
        }
    }

    @Test
    void stoppedInTheMiddleOfAnEpoch(@TempDir Path folder) throws Exception {
        Path straight = folder.resolve("straight");
        Path part = folder.resolve("part");
        var data = Samples.of(40, 8, 5);
        var validation = Samples.of(9, 4, 6);
        var a = training(convolutional(7), reference(F32));
        a.fit(data, validation, FitOptions.of(2));
        Checkpoint.of(a).save(straight);
        for (int stopAt = 1; stopAt <= 10; stopAt++) {
            long at = stopAt;
            Callback stopper = new Callback() {
                @Override
                public void onBatchEnd(Training<?> training, Progress progress) {
                    if (progress.step() == at) {
                        training.stop();
                    }
                }
            };
            var b = training(convolutional(7), reference(F32));
            History history = b.fit(data, validation, FitOptions.of(2).callbacks(stopper));
            assertTrue(history.stopped());
            assertEquals(stopAt, b.step());
            Checkpoint.of(b).save(part);
            var c = Checkpoint.load(part).resume(reference(F32));
            assertFalse(c.fit(data, validation, FitOptions.of(2)).stopped());
            Checkpoint.of(c).save(part);
            assertArrayEquals(Files.readAllBytes(straight), Files.readAllBytes(part), "stopped after step " + stopAt);
            // and without a file in between
            b.fit(data, validation, FitOptions.of(2));
            assertEquals(a.model().weights(), b.model().weights());
        }
    }

    @Test
    void anotherSeedIsAnotherTraining() {
        Model a = convolutional(1);
        Model b = convolutional(2);
        training(a, reference(F32)).fit(Samples.of(10, 4, 1), null, FitOptions.of(1));
        training(b, reference(F32)).fit(Samples.of(10, 4, 1), null, FitOptions.of(1));
        assertNotEquals(a.weights(), b.weights());
    }

    @Test
    void averagesAreWhatEvaluationAndTheModelUse() {
        var optimizer = Sgd.of(0.5).average(0.5);
        Model model = linear();
        var batch = new Batch(Tensor.of(Shape.of(1, 2), 0.0, 0.0), Tensor.of(Shape.of(1), 0.0), null);
        var training = Training.compile(
                model,
                optimizer,
                SparseCategoricalCrossentropy.of().fromLogits(),
                ACCURACY,
                reference(Precision.FLOAT64));
        training.fit(new Given(List.of(batch, batch)), null, FitOptions.of(1));
        double first = 0.25; // the bias moves by lr (1 - p)
        double p = 1 / (1 + Math.exp(-2 * first));
        double second = first + 0.5 * (1 - p);
        double average = (first + second) / 2;
        assertEquals(average, model.weight("dense/bias").get(0), 1e-15);
        assertEquals(
                Math.log(1 + Math.exp(-2 * average)),
                training.evaluate(new Given(List.of(batch))).loss(),
                1e-15);
        assertEquals(second, training.state().get("optimizer/raw/dense/bias").get(0), 1e-15);
    }

    @Test
    void frozenLayersStayAsTheyAre() {
        Model model = convolutional(1);
        model.trainable("conv2d", false);
        model.trainable("batch_normalization", false);
        Map<String, Tensor> before = model.weights();
        training(model, reference(F32)).fit(Samples.of(10, 4, 1), null, FitOptions.of(1));
        assertEquals(before.get("conv2d/kernel"), model.weight("conv2d/kernel"));
        assertEquals(before.get("batch_normalization/moving_mean"), model.weight("batch_normalization/moving_mean"));
        assertNotEquals(before.get("dense/kernel"), model.weight("dense/kernel"));
    }

    @Test
    void weightsSetBetweenTwoFitsAreUsed() {
        Model model = linear();
        var batch = new Batch(Tensor.of(Shape.of(1, 2), 0.0, 0.0), Tensor.of(Shape.of(1), 0.0), null);
        var data = new Given(List.of(batch));
        var training = Training.compile(
                model,
                Sgd.of(1.0),
                SparseCategoricalCrossentropy.of().fromLogits(),
                ACCURACY,
                reference(Precision.FLOAT64));
        training.fit(data, null, FitOptions.of(1));
        assertEquals(0.5, model.weight("dense/bias").get(0), 1e-15);
        model.setWeight("dense/bias", Tensor.of(Shape.of(2), 0.0, 0.0));
        assertEquals(Math.log(2), training.evaluate(data).loss(), 1e-15);
        training.fit(data, null, FitOptions.of(2));
        assertEquals(0.5, model.weight("dense/bias").get(0), 1e-15);
    }
}
