package gradus.classifier;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.data.DataException;
import gradus.data.ImageInput;
import gradus.data.ImageNet;
import gradus.data.Picture;
import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.ImportOptions;
import gradus.io.FormatException;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.Model;
import gradus.layers.ZeroPadding2D;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import gradus.train.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class ClassifierTest {
    private static final List<String> LABELS = List.of("ant", "bee", "cat", "dog");

    @TempDir
    Path dir;

    /** A residual block on pictures of 8 x 8; weights that make the classes differ. */
    private static Model tiny(boolean logits) {
        var x = Input.of(8, 8, 3);
        LayerOutput y = x.then(Conv2D.of(6, 3).same().named("conv"))
                .then(BatchNormalization.of().named("bn"))
                .then(Activation.of("relu").named("relu"));
        LayerOutput branch = y.then(Conv2D.of(6, 3).same().named("branch"));
        y = Add.of().apply(branch, y).then(Activation.of("relu").named("block"));
        y = y.then(GlobalAveragePooling2D.of().named("pool"));
        y = y.then(Dense.of(4).activation(logits ? "linear" : "softmax").named("classes"));
        var model = Model.of("tiny", x, y);
        model.initialize(5, DType.F32);
        return model;
    }

    private static Classifier classifier() {
        var model = tiny(false);
        return Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF));
    }

    private static Picture picture(long seed, int height, int width) {
        var pixels = new byte[height * width * 3];
        new Random(seed).nextBytes(pixels);
        return new Picture(height, width, 3, pixels);
    }

    @Test
    void everyKindOfPictureGivesTheSamePrediction() throws IOException {
        var picture = picture(1, 20, 31);
        Path file = dir.resolve("picture.png");
        ImageIO.write(picture.toImage(), "png", file.toFile());
        try (var classifier = classifier()) {
            List<Prediction> expected = classifier.classify(picture, 4);
            assertEquals(expected, classifier.classify(file, 4));
            assertEquals(expected, classifier.classify(picture.toImage(), 4));
            assertEquals(expected, classifier.classify(classifier.input(picture), 4));
            assertEquals(expected, classifier.classifyAll(List.of(file), 4).getFirst());
            assertEquals(expected.subList(0, 2), classifier.classify(picture, 2));
            assertEquals(expected, classifier.classify(picture, 99));
        }
    }

    /** Of more pictures than are computed together each gets its own prediction. */
    @Test
    void manyFilesInOrder() throws IOException {
        var files = new ArrayList<Path>();
        for (int i = 0; i < 19; i++) {
            files.add(dir.resolve(i + ".png"));
            ImageIO.write(picture(i, 12, 12).toImage(), "png", files.get(i).toFile());
        }
        try (var classifier = classifier()) {
            List<List<Prediction>> all = classifier.classifyAll(files, 4);
            assertEquals(19, all.size());
            assertEquals(19, all.stream().distinct().count());
            for (int i = 0; i < 19; i++) {
                assertEquals(classifier.classify(files.get(i), 4), all.get(i));
            }
        }
    }

    @Test
    void picturesHaveThreeChannels() {
        try (var classifier = classifier()) {
            for (int channels : new int[] {1, 4}) {
                var picture = new Picture(8, 8, channels, new byte[64 * channels]);
                String m = assertThrows(DataException.class, () -> classifier.classify(picture, 1))
                        .getMessage();
                assertTrue(m.contains("3 channels") && m.contains("not " + channels), m);
            }
        }
    }

    @Test
    void predictionsAreTheModelsInFallingOrder() {
        var model = tiny(false);
        var pictures = Pictures.of(model, Preprocess.TF);
        try (var classifier = Classifier.of(model, LABELS, pictures)) {
            float[] x = classifier.input(picture(2, 8, 8));
            Tensor p = model.predict(Tensor.of(Shape.of(1, 8, 8, 3), x));
            List<Prediction> found = classifier.classify(x, 4);
            assertEquals(1, found.stream().mapToDouble(Prediction::probability).sum(), 1e-6);
            for (int i = 0; i < 4; i++) {
                Prediction one = found.get(i);
                assertEquals(LABELS.get(one.index()), one.label());
                assertEquals(p.get(one.index()), one.probability());
                assertTrue(i == 0 || found.get(i - 1).probability() >= one.probability());
            }
        }
    }

    @Test
    void modelsOfLogitsAndOfProbabilitiesAreClassifiedAlike() {
        Model logits = tiny(true);
        try (var a = classifier();
                var b = Classifier.of(logits, LABELS, Pictures.of(logits, Preprocess.TF))) {
            assertEquals(a.classify(picture(3, 8, 8), 4), b.classify(picture(3, 8, 8), 4));
        }
    }

    @Test
    void aBatchGivesTheBitsOfSinglePictures() {
        try (var classifier = classifier()) {
            int n = 19; // two whole batches and a rest
            var all = new float[n * 192];
            for (int i = 0; i < n; i++) {
                System.arraycopy(classifier.input(picture(i, 8, 8)), 0, all, i * 192, 192);
            }
            List<List<Prediction>> found = classifier.classifyBatch(all, 4);
            for (int i = 0; i < n; i++) {
                assertEquals(classifier.classify(picture(i, 8, 8), 4), found.get(i), "picture " + i);
            }
            assertEquals(List.of(), classifier.classifyBatch(new float[0], 1));
        }
    }

    @Test
    void sixtyFourThreadsGetTheBitsOfOneAndLeaveNone() throws Exception {
        var before = new HashSet<>(Thread.getAllStackTraces().keySet());
        var classifier = classifier();
        var inputs = new ArrayList<float[]>();
        var expected = new ArrayList<List<Prediction>>();
        for (int i = 0; i < 100; i++) {
            inputs.add(classifier.input(picture(i, 8, 8)));
            expected.add(classifier.classify(inputs.get(i), 4));
        }
        assertNotEquals(expected.get(0), expected.get(1));
        var start = new CountDownLatch(1);
        var tasks = new ArrayList<Callable<Integer>>();
        for (int t = 0; t < 64; t++) {
            int thread = t;
            tasks.add(() -> {
                start.await();
                int equal = 0;
                for (int i = 0; i < 1000; i++) {
                    int which = (i * 7 + thread) % 100;
                    equal += classifier.classify(inputs.get(which), 4).equals(expected.get(which)) ? 1 : 0;
                }
                return equal;
            });
        }
        var callers = new ArrayList<Thread>();
        try (var pool = Executors.newFixedThreadPool(64, work -> {
            callers.add(new Thread(work));
            return callers.getLast();
        })) {
            List<Future<Integer>> results = tasks.stream().map(pool::submit).toList();
            start.countDown();
            for (Future<Integer> r : results) {
                assertEquals(1000, r.get());
            }
        }
        for (Thread caller : callers) { // a pool is closed a moment before the last of its threads has ended
            caller.join();
        }
        classifier.close();
        var left = new HashSet<>(Thread.getAllStackTraces().keySet());
        left.removeIf(t -> !t.isAlive() || before.contains(t));
        assertEquals(List.of(), left.stream().map(Thread::getName).toList());
    }

    @Test
    void afterClosingCallsAreRefusedAndOthersGoOn() {
        var one = classifier();
        var other = classifier();
        List<Prediction> expected = one.classify(picture(4, 8, 8), 4);
        one.close();
        one.close();
        var e = assertThrows(IllegalStateException.class, () -> one.classify(picture(4, 8, 8), 4));
        assertTrue(e.getMessage().contains("tiny") && e.getMessage().contains("closed"), e.getMessage());
        assertThrows(IllegalStateException.class, one::peakBytes);
        assertThrows(IllegalStateException.class, () -> one.features(picture(4, 8, 8)));
        assertEquals(expected, other.classify(picture(4, 8, 8), 4));
        other.close();
        try (var again = classifier()) {
            assertEquals(expected, again.classify(picture(4, 8, 8), 4));
        }
    }

    @Test
    void closingDuringPredictionsDisturbsNone() throws Exception {
        var classifier = classifier();
        float[] x = classifier.input(picture(5, 8, 8));
        List<Prediction> expected = classifier.classify(x, 4);
        try (var pool = Executors.newFixedThreadPool(8)) {
            var results = new ArrayList<Future<Boolean>>();
            for (int t = 0; t < 8; t++) {
                results.add(pool.submit(() -> {
                    try {
                        while (classifier.classify(x, 4).equals(expected)) {
                            Thread.onSpinWait();
                        }
                        return false;
                    } catch (IllegalStateException e) {
                        return true;
                    }
                }));
            }
            Thread.sleep(50);
            classifier.close();
            for (Future<Boolean> r : results) {
                assertTrue(r.get());
            }
        }
    }

    @Test
    void memoryIsKnownBeforeTheFirstPredictionAndStaysAsItIs() {
        try (var classifier = classifier();
                var backend = Backends.open()) {
            long bytes = classifier.peakBytes();
            long scratch =
                    backend.scratchBytes(); // at least; all classifiers share it, and other tests may have made it grow
            long weights = classifier.model().parameterCount() * Float.BYTES;
            assertTrue(bytes >= scratch + 2 * weights && bytes < scratch + 4_000_000, bytes + " bytes");
            classifier.classify(picture(6, 8, 8), 4);
            classifier.features(picture(6, 8, 8), classifier.featureLayer());
            assertEquals(bytes, classifier.peakBytes());
            classifier.explain(picture(6, 8, 8), 1, "block");
            assertTrue(classifier.peakBytes() > bytes);
            for (String layer : List.of("conv", "bn", "relu", "branch", "block")) {
                classifier.features(picture(6, 8, 8), layer);
            }
            assertTrue(classifier.peakBytes() - bytes < 1_000_000, "plans for layers are not kept for ever");
        }
    }

    /** A classifier borrows the weights its model has when it is made; new ones given to the model later are not its own. */
    @Test
    void laterWeightsOfTheModelChangeNothing() {
        var model = tiny(false);
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF));
                var expected = classifier()) {
            model.initialize(77, DType.F32);
            assertEquals(expected.classify(picture(4, 8, 8), 4), classifier.classify(picture(4, 8, 8), 4));
            try (var later = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF))) {
                assertNotEquals(expected.classify(picture(4, 8, 8), 4), later.classify(picture(4, 8, 8), 4));
            }
        }
    }

    @Test
    void featuresAreTheLayersOutput() {
        var model = tiny(false);
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF))) {
            assertEquals("pool", classifier.featureLayer());
            var picture = picture(7, 8, 8);
            Tensor x = Tensor.of(Shape.of(1, 8, 8, 3), classifier.input(picture));
            for (String layer : model.layerNames()) {
                float[] expected = model.upTo(layer).predict(x).floats();
                float[] found = classifier.features(picture, layer);
                assertEquals(model.outputShape(layer).size(), found.length, layer);
                for (int i = 0; i < found.length; i++) {
                    assertEquals(expected[i], found[i], 1e-5, layer + " " + i);
                }
            }
            var message = assertThrows(GradusException.class, () -> classifier.features(picture, "pol"))
                    .getMessage();
            assertTrue(message.contains("'pol'") && message.contains("pool"), message);
        }
    }

    /** One ReLU object applied twice is one layer; the model's output is what its second call yields. */
    @Test
    void featuresOfASharedLayerAreThoseOfItsLastCall() {
        var relu = Activation.of("relu").named("relu");
        var x = Input.of(8, 8, 3);
        LayerOutput y = x.then(Conv2D.of(5, 3).named("one")).then(relu);
        y = y.then(Conv2D.of(7, 3).named("two")).then(relu);
        var model = Model.of("headless", x, y);
        model.initialize(3, DType.F32);
        try (var classifier = Classifier.of(model, List.of(), Pictures.of(model, Preprocess.TF))) {
            var picture = picture(13, 8, 8);
            float[] expected = model.predict(Tensor.of(Shape.of(1, 8, 8, 3), classifier.input(picture)))
                    .floats();
            assertEquals(4 * 4 * 7, expected.length);
            assertEquals("relu", classifier.featureLayer());
            assertArrayEquals(expected, classifier.features(picture), 1e-6f);
            assertArrayEquals(expected, classifier.features(picture, "relu"), 1e-6f);
        }
        // Here the last Dense layer reads the first call.
        var dense = Input.of(8, 8, 3);
        LayerOutput first = dense.then(GlobalAveragePooling2D.of())
                .then(Dense.of(5).named("code"))
                .then(relu);
        var whole = Model.of(
                "whole", dense, first.then(Dense.of(4).named("classes")).then(relu));
        whole.initialize(9, DType.F32);
        try (var classifier = Classifier.of(whole, LABELS, Pictures.of(whole, Preprocess.TF))) {
            var picture = picture(14, 8, 8);
            assertEquals("relu", classifier.featureLayer());
            assertEquals(5, classifier.features(picture).length);
            assertEquals(4, classifier.features(picture, "relu").length);
            assertEquals(4, classifier.classify(picture, 9).size());
        }
    }

    /** As programs of Keras put a network without its top in front of an own one. */
    @Test
    void layersOfModelsInsideAreFoundAndSeen() {
        Model flat = tiny(false);
        Model body = flat.upTo("block").named("body");
        var x = Input.of(Shape.of(8, 8, 3), "image");
        LayerOutput y = x.then(body).then(GlobalAveragePooling2D.of().named("pool"));
        var model =
                Model.of("outer", x, y.then(Dense.of(4).activation("softmax").named("classes")));
        model.setWeight("classes/kernel", flat.weight("classes/kernel"));
        model.setWeight("classes/bias", flat.weight("classes/bias"));
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF));
                var expected = classifier()) {
            var picture = picture(15, 8, 8);
            assertEquals(expected.classify(picture, 4), classifier.classify(picture, 4));
            assertEquals("pool", classifier.featureLayer());
            assertArrayEquals(expected.features(picture), classifier.features(picture), 1e-6f);
            assertEquals("body/block", classifier.spatialLayer());
            for (String layer : List.of("relu", "block")) {
                assertArrayEquals(
                        expected.features(picture, layer), classifier.features(picture, "body/" + layer), 1e-6f);
                assertArrayEquals(
                        expected.explain(picture, 1, layer).values(),
                        classifier.explain(picture, 1, "body/" + layer).values(),
                        1e-5f);
            }
            assertArrayEquals(classifier.features(picture, "body/block"), classifier.features(picture, "body"), 1e-6f);
            var message = assertThrows(GradusException.class, () -> classifier.features(picture, "block"))
                    .getMessage();
            assertTrue(message.contains("'block'") && message.contains("'body/...'"), message);
        }
        // A head inside as well, and logits.
        var z = Input.of(8, 8, 3);
        var wrapped = Model.of("wrapped", z, z.then(tiny(true).named("net")));
        try (var classifier = Classifier.of(wrapped, LABELS, Pictures.of(wrapped, Preprocess.TF));
                var expected = classifier()) {
            assertEquals("net/pool", classifier.featureLayer());
            assertEquals(expected.classify(picture(16, 8, 8), 4), classifier.classify(picture(16, 8, 8), 4));
        }
    }

    @Test
    void anInputIsNoLayerThatExplains() {
        var x = Input.of(8, 8, 3);
        var model = Model.of("flat", x, x.then(Flatten.of()).then(Dense.of(4)));
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF))) {
            assertTrue(assertThrows(GradusException.class, classifier::spatialLayer)
                    .getMessage()
                    .contains("'flat'"));
        }
    }

    @Test
    void ofSeveralOutputsOneMustBeChosen() {
        Model one = tiny(false);
        var model = Model.of("two", one.inputs(), List.of(one.output("pool"), one.output("classes")));
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF));
                var expected = classifier()) {
            var picture = picture(17, 8, 8);
            for (String layer : List.of("conv", "pool", "classes")) {
                assertArrayEquals(expected.features(picture, layer), classifier.features(picture, layer), 1e-6f);
            }
            for (Executable refused : List.<Executable>of(
                    () -> classifier.classify(picture, 1),
                    () -> classifier.features(picture),
                    () -> classifier.featureLayer(),
                    () -> classifier.explain(picture, -1, "block"))) {
                var message = assertThrows(GradusException.class, refused).getMessage();
                assertTrue(message.contains("[pool, classes]") && message.contains("choose"), message);
            }
        }
    }

    @Test
    void aModelWithoutClassesGivesFeaturesOnly() {
        Model body = tiny(false).upTo("pool");
        try (var classifier = Classifier.of(body, List.of(), Pictures.of(body, Preprocess.TF));
                var whole = classifier()) {
            var picture = picture(8, 8, 8);
            assertEquals("pool", classifier.featureLayer());
            assertArrayEquals(
                    whole.features(picture, "pool"), classifier.features(picture, classifier.featureLayer()), 1e-6f);
            var message = assertThrows(GradusException.class, () -> classifier.classify(picture, 1))
                    .getMessage();
            assertTrue(message.contains("'pool'") && message.contains("features"), message);
            assertThrows(GradusException.class, () -> classifier.explain(picture, 0, "block"));
        }
        Model map = tiny(false).upTo("block");
        try (var classifier = Classifier.of(map, List.of(), Pictures.of(map, Preprocess.TF))) {
            assertEquals(8 * 8 * 6, classifier.features(picture(8, 8, 8), "block").length);
        }
    }

    /**
     * Where the average and a Dense layer follow on A, dy/dA[i, j, k] = w[k, c] / (h w) everywhere, so that Grad-CAM must
     * give max(0, sum over k of w[k, c] A[i, j, k]) but for the scale (Selvaraju et al. 2017, section 3.1).
     */
    @Test
    void gradCamOfTheLastLayerIsTheClassActivationMap() {
        var model = tiny(false);
        try (var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF))) {
            assertEquals("block", classifier.spatialLayer());
            var picture = picture(9, 8, 8);
            float[] a = classifier.features(picture, "block");
            Tensor w = model.weight("classes/kernel");
            for (int c = 0; c < 4; c++) {
                var expected = new double[64];
                double most = 0;
                for (int i = 0; i < 64; i++) {
                    for (int k = 0; k < 6; k++) {
                        expected[i] += w.get(k * 4 + c) * a[i * 6 + k];
                    }
                    expected[i] = Math.max(0, expected[i]);
                    most = Math.max(most, expected[i]);
                }
                HeatMap map = classifier.explain(picture, c, "block");
                assertEquals(8, map.height());
                assertEquals(8, map.width());
                for (int i = 0; i < 64; i++) {
                    assertEquals(most == 0 ? 0 : expected[i] / most, map.values()[i], 1e-5, "class " + c + " at " + i);
                }
                assertEquals(c, map.prediction().index());
                assertEquals(LABELS.get(c), map.prediction().label());
            }
            HeatMap best = classifier.explain(picture, -1, "block");
            assertEquals(
                    classifier.classify(picture, 1).getFirst().index(),
                    best.prediction().index());
        }
    }

    /** Further up, where the derivative differs from place to place: against central differences in float64. */
    @Test
    void gradCamOfAnEarlyLayerAgreesWithDifferences() {
        var model = tiny(true);
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT64));
                var classifier = Classifier.of(model, LABELS, Pictures.of(model, Preprocess.TF), backend)) {
            var picture = picture(10, 8, 8);
            float[] a = classifier.features(picture, "relu");
            // The rest of the network, on an input of its own.
            var x = Input.of(8, 8, 6);
            LayerOutput y = Add.of().apply(x.then(Conv2D.of(6, 3).same().named("branch")), x);
            y = y.then(Activation.of("relu"))
                    .then(GlobalAveragePooling2D.of())
                    .then(Dense.of(4).named("classes"));
            var rest = Model.of("rest", x, y);
            rest.initialize(0, DType.F64);
            for (String name : List.of("branch/kernel", "branch/bias", "classes/kernel", "classes/bias")) {
                Tensor value = model.weight(name);
                rest.setWeight(name, Tensor.of(value.shape(), value.doubles()));
            }
            var alpha = new double[6];
            double step = 1e-4;
            for (int i = 0; i < a.length; i++) {
                double[] up = Tensor.of(Shape.of(a.length), a).doubles();
                double[] down = up.clone();
                up[i] += step;
                down[i] -= step;
                double high = rest.predict(Tensor.of(Shape.of(1, 8, 8, 6), up)).get(2);
                double low = rest.predict(Tensor.of(Shape.of(1, 8, 8, 6), down)).get(2);
                alpha[i % 6] += (high - low) / (2 * step) / 64;
            }
            var expected = new float[64];
            for (int i = 0; i < a.length; i++) {
                expected[i / 6] += (float) (alpha[i % 6] * a[i]);
            }
            for (int i = 0; i < 64; i++) {
                expected[i] = Math.max(0, expected[i]);
            }
            HeatMap found = classifier.explain(picture, 2, "relu");
            assertArrayEquals(
                    HeatMap.of(found.prediction(), "relu", 8, 8, expected).values(), found.values(), 1e-3f);
        }
    }

    @Test
    void heatIsPaintedWhereItIs() {
        var prediction = new Prediction("cat", 2, 0.5);
        var map = HeatMap.of(prediction, "block", 2, 2, new float[] {0, 0, 0, 8});
        assertEquals(1, map.values()[3]);
        assertEquals(0.25, map.at(0.5, 0.5), 1e-12);
        assertEquals(1, map.at(1, 1));
        var black = new Picture(300, 600, 3, new byte[300 * 600 * 3]);
        Picture stretched = map.over(black, new Pictures(64, 64, 3, Preprocess.UNIT, 0));
        assertEquals(List.of(300, 600), List.of(stretched.height(), stretched.width()));
        assertEquals(64, stretched.get(299, 599, 0), 1); // dark red without blue at the hot corner
        assertEquals(0, stretched.get(299, 599, 2));
        assertEquals(64, stretched.get(0, 0, 2)); // dark blue
        Picture cut = map.over(black, new Pictures(64, 64, 3, Preprocess.UNIT, 64));
        assertEquals(96, cut.get(150, 10, 0)); // not seen: greyed
        assertEquals(96, cut.get(150, 590, 2));
        assertEquals(0, cut.get(299, 449, 2)); // the square in the middle ends at 450
        assertArrayEquals(
                new float[4],
                HeatMap.of(prediction, "block", 2, 2, new float[4]).values());
        Picture small = map.over(new Picture(16, 16, 3, new byte[768]), new Pictures(8, 8, 3, Preprocess.UNIT, 0));
        assertEquals(224, small.height());
    }

    @Test
    void aFileGivesTheClassifierFromDiskStreamAndMemory() throws IOException {
        var model = tiny(false);
        var pictures = Pictures.of(model, Preprocess.TF);
        Path file = dir.resolve("tiny.safetensors");
        Checkpoint.of(model)
                .withLabels(LABELS)
                .with(Checkpoint.PREPROCESSING, pictures.json())
                .save(file);
        byte[] bytes = Files.readAllBytes(file);
        try (var expected = classifier();
                var stream = Files.newInputStream(file);
                var fromPath = Classifier.load(file);
                var fromStream = Classifier.load(stream);
                var fromBytes = Classifier.load("tiny", bytes, ImportOptions.none())) {
            for (var c : List.of(fromPath, fromStream, fromBytes)) {
                assertEquals(expected.classify(picture(12, 9, 9), 4), c.classify(picture(12, 9, 9), 4));
                assertEquals(pictures, c.pictures());
            }
        }
        Checkpoint.of(model).save(file);
        try (var plain = Classifier.load(file);
                var told = Classifier.load(
                        file, ImportOptions.none().labels(LABELS).preprocess(Preprocess.CAFFE))) {
            assertEquals(Preprocess.UNIT, plain.pictures().mode());
            assertEquals(Preprocess.CAFFE, told.pictures().mode());
            assertEquals(LABELS, told.labels());
        }
        bytes[20] ^= 1;
        var message = assertThrows(
                        GradusException.class, () -> Classifier.load("tiny.bin", bytes, ImportOptions.none()))
                .getMessage();
        assertTrue(message.contains("tiny.bin"), message);
        assertTrue(assertThrows(GradusException.class, () -> Classifier.load((InputStream) null))
                .getMessage()
                .contains("resource"));
        assertThrows(GradusException.class, () -> Classifier.load(dir.resolve("missing")));
    }

    /** Files of a kilobyte whose layers would fill any memory: one by itself, or many that are all held. */
    @Test
    void layersOutOfProportionAreRefusedBeforeTheyTakeMemory() throws IOException {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        var x = Input.of(20, 20, 3);
        LayerOutput y = x.then(Conv2D.of(3, 3).named("conv"));
        var padded = Model.of(
                "padded", x, y.then(ZeroPadding2D.of(10_000).named("z")).then(GlobalAveragePooling2D.of()));
        var parts = new ArrayList<LayerOutput>();
        for (int i = 0; i < 64; i++) {
            parts.add(y.then(ZeroPadding2D.of(300).named("part" + i)));
        }
        var many = Model.of("many", x, Add.of().apply(parts).then(GlobalAveragePooling2D.of()));
        for (Model model : List.of(padded, many, Model.of("outer", x, x.then(padded)))) {
            Path file = dir.resolve("bomb.safetensors");
            Checkpoint.of(model).save(file);
            long before = threads.getCurrentThreadAllocatedBytes();
            var message = assertThrows(FormatException.class, () -> Classifier.load(file))
                    .getMessage();
            long allocated = threads.getCurrentThreadAllocatedBytes() - before;
            assertTrue(allocated <= 4 * Files.size(file) + (16 << 20), model.name() + " " + allocated);
            String layer = model == many ? "'part0'" : model == padded ? "'z'" : "'padded/z'";
            assertTrue(message.contains(layer) && message.contains("MiB"), message);
        }
    }

    @Test
    void labelsAreThoseGivenOrImageNetsOrNumbers() {
        var model = tiny(false);
        var pictures = Pictures.of(model, Preprocess.TF);
        try (var classifier = Classifier.of(model, List.of(), pictures)) {
            assertEquals(List.of("0", "1", "2", "3"), classifier.labels());
        }
        var x = Input.of(4, 4, 3);
        var thousand =
                Model.of("thousand", x, x.then(GlobalAveragePooling2D.of()).then(Dense.of(1000)));
        try (var classifier = Classifier.of(thousand, List.of(), Pictures.of(thousand, Preprocess.CAFFE))) {
            assertEquals("tench", classifier.labels().getFirst());
            assertEquals(ImageNet.names(), classifier.labels());
        }
        var message = assertThrows(GradusException.class, () -> Classifier.of(model, List.of("one"), pictures))
                .getMessage();
        assertTrue(message.contains("4 outputs") && message.contains("1 labels"), message);
    }

    /** As SqueezeNet ends: a map for each class, then its mean. */
    @Test
    void labelsMakeAClassifierOfAnyVector() {
        var x = Input.of(4, 4, 3);
        var model = Model.of("maps", x, x.then(Conv2D.of(4, 1)).then(GlobalAveragePooling2D.of()));
        model.initialize(1, DType.F32);
        var pictures = Pictures.of(model, Preprocess.TF);
        var input = new float[48];
        input[0] = 1;
        try (var classifier = Classifier.of(model, List.of("a", "b", "c", "d"), pictures)) {
            var guesses = classifier.classify(input, 4);
            double sum = guesses.stream().mapToDouble(g -> g.probability()).sum();
            assertEquals(1, sum, 1e-6);
        }
        try (var features = Classifier.of(model, List.of(), pictures)) {
            assertThrows(GradusException.class, () -> features.classify(input, 1));
        }
    }

    @Test
    void whatDoesNotFitIsNamed() throws IOException {
        try (var classifier = classifier()) {
            var message = assertThrows(ShapeException.class, () -> classifier.classify(new float[5], 1))
                    .getMessage();
            assertTrue(message.contains("192") && message.contains("5"), message);
            assertThrows(ShapeException.class, () -> classifier.classifyBatch(new float[193], 1));
            assertThrows(GradusException.class, () -> classifier.classify(new float[192], 0));
            Path text = Files.writeString(dir.resolve("text.jpg"), "no picture");
            assertTrue(assertThrows(DataException.class, () -> classifier.classify(text, 1))
                    .getMessage()
                    .contains("text.jpg"));
            assertThrows(GradusException.class, () -> classifier.explain(picture(1, 8, 8), 4, "block"));
            message = assertThrows(GradusException.class, () -> classifier.explain(picture(1, 8, 8), 0, "pool"))
                    .getMessage();
            assertTrue(message.contains("'pool'") && message.contains("'block'"), message);
        }
        var model = tiny(false);
        var other = new Pictures(9, 8, 3, Preprocess.TF, 0);
        assertThrows(ShapeException.class, () -> Classifier.of(model, LABELS, other));
    }

    @Test
    void aWholeResNetClassifiesExplainsAndEmbeds() {
        Model model = ResNets.byName("resnet50").input(64, 64, 3).build();
        try (var classifier = Classifier.of(model, List.of(), Pictures.of(model, Preprocess.UNIT))) {
            var picture = picture(11, 64, 64);
            assertEquals(6, classifier.classify(picture, 6).size());
            assertEquals(2048, classifier.features(picture, classifier.featureLayer()).length);
            HeatMap map = classifier.explain(picture, 1, classifier.spatialLayer());
            assertEquals(2, map.height());
            assertEquals(
                    ImageInput.of(map.over(picture, classifier.pictures()).toImage())
                            .height(),
                    224);
        }
    }
}
