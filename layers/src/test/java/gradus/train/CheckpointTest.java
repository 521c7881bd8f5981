package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.layers.config.Fields;
import gradus.op.Builder;
import gradus.op.OneHot;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
    @TempDir
    Path folder;

    private Path saved() {
        Path file = folder.resolve("model.safetensors");
        var training = TrainingTest.training(TrainingTest.convolutional(3), TrainingTest.reference(TrainingTest.F32));
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(1));
        Checkpoint.of(training)
                .withLabels(List.of("row", "column", "diagonal"))
                .with("preprocessing", "{}")
                .save(file);
        return file;
    }

    @Test
    void everythingComesBack() {
        var checkpoint = Checkpoint.load(saved());
        assertEquals(List.of("row", "column", "diagonal"), checkpoint.labels());
        assertEquals("{}", checkpoint.metadata().get(Checkpoint.PREPROCESSING));
        assertEquals(Adam.of(0.02), checkpoint.optimizer());
        assertTrue(checkpoint.hasTraining());
        assertEquals(1, checkpoint.history().epochs().size());
        assertEquals(
                List.of("loss", "accuracy", "learning_rate"),
                List.copyOf(checkpoint.history().last().values().keySet()));
        var training = checkpoint.resume(TrainingTest.reference(TrainingTest.F32));
        assertEquals(1, training.epoch());
        assertEquals(2, training.step());
        assertEquals(3, training.model().seed());
        assertEquals(SparseCategoricalCrossentropy.of(), training.loss());
        assertEquals(TrainingTest.ACCURACY, training.metrics());
        assertEquals(checkpoint.model().config(), TrainingTest.convolutional(3).config());
    }

    /** What callbacks have made of the learning rate is there again, and the next step is taken with it. */
    @Test
    void theLearningRateComesBack() {
        var training = TrainingTest.training(TrainingTest.convolutional(3), TrainingTest.reference(TrainingTest.F32));
        training.learningRateFactor(0.25);
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(1));
        Path file = folder.resolve("factor.safetensors");
        Checkpoint.of(training).save(file);
        var resumed = Checkpoint.load(file).resume(TrainingTest.reference(TrainingTest.F32));
        assertEquals(0.25, resumed.learningRateFactor());
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(2));
        resumed.fit(Samples.of(8, 4, 1), null, FitOptions.of(2));
        assertEquals(training.weights(), resumed.weights());
        assertEquals(0.25 * 0.02, resumed.history().last().values().get("learning_rate"));
    }

    @Test
    void withoutTrainingItPredictsTheSame() {
        var whole = Checkpoint.load(saved());
        Path small = folder.resolve("small.safetensors");
        whole.withoutTraining().save(small);
        var checkpoint = Checkpoint.load(small);
        assertFalse(checkpoint.hasTraining());
        assertEquals(whole.model().weights(), checkpoint.model().weights());
        assertTrue(checkpoint.tensors().keySet().stream().noneMatch(n -> n.startsWith("optimizer/")));
        assertEquals(
                Set.of("format", "architecture", "labels", "preprocessing", "history"),
                checkpoint.metadata().keySet());
        assertThrows(FormatException.class, () -> checkpoint.resume(TrainingTest.reference(TrainingTest.F32)));
        Batch batch = Samples.of(4, 4, 2).all();
        assertEquals(whole.model().predict(batch.x()), checkpoint.model().predict(batch.x()));
    }

    @Test
    void aModelThatWasNeverTrained() {
        Path file = folder.resolve("fresh.safetensors");
        var model = TrainingTest.convolutional(1);
        Checkpoint.of(model).save(file);
        assertEquals(model.weights(), Checkpoint.load(file).model().weights());
        assertEquals(List.of(), Checkpoint.load(file).labels());
    }

    /** A loss that is not one of Gradus's own. */
    private record Distance() implements Loss {
        @Override
        public Value perSample(Builder b, Value prediction, Value target) {
            Value d =
                    b.subtract(prediction, b.apply(new OneHot(prediction.shape().dim(1)), target));
            return b.sum(b.multiply(d, d), 1, 2);
        }

        @Override
        public String name() {
            return "distance";
        }
    }

    @Test
    void aLossOfTheCallersOwnMustBeGivenAgain() {
        Path file = folder.resolve("own.safetensors");
        var backend = TrainingTest.reference(TrainingTest.F32);
        var training = Training.compile(
                TrainingTest.convolutional(1), Adam.of(), new Distance(), TrainingTest.ACCURACY, backend);
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(1));
        Checkpoint.of(training).save(file);
        var checkpoint = Checkpoint.load(file);
        var e = assertThrows(FormatException.class, () -> checkpoint.resume(backend));
        assertTrue(e.getMessage().contains("'loss' is missing"), e.getMessage());
        assertEquals(
                2,
                checkpoint
                        .resume(new Distance(), TrainingTest.ACCURACY, backend)
                        .step());
        assertThrows(FormatException.class, () -> checkpoint.resume(new Distance(), List.of(), backend));
    }

    @Test
    void everySettingComesBack() {
        var schedule = Schedule.steps(List.of(3L), List.of(0.1, 0.01))
                .then(5, Schedule.exponential(1, 2, 0.5).times(3))
                .then(
                        7,
                        Schedule.oneCycle(0.1, 10)
                                .then(2, Schedule.cosine(1e-3, 20).warmUp(4)));
        for (Optimizer o : List.of(
                Sgd.of(schedule).momentum(0.9).nesterov(true).clipping(new Clipping.ByValue(1)),
                RmsProp.of(1e-4).rho(0.8).epsilon(1e-5).centered(true).clipping(new Clipping.ByNorm(2)),
                Adam.of().betas(0.8, 0.99).average(0.999).clipping(new Clipping.ByGlobalNorm(3)),
                AdamW.of().weightDecay(WeightDecay.ofKernels(1e-4)))) {
            Object back = Json.parse(Json.write(RecordConfig.write(o)));
            assertEquals(o, Fields.of(back, "optimizer").read(RecordConfig::optimizer));
        }
        for (Loss l : List.of(
                CategoricalCrossentropy.of().labelSmoothing(0.1),
                SparseCategoricalCrossentropy.of().fromLogits())) {
            Object back = Json.parse(Json.write(RecordConfig.write(l)));
            assertEquals(l, Fields.of(back, "loss").read(RecordConfig::loss));
        }
        assertThrows(TrainingException.class, () -> RecordConfig.write(new Distance()));
    }

    /** The text of every record: files written once are read for ever. */
    @Test
    void everyRecordIsWrittenAsBefore() {
        String tail = "\"weightDecay\":{\"type\":\"WeightDecay\",\"rate\":0.5,\"except\":[\"a\",\"b\"]},\"clipping\":";
        var decay = WeightDecay.of(0.5).except("a", "b");
        var one = new Schedule.Constant(1);
        String rate = "\"learningRate\":{\"type\":\"Constant\",\"rate\":1.0},";
        written(
                new Sgd(one, 0.25, true, decay, new Clipping.None(), 0.75),
                "{\"type\":\"Sgd\"," + rate + "\"momentum\":0.25,\"nesterov\":true," + tail
                        + "{\"type\":\"None\"},\"average\":0.75}",
                RecordConfig::optimizer);
        written(
                new RmsProp(one, 0.125, 0.25, 0.5, true, decay, new Clipping.ByValue(2), 0.75),
                "{\"type\":\"RmsProp\"," + rate
                        + "\"rho\":0.125,\"momentum\":0.25,\"epsilon\":0.5,\"centered\":true," + tail
                        + "{\"type\":\"ByValue\",\"limit\":2.0},\"average\":0.75}",
                RecordConfig::optimizer);
        written(
                new Adam(one, 0.125, 0.25, 0.5, decay, new Clipping.ByNorm(3), 0.75),
                "{\"type\":\"Adam\"," + rate + "\"beta1\":0.125,\"beta2\":0.25,\"epsilon\":0.5," + tail
                        + "{\"type\":\"ByNorm\",\"limit\":3.0},\"average\":0.75}",
                RecordConfig::optimizer);
        written(
                new AdamW(one, 0.125, 0.25, 0.5, decay, new Clipping.ByGlobalNorm(4), 0.75),
                "{\"type\":\"AdamW\"," + rate + "\"beta1\":0.125,\"beta2\":0.25,\"epsilon\":0.5," + tail
                        + "{\"type\":\"ByGlobalNorm\",\"limit\":4.0},\"average\":0.75}",
                RecordConfig::optimizer);
        Map<Schedule, String> schedules = Map.of(
                new Schedule.Steps(List.of(3L), List.of(0.5, 0.25)),
                "\"Steps\",\"boundaries\":[3],\"values\":[0.5,0.25]",
                new Schedule.Exponential(0.5, 7, 0.25, true),
                "\"Exponential\",\"rate\":0.5,\"steps\":7,\"factor\":0.25,\"staircase\":true",
                new Schedule.Cosine(0.5, 7, 0.25),
                "\"Cosine\",\"rate\":0.5,\"steps\":7,\"alpha\":0.25",
                new Schedule.OneCycle(0.5, 7, 0.25, 3, 4),
                "\"OneCycle\",\"peak\":0.5,\"steps\":7,\"rise\":0.25,\"start\":3.0,\"end\":4.0",
                new Schedule.WarmUp(one, 7, 0.25),
                "\"WarmUp\",\"next\":{\"type\":\"Constant\",\"rate\":1.0},\"steps\":7,\"from\":0.25",
                new Schedule.Sequence(one, 7, new Schedule.Constant(2)),
                "\"Sequence\",\"first\":{\"type\":\"Constant\",\"rate\":1.0},\"steps\":7,"
                        + "\"next\":{\"type\":\"Constant\",\"rate\":2.0}",
                new Schedule.Scaled(one, Double.POSITIVE_INFINITY),
                "\"Scaled\",\"of\":{\"type\":\"Constant\",\"rate\":1.0},\"factor\":\"Infinity\"");
        schedules.forEach((schedule, text) -> {
            String json = Json.write(RecordConfig.write(Sgd.of(schedule)));
            assertTrue(json.contains("\"learningRate\":{\"type\":" + text + "},\"momentum\""), json);
            assertEquals(
                    Sgd.of(schedule), Fields.of(Json.parse(json), "optimizer").read(RecordConfig::optimizer));
        });
        for (String type : List.of("CategoricalCrossentropy", "SparseCategoricalCrossentropy")) {
            written(
                    type.startsWith("S")
                            ? new SparseCategoricalCrossentropy(true, 0.25)
                            : new CategoricalCrossentropy(true, 0.25),
                    "{\"type\":\"" + type + "\",\"logits\":true,\"labelSmoothing\":0.25}",
                    RecordConfig::loss);
        }
        written(new Metric.Accuracy(), "{\"type\":\"Accuracy\"}", RecordConfig::metric);
        written(new Metric.TopK(5), "{\"type\":\"TopK\",\"k\":5}", RecordConfig::metric);
        written(
                new Position(1, 2, 3, 4, 5, List.of(6.0, Double.NaN)),
                "{\"type\":\"Position\",\"epoch\":1,\"step\":2,\"batches\":3,\"samples\":4,\"lossSum\":5.0,"
                        + "\"metricSums\":[6.0,\"NaN\"]}",
                RecordConfig::position);
    }

    private static <T> void written(T record, String json, Function<Fields, T> reader) {
        assertEquals(json, Json.write(RecordConfig.write(record)));
        assertEquals(record, Fields.of(Json.parse(json), "it").read(reader));
    }

    // ---- files that are not what they should be ----

    private void refused(Path file, BiConsumer<Map<String, String>, Map<String, Tensor>> change, String... parts) {
        Safetensors.Contents contents = Safetensors.read(file);
        var metadata = new LinkedHashMap<>(contents.metadata());
        var tensors = new LinkedHashMap<>(contents.tensors());
        change.accept(metadata, tensors);
        Path bad = folder.resolve("bad.safetensors");
        Safetensors.write(bad, metadata, tensors);
        var e = assertThrows(FormatException.class, () -> Checkpoint.load(bad));
        assertTrue(e.getMessage().contains("bad.safetensors"), e.getMessage());
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), part + " in: " + e.getMessage());
        }
    }

    @Test
    void mistakesAreNamed() {
        Path file = saved();
        refused(file, (m, t) -> m.remove("format"), "format", "architecture");
        refused(file, (m, t) -> m.put("format", "gradus-model-9"), "later version");
        refused(file, (m, t) -> m.remove("architecture"), "architecture", "missing");
        refused(file, (m, t) -> m.put("architecture", "{"), "architecture", "JSON");
        refused(file, (m, t) -> m.put("architecture", "[]"), "architecture", "object");
        refused(file, (m, t) -> m.put("labels", "[1]"), "labels");
        refused(file, (m, t) -> m.put("optimizer", "{\"type\":\"java.lang.Runtime\"}"), "optimizer", "unknown type");
        refused(file, (m, t) -> m.put("optimizer", "{\"type\":\"Position\"}"), "optimizer", "unknown type");
        refused(file, (m, t) -> m.put("optimizer", m.get("optimizer").replace("0.999", "2.5")), "beta2", "[0, 1)");
        refused(file, (m, t) -> m.put("optimizer", m.get("optimizer").replace("0.999", "\"x\"")), "beta2", "number");
        refused(file, (m, t) -> m.put("optimizer", m.get("optimizer").replace("\"beta1\"", "\"beta\"")), "beta1");
        refused(
                file,
                (m, t) -> m.put("optimizer", m.get("optimizer").replace("\"beta1\"", "\"beta\":0,\"beta1\"")),
                "unknown setting 'beta'");
        refused(
                file,
                (m, t) -> m.put("optimizer", m.get("optimizer").replace("\"rate\":0.02", "\"rate\":-1")),
                "optimizer.learningRate",
                "0 or more");
        refused(file, (m, t) -> m.put("position", m.get("position").replace("\"epoch\":1", "\"epoch\":-1")), "epoch");
        refused(file, (m, t) -> m.put("history", "[{\"loss\":1.0}]"), "epoch");
        refused(file, (m, t) -> t.remove("dense/kernel"), "dense/kernel");
        refused(
                file,
                (m, t) -> t.put("dense/bias", Tensor.zeros(DType.F32, Shape.of(4))),
                "dense/bias",
                "(4,)",
                "(3,)");
        refused(file, (m, t) -> t.put("extra", Tensor.scalar(1)), "extra");
        refused(
                file,
                (m, t) -> t.put("optimizer/m/dense/bias", Tensor.zeros(DType.F32, Shape.of(4))),
                "optimizer/m/dense/bias");
        refused(file, (m, t) -> t.put("optimizer/x", Tensor.scalar(1)), "optimizer/x");
        assertThrows(FileException.class, () -> Checkpoint.load(folder.resolve("none.safetensors")));
    }

    /** Whatever a damaged file does to the reader, the caller sees one family of exceptions, or a model. */
    @Test
    void damagedFilesGiveTypedErrorsAlone() throws Exception {
        byte[] good = Files.readAllBytes(saved());
        Path bad = folder.resolve("bad.safetensors");
        int header =
                8 + (int) ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong();
        var random = new Random(1);
        for (int i = 0; i < 1000; i++) {
            byte[] bytes = good.clone();
            for (int k = random.nextInt(3); k >= 0; k--) {
                bytes[random.nextInt(header)] =
                        (byte) (random.nextBoolean() ? random.nextInt(256) : '0' + random.nextInt(10));
            }
            Files.write(bad, random.nextInt(10) == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes);
            try {
                Checkpoint.load(bad).model();
            } catch (GradusException e) {
                assertTrue(e.getMessage() != null && !e.getMessage().isBlank());
            }
        }
    }
}
