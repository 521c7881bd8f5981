package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.data.ImageInput;
import gradus.data.Preprocess;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Networks that others have trained, on real pictures, against the results of independent engines. The files are not
 * part of the project; these tests run where they lie beside it, in {@code ../shared/data}, or in the folder that the
 * system property {@code gradus.data} names.
 */
@EnabledIf("dataIsThere")
class PretrainedTest {
    private static final Path DATA = System.getProperty("gradus.data") != null
            ? Path.of(System.getProperty("gradus.data"))
            : Path.of("..", "..", "shared", "data");

    static boolean dataIsThere() {
        return Files.isDirectory(DATA.resolve("resnet50_imagenet"));
    }

    @ParameterizedTest
    @CsvSource({"false, 2e-5", "true, 1e-5"})
    void imageNet(boolean exact, double tolerance) throws IOException {
        Imported net = Importer.load(
                DATA.resolve("resnet50_imagenet"), ImportOptions.none().preprocess(Preprocess.CAFFE));
        assertEquals(320, net.report().matched().size());
        assertTrue(net.report().unmatched().isEmpty());
        List<String> rows = Files.readAllLines(DATA.resolve("imagenet_samples/expected.csv"));
        rows = rows.subList(1, rows.size());
        float[] expected = floats(DATA.resolve("imagenet_samples/expected_probs_f32le.bin"));
        double worst = 0;
        int top1 = 0;
        int top5 = 0;
        try (var backend = Backends.open("auto", new Options(0, Precision.FLOAT32, exact))) {
            var predictor = Predictor.of(net.model(), backend);
            for (int i = 0; i < rows.size(); i++) {
                String[] row = rows.get(i).split(",");
                byte[] pixels = ImageInput.read(
                                DATA.resolve("imagenet_samples/crops_224").resolve(row[1]))
                        .pixels();
                var x = new float[pixels.length];
                net.pictures().orElseThrow().mode().convert(pixels, pixels.length, 3, x, 0);
                float[] p = predictor
                        .predict(Tensor.of(Shape.of(1, 224, 224, 3), x))
                        .floats();
                int label = Integer.parseInt(row[2]);
                int better = 0;
                for (int c = 0; c < 1000; c++) {
                    worst = Math.max(worst, Math.abs(p[c] - expected[i * 1000 + c]));
                    better += p[c] > p[label] ? 1 : 0;
                }
                top1 += better < 1 ? 1 : 0;
                top5 += better < 5 ? 1 : 0;
            }
        }
        System.out.printf(
                "ImageNet, exact %s: worst %.2e, top-1 %d, top-5 %d of %d%n", exact, worst, top1, top5, rows.size());
        assertTrue(worst < tolerance, "worst difference of a probability: " + worst);
        assertEquals(50, top1); // 92.6 % of 54
        assertEquals(53, top5); // 98.1 %
    }

    /** Keras has listed the layers of this file; read in the opposite order they are listed by us as by Keras. */
    @Test
    void layersAreListedAsKerasDoes() throws IOException {
        var json = (Map<?, ?>) Json.parse(Files.readAllBytes(DATA.resolve("resnet50_imagenet/model.json")));
        var topology = (Map<?, ?>) ((Map<?, ?>) json.get("modelTopology")).get("model_config");
        var config = new HashMap<Object, Object>((Map<?, ?>) topology.get("config"));
        var layers = (List<?>) config.get("layers");
        List<Object> names =
                layers.stream().<Object>map(l -> ((Map<?, ?>) l).get("name")).toList();
        config.put("layers", layers.reversed());
        Model model = Keras.model(
                "model.json", Map.of("class_name", topology.get("class_name"), "config", config), ImportOptions.none());
        assertEquals(names, model.layerNames(true));
        assertNotEquals(names, model.layerNames());
    }

    /** The photographs as they were taken, through our own decoder, resize and crop: as the reference sees them. */
    @Test
    void imageNetFromTheOriginals() throws IOException {
        Imported net = Importer.load(
                DATA.resolve("resnet50_imagenet"), ImportOptions.none().preprocess(Preprocess.CAFFE));
        List<String> rows = Files.readAllLines(DATA.resolve("imagenet_samples/expected.csv"));
        rows = rows.subList(1, rows.size());
        int same = 0;
        try (var backend = Backends.open("auto", new Options(0, Precision.FLOAT32))) {
            var predictor = Predictor.of(net.model(), backend);
            for (String row : rows) {
                String[] fields = row.split(",");
                Path original = DATA.resolve("imagenet_samples/originals").resolve(fields[0]);
                float[] p = predictor
                        .predict(net.pictures().orElseThrow().read(List.of(original)))
                        .floats();
                float best = p[Integer.parseInt(fields[5].substring(0, fields[5].indexOf(':')))];
                int better = 0;
                for (float other : p) {
                    better += other > best ? 1 : 0;
                }
                same += better == 0 ? 1 : 0;
            }
        }
        System.out.printf("ImageNet, originals: top-1 as the reference in %d of %d%n", same, rows.size());
        assertEquals(54, rows.size());
        assertTrue(same >= 52, "top-1 as the reference's in " + same);
    }

    @ParameterizedTest
    @CsvSource({"resnet20, 91.48", "resnet32, 92.34"})
    void cifar(String name, double accuracy) throws IOException {
        Imported net = Importer.load(DATA.resolve("cifar10_resnet/" + name + ".safetensors"));
        byte[] records = Files.readAllBytes(DATA.resolve("cifar10/test_first5000.bin"));
        float[] expected = floats(DATA.resolve("cifar10_resnet/" + name + "_expected_logits_f32le.bin"));
        int size = 32 * 32 * 3;
        int n = records.length / (size + 1);
        var x = new float[n * size];
        for (int i = 0; i < n; i++) {
            var pixels = new byte[size];
            for (int k = 0; k < size; k++) {
                pixels[k % 1024 * 3 + k / 1024] = records[i * (size + 1) + 1 + k];
            }
            net.pictures().orElseThrow().mode().convert(pixels, size, 3, x, i * size);
        }
        Model logits = net.model().upTo("fc");
        float[] y = logits.predict(Tensor.of(Shape.of(n, 32, 32, 3), x)).floats();
        double worst = 0;
        for (int i = 0; i < expected.length; i++) {
            worst = Math.max(worst, Math.abs(y[i] - expected[i]));
        }
        int right = 0;
        for (int i = 0; i < n; i++) {
            int best = 0;
            for (int c = 1; c < 10; c++) {
                best = y[i * 10 + c] > y[i * 10 + best] ? c : best;
            }
            right += best == records[i * (size + 1)] ? 1 : 0;
        }
        System.out.printf("%s: worst logit %.2e, %.2f %%%n", name, worst, 100.0 * right / n);
        assertTrue(worst < 1e-4, "worst difference of a logit: " + worst);
        assertEquals(accuracy, 100.0 * right / n, 0.005);
    }

    private static float[] floats(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        var y = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(y);
        return y;
    }
}
