package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.Safetensors;
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
import java.util.function.BiConsumer;
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

    @Test
    void withoutTrainingItPredictsTheSame() {
        var whole = Checkpoint.load(saved());
        Path small = folder.resolve("small.safetensors");
        whole.withoutTraining().save(small);
        var checkpoint = Checkpoint.load(small);
        assertFalse(checkpoint.hasTraining());
        assertEquals(whole.model().weights(), checkpoint.model().weights());
        assertTrue(checkpoint.tensors().keySet().stream().noneMatch(n -> n.startsWith("optimizer/")));
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
            assertEquals(o, RecordConfig.read(back, Optimizer.class));
        }
        for (Loss l : List.of(
                CategoricalCrossentropy.of().labelSmoothing(0.1),
                SparseCategoricalCrossentropy.of().fromLogits())) {
            assertEquals(l, RecordConfig.read(Json.parse(Json.write(RecordConfig.write(l))), Loss.class));
        }
        assertThrows(TrainingException.class, () -> RecordConfig.write(new Distance()));
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
