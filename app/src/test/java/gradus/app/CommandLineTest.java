package gradus.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.tensor.Tensor;
import gradus.train.AdamW;
import gradus.train.Checkpoint;
import gradus.train.WeightDecay;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CommandLineTest {
    private static final String[] TINY = {
        "train", "--model", "resnet20", "--size", "16", "--examples", "24", "--batch", "8", "--epochs", "1"
    };

    @TempDir
    static Path folder;

    private static Path model;
    private static Run trained;

    private record Run(int status, String out, String err) {
        @SuppressWarnings("unchecked") // JSON objects have string keys
        Map<String, Object> json() {
            return (Map<String, Object>) Json.parse(out.strip());
        }
    }

    private static Run gradus(String... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        int status = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args);
        return new Run(status, out.toString(), err.toString());
    }

    private static String[] with(String[] args, String... more) {
        return Stream.concat(Arrays.stream(args), Arrays.stream(more)).toArray(String[]::new);
    }

    @BeforeAll
    static void train() {
        model = folder.resolve("run");
        trained = gradus(with(TINY, "--out", model.toString(), "--json", "--seed", "3"));
    }

    @Test
    void trainLeavesModelHistoryAndCurves() throws IOException {
        assertEquals(0, trained.status, trained.err);
        assertEquals(
                List.of("data", "n", "accuracy", "loss"),
                List.copyOf(trained.json().keySet()));
        assertEquals("generated:24", trained.json().get("data"));
        List<String> history = Files.readAllLines(model.resolve("history.csv"));
        assertEquals("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate", history.getFirst());
        assertEquals(2, history.size());
        assertTrue(ImageIO.read(model.resolve("curves.png").toFile()).getWidth() > 100);
        assertTrue(Files.size(model.resolve("model.safetensors")) > 1_000_000);
    }

    private static Path pictureFile(String name) throws IOException {
        var image = new BufferedImage(40, 24, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 40 * 24; i++) {
            image.setRGB(i % 40, i / 40, i * 7919);
        }
        Path file = folder.resolve(name);
        ImageIO.write(image, "png", file.toFile());
        return file;
    }

    @Test
    void featuresGiveOneLineAPicture() throws IOException {
        Path file = pictureFile("features.png");
        Run run = gradus("features", model.toString(), file.toString(), file.toString(), "--json");
        assertEquals(0, run.status, run.err);
        List<String> lines = run.out.lines().toList();
        assertEquals(2, lines.size());
        assertEquals(lines.get(0), lines.get(1));
        var line = (Map<?, ?>) Json.parse(lines.get(0));
        assertEquals(List.of("file", "features"), List.copyOf(line.keySet()));
        assertEquals(file.toString(), line.get("file"));
        assertEquals(64, ((List<?>) line.get("features")).size());
        assertTrue(gradus("features", model.toString(), file.toString()).out.contains("64 numbers"));

        Run other = gradus("features", model.toString(), file.toString(), "--layer", "conv1_relu", "--json");
        assertEquals(0, other.status, other.err);
        assertEquals(16 * 16 * 16, ((List<?>) other.json().get("features")).size());
        Run unknown = gradus("features", model.toString(), file.toString(), "--layer", "nose");
        assertEquals(2, unknown.status);
        assertTrue(unknown.err.contains("no layer 'nose'") && unknown.out.isEmpty(), unknown.err);
        Run missing = gradus("features", model.toString(), "missing.png", file.toString(), "--json");
        assertEquals(2, missing.status);
        assertTrue(missing.err.contains("missing.png") && missing.out.lines().count() == 1, missing.err);
    }

    @Test
    void explainPaintsTheMostProbableOrAGivenClass() throws IOException {
        Path file = pictureFile("explain.png");
        Path out = folder.resolve("map.png");
        Run run = gradus("explain", model.toString(), file.toString(), "--out", out.toString(), "--json");
        assertEquals(0, run.status, run.err);
        assertEquals(
                List.of("file", "index", "label", "probability", "layer", "out"),
                List.copyOf(run.json().keySet()));
        BufferedImage map = ImageIO.read(out.toFile());
        assertEquals(224, map.getHeight());
        assertEquals(373, map.getWidth());
        Run predicted = gradus("predict", model.toString(), file.toString(), "--json");
        var first = (Map<?, ?>) ((List<?>) predicted.json().get("predictions")).getFirst();
        assertEquals(first.get("index"), run.json().get("index"));
        assertEquals((Double) first.get("probability"), (Double) run.json().get("probability"), 1e-5);

        Run three =
                gradus("explain", model.toString(), file.toString(), "--class", "3", "--out", out.toString(), "--json");
        assertEquals(3L, three.json().get("index"));
        assertTrue(gradus("explain", model.toString(), file.toString(), "--out", out.toString())
                .out
                .contains("wrote"));
        for (String wrong : List.of("--class 6", "--class x", "--layer nose", "--out a.gif")) {
            String[] option = wrong.split(" ");
            Run refused = gradus(with(new String[] {"explain", model.toString(), file.toString()}, option));
            assertEquals(2, refused.status, refused.err);
            assertTrue(refused.err.contains(option[1]), refused.err);
        }
    }

    @Test
    void evaluateGivesWhatTrainingEndedWith() {
        Run run = gradus("evaluate", model.toString(), "--data", "generated:24", "--seed", "3", "--json");
        assertEquals(0, run.status, run.err);
        assertEquals(trained.json(), run.json());
        Run same = gradus("evaluate", model.toString(), "--json"); // the seed, too, is that of the training
        assertEquals(trained.json(), same.json());
        Run others = gradus("evaluate", model.toString(), "--seed", "0", "--json");
        assertEquals(0, others.status, others.err);
        assertNotEquals(trained.json().get("loss"), others.json().get("loss"));
    }

    @Test
    void whatCannotBePrintedIsAMistake() {
        var err = new StringWriter();
        assertEquals(2, Main.run(failing("No space left on device"), new PrintWriter(err), "summary"));
        assertEquals(
                "gradus: cannot write to standard output: No space left on device",
                err.toString().strip());
        var quiet = new StringWriter();
        assertEquals(0, Main.run(failing("Broken pipe"), new PrintWriter(quiet), "summary"));
        assertEquals("", quiet.toString());
        var all = new ByteArrayOutputStream();
        assertEquals(0, Main.run(all, new PrintWriter(quiet), "summary", "--list"));
        assertTrue(all.toString(StandardCharsets.UTF_8).contains("resnet50"));
    }

    private static OutputStream failing(String message) {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException(message);
            }
        };
    }

    @Test
    void predictPrintsOneJsonLineAPictureAndReportsTheUnreadable() throws IOException {
        Path good = folder.resolve("good.png");
        ImageIO.write(new BufferedImage(30, 20, BufferedImage.TYPE_INT_RGB), "png", good.toFile());
        Path bad = folder.resolve("bad.png");
        Files.writeString(bad, "no picture");
        Run run = gradus("predict", model.toString(), bad.toString(), good.toString(), "--json", "--top", "2");
        assertEquals(2, run.status);
        assertTrue(run.err.startsWith("gradus: " + bad), run.err);
        assertEquals(1, run.err.strip().lines().count());
        assertEquals(good.toString(), run.json().get("file"));
        List<?> predictions = (List<?>) run.json().get("predictions");
        assertEquals(2, predictions.size());
        assertEquals(
                List.of("index", "label", "probability"), List.copyOf(((Map<?, ?>) predictions.getFirst()).keySet()));
    }

    /** A trained network through every format; what is predicted in the end is what was in the beginning. */
    @Test
    void convertAndInspectKnowEveryFormat() throws IOException {
        String picture = pictureFile("converted.png").toString();
        Run expected = gradus("predict", model.toString(), picture, "--json");
        String from = model.toString();
        for (String to : List.of(
                "a.onnx",
                "keras",
                "a.h5",
                "a.KERAS",
                "b.hdf5 --to h5",
                "b.safetensors",
                "c.safetensors --to torchvision")) {
            String[] words = to.split(" ");
            Path out = folder.resolve(words[0]);
            String[] options = Arrays.copyOfRange(words, 1, words.length);
            Run converted = gradus(with(new String[] {"convert", from, out.toString()}, options));
            assertEquals(0, converted.status, converted.err);
            assertTrue(
                    converted.out.contains("tensors matched, 0 of another shape, 0 missing, 0 unmatched"),
                    converted.out);
            // what a file of weights does not say
            Run predicted = gradus(with(
                    new String[] {"predict", out.toString(), picture, "--json"},
                    to.contains("torchvision") ? new String[] {"--input", "16x16"} : new String[0]));
            assertEquals(0, predicted.status, predicted.err);
            assertTrue(sameClasses(expected, predicted), predicted.out + expected.out);
            Run inspected = gradus("inspect", out.toString(), "--json");
            assertEquals(0, inspected.status, inspected.err);
            assertTrue(((List<?>) inspected.json().get("tensors")).size() >= 97, inspected.out);
            assertTrue(gradus("inspect", out.toString()).out.contains(" tensors, "));
            if (!to.contains("KERAS")) { // in another order than torchvision's
                from = out.toString();
            }
        }
        Path alone = folder.resolve("a.weights.h5");
        assertEquals(0, gradus("convert", model.toString(), alone.toString()).status);
        Run listed = gradus("inspect", alone.toString());
        assertTrue(listed.out.contains("layers/batch_normalization_1/vars/3"), listed.out);
        Run unknown =
                gradus("convert", model.toString(), folder.resolve("x.tflite").toString());
        assertEquals(2, unknown.status);
        assertTrue(unknown.err.contains("--to"), unknown.err);
        unknown = gradus("convert", model.toString(), folder.resolve("x").toString(), "--to", "tflite");
        assertEquals(2, unknown.status);
        assertTrue(unknown.err.contains("keras3"), unknown.err);
        assertEquals(
                2, gradus("convert", model.toString(), folder.resolve("keras").toString()).status, "not empty");
        assertEquals(2, gradus("inspect", folder.resolve("nothing").toString()).status);
    }

    private static boolean sameClasses(Run a, Run b) {
        List<?> p = (List<?>) a.json().get("predictions");
        List<?> q = (List<?>) b.json().get("predictions");
        for (int i = 0; i < p.size(); i++) {
            var x = (Map<?, ?>) p.get(i);
            var y = (Map<?, ?>) q.get(i);
            if (!x.get("index").equals(y.get("index"))
                    || Math.abs((Double) x.get("probability") - (Double) y.get("probability")) > 1e-5) {
                return false;
            }
        }
        return p.size() == q.size();
    }

    /** Labels in each form that such lists come in. */
    @Test
    void whatAFileDoesNotSayIsGivenByOptions() throws IOException {
        String picture = pictureFile("labelled.png").toString();
        Path labels = folder.resolve("labels");
        for (String text : List.of(
                "a\nb\nc\nd\ne\nf\n",
                "[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]",
                "\ufeffa\r\nb\r\nc\r\nd\r\ne\r\nf\r\n",
                "\ufeff[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]",
                "{\"0\": [\"n1\", \"a\"], \"1\": \"b\", \"2\": \"c\", \"3\": \"d\", \"4\": \"e\", \"5\": \"f\"}")) {
            Files.writeString(labels, text);
            Run run = gradus(
                    "predict",
                    model.toString(),
                    picture,
                    "--labels",
                    labels.toString(),
                    "-k",
                    "6",
                    "--preprocess",
                    "tf");
            assertEquals(0, run.status, run.err);
            assertTrue(run.out.contains(" a ") && run.out.contains(" f "), run.out);
        }
        Files.writeString(labels, "a\nb\n");
        Run run = gradus("predict", model.toString(), picture, "--labels", labels.toString());
        assertEquals(2, run.status);
        assertTrue(run.err.contains("2 labels"), run.err);
        Files.write(labels, "\u00e4\nb\n".getBytes(StandardCharsets.ISO_8859_1));
        run = gradus("predict", model.toString(), picture, "--labels", labels.toString());
        assertEquals(2, run.status);
        assertTrue(run.err.contains("UTF-8"), run.err);
        assertEquals(2, gradus("predict", model.toString(), picture, "--input", "big").status);
        run = gradus("predict", model.toString(), picture, "--input", "0x0");
        assertEquals(2, run.status);
        assertTrue(run.err.contains("--input must have sides of 1 pixel or more, not '0x0'"), run.err);
        assertEquals(2, gradus("predict", model.toString(), picture, "--preprocess", "vgg").status);
    }

    @Test
    void equalRunsHaveEqualFilesAndResumeAddsEpochs() throws IOException {
        Path whole = folder.resolve("whole");
        Path parts = folder.resolve("parts");
        String[] fixed = with(TINY, "--optimizer", "sgd", "--warm-up", "0", "-q");
        assertEquals(0, gradus(with(fixed, "--out", whole.toString())).status);
        assertEquals(0, gradus(with(fixed, "--out", parts.toString())).status);
        assertEquals(-1, Files.mismatch(whole.resolve("model.safetensors"), parts.resolve("model.safetensors")));
        Run again = gradus("train", "--resume", "--out", parts.toString(), "--epochs", "2", "-q");
        assertEquals(0, again.status, again.err);
        assertEquals(3, Files.readAllLines(parts.resolve("history.csv")).size());
        Run changed = gradus("train", "--resume", "--out", parts.toString(), "--batch", "5");
        assertEquals(2, changed.status);
        assertTrue(changed.err.contains("--batch cannot be changed"), changed.err);
        for (String other : List.of("generated:25", "signs:x")) {
            changed = gradus("train", "--resume", "--out", parts.toString(), "--data", other);
            assertEquals(2, changed.status);
            assertTrue(changed.err.contains("was trained on generated:24, not on " + other), changed.err);
        }
        for (String same : List.of("generated:24", "generated")) {
            Run done = gradus("train", "--resume", "--out", parts.toString(), "--data", same, "--epochs", "2", "-q");
            assertEquals(0, done.status, done.err);
        }
    }

    /** Options that are not among the settings of a resumption: they are in the model's file in another way. */
    @Test
    void optimizerAndMomentumAreThoseAskedForAfterAResumptionToo() {
        Path out = folder.resolve("adamw");
        Run run = gradus(with(TINY, "--optimizer", "adamw", "--momentum", "0.5", "-q", "--out", out.toString()));
        assertEquals(0, run.status, run.err);
        assertEquals(0, gradus("train", "--resume", "--epochs", "2", "-q", "--out", out.toString()).status);
        Checkpoint file = Checkpoint.load(out.resolve("model.safetensors"));
        assertEquals(2, file.history().epochs().size());
        assertTrue(file.metadata().get(Checkpoint.ARCHITECTURE).contains("\"momentum\":0.5"));
        assertFalse(file.metadata().get(Checkpoint.ARCHITECTURE).contains("\"momentum\":0.9"));
        assertEquals(
                WeightDecay.ofKernels(0.004),
                assertInstanceOf(AdamW.class, file.optimizer()).weightDecay());
        Run without = gradus(with(TINY, "--optimizer", "AdamW", "--weight-decay", "0", "-q", "--out", out.toString()));
        assertEquals(0, without.status, without.err);
        file = Checkpoint.load(out.resolve("model.safetensors"));
        assertEquals(
                0, assertInstanceOf(AdamW.class, file.optimizer()).weightDecay().rate());
    }

    /** Two epochs of CIFAR-10: the first with pictures of 20 x 20, unless a size was asked for. */
    @Test
    void theFirstEpochsHaveSmallPictures() throws IOException {
        Path train = cifar("train.bin", 40);
        Path test = cifar("test.bin", 8);
        String[] cifar = {"train", "--data", "cifar10:" + train + "," + test, "--epochs", "2", "--batch", "16"};
        Run small = gradus(with(cifar, "--out", folder.resolve("small").toString()));
        assertEquals(0, small.status, small.err);
        assertTrue(small.out.contains("2 epochs of batches of 16, the first 1 with pictures of 20 x 20"), small.out);
        Run large = gradus(
                with(cifar, "--size", "32", "--out", folder.resolve("large").toString()));
        assertEquals(0, large.status, large.err);
        assertFalse(large.out.contains("20 x 20"), large.out);
        List<Double> losses = Stream.of("small", "large")
                .map(run -> Checkpoint.load(folder.resolve(run).resolve("model.safetensors")))
                .map(file -> file.history().epochs().getFirst().values().get("loss"))
                .toList();
        assertNotEquals(losses.get(0), losses.get(1));
    }

    private static Path cifar(String name, int records) throws IOException {
        var bytes = new byte[records * 3073];
        new Random(records).nextBytes(bytes);
        for (int i = 0; i < records; i++) {
            bytes[i * 3073] = (byte) (i % 10);
        }
        return Files.write(folder.resolve(name), bytes);
    }

    @Test
    void benchPrintsALineACaseAndProfilesAddUp() {
        Run run = gradus("bench", "B_infer64_b32", "--seconds", "0.1");
        assertEquals(0, run.status, run.err);
        assertTrue(
                run.out.matches("peer=gradus case=B_infer64_b32 threads=\\d+ batch=32 img_per_s=[\\d.]+ p50_ms=[\\d.]+"
                        + " min_ms=[\\d.]+ reps=\\d+ gflops=[\\d.]+ vmhwm_mib=-?\\d+ # .*fma_peak=[\\d.]+.*\\R"),
                run.out);
        Run profile = gradus("bench", "B_infer64_b32", "--seconds", "0.1", "--json");
        assertEquals(0, profile.status, profile.err);
        double sum = 0;
        for (Object step : (List<?>) profile.json().get("steps")) {
            sum += ((Number) ((Map<?, ?>) step).get("ms")).doubleValue();
        }
        assertEquals(((Number) profile.json().get("ms")).doubleValue(), sum, 1e-6 * sum);
        assertEquals(2, gradus("bench", "Z_unknown").status);
    }

    @Test
    void benchOfAProductIsComparedAsCasesAre() throws IOException {
        String[] product = {"bench", "--matmul", "64", "--seconds", "0.1"};
        Run line = gradus(with(product, "--repeat", "2"));
        assertEquals(0, line.status, line.err);
        assertTrue(line.out.matches("(peer=gradus case=matmul64 threads=\\d+ .*\\R){2}"), line.out);
        Run json = gradus(with(product, "--json"));
        assertEquals(0, json.status, json.err);
        assertEquals("matmul64", json.json().get("case"));
        Path before = Files.writeString(folder.resolve("product.json"), json.out);
        Run compared = gradus(with(product, "--compare", before.toString(), "--limit", "100000"));
        assertEquals(0, compared.status, compared.err);
        assertTrue(compared.out.startsWith("matmul64, "), compared.out);
    }

    @Test
    void benchOfKernelsPrintsALineForEachConvolutionOfTheNetwork() {
        Run run = gradus("bench", "--kernels", "_s2$", "--threads", "1", "--seconds", "0.1");
        assertEquals(0, run.status, run.err);
        List<String> lines = run.out.lines().toList();
        assertEquals(7, lines.size(), run.out); // the stem, and two for each stage but the first
        for (String line : lines) {
            assertTrue(
                    line.matches("peer=gradus case=conv_fwd_\\dx\\d_\\d+_\\d+_\\d+_s2 threads=1 batch=1 gflops=[\\d.]+"
                            + " p50_ms=[\\d.]+ min_ms=[\\d.]+ reps=\\d+ # fma_peak=[\\d.]+ percent_of_peak=[\\d.]+ .*"),
                    line);
        }
        Run none = gradus("bench", "--kernels", "conv5", "--threads", "1");
        assertEquals(2, none.status);
        assertTrue(none.err.contains("no name matches 'conv5'; there are product_1024, "), none.err);
    }

    @Test
    void aLossThatIsNotFiniteIsOneLineAndLeavesNothing() {
        Path out = folder.resolve("nan");
        Run run = gradus(with(
                TINY,
                "--optimizer",
                "sgd",
                "--learning-rate",
                "1e30",
                "--warm-up",
                "0",
                "-q",
                "--out",
                out.toString()));
        assertEquals(2, run.status, run.err);
        assertTrue(run.err.contains("loss is"), run.err);
        assertEquals(1, run.err.strip().lines().count(), run.err);
        assertFalse(Files.exists(out));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "trian | unknown command",
                "train --epoch 3 | --epochs",
                "train --epochs none | --epochs",
                "train --epochs 0 | --epochs must be 1 or more",
                "train --data nothing:x | unknown data set",
                "train --data signs:/no/such/folder | no such file",
                "train --model resnet51 | no architecture",
                "train --precision int8 | float32, float64, tf32 or bf16",
                "train --backend quantum | no backend 'quantum'",
                "train --precision float64 --backend simd | float32 only",
                "train --resume --out /no/such/folder | nothing to resume",
                "train --threads 999999 | from 1 to 1024",
                "train --threads -1 | from 1 to 1024",
                "train --data generated:60 --examples 50 | generated:60 has the pictures it has",
                "train --out pom.xml | cannot make folder pom.xml: pom.xml exists already",
                "plot / | has neither",
                "explain x x.png --out / | must end in .png, not /",
                "bench train224_b99999 | at most 14266 pictures",
                "bench --kernels 1x1 --profile | goes without --profile",
                "bench --kernels --matmul 8 | goes without --matmul",
                "bench --matmul 8 B_infer64_b32 --recompute | goes without B_infer64_b32, --recompute",
                "bench --matmul 0 | from 1 to 32768",
                "evaluate /no/such/model | no such file",
                "predict /no/such/model x.png | no such file",
                "summary --input 8x8x3 | does not fit",
                "summary --input large | 224x224x3",
                "golden /no/such/folder | not a folder"
            })
    void mistakesAreOneLineAndStatus2(String args, String message) {
        Run run = gradus(args.strip().split(" "));
        assertEquals(2, run.status, run.err);
        assertTrue(run.err.startsWith("gradus: "), run.err);
        assertTrue(run.err.contains(message.strip()), run.err);
        assertEquals(1, run.err.strip().lines().count(), run.err);
        assertTrue(run.out.isEmpty(), run.out);
    }

    /** An exception that nobody expected is said to be one, in one line. */
    @Test
    void mistakesOfGradusAreStatus70() {
        var broken = new PrintWriter(new StringWriter()) {
            @Override
            public void println(String text) {
                throw new IllegalStateException("broken");
            }
        };
        var err = new StringWriter();
        assertEquals(70, Main.run(broken, new PrintWriter(err, true), "summary", "--list"));
        assertTrue(
                err.toString().startsWith("gradus: internal error: java.lang.IllegalStateException: broken"),
                err::toString);
        assertEquals(1, err.toString().lines().count(), err::toString);
    }

    /** Names out of files neither steer the terminal nor fill it. */
    @Test
    void inspectShowsNamesThatAreSafe() throws IOException {
        Path file = folder.resolve("names.safetensors");
        var tensors = new LinkedHashMap<String, Tensor>();
        tensors.put("a\u001b[2J\nb", Tensor.scalar(1));
        tensors.put("x".repeat(100_000), Tensor.scalar(2));
        Safetensors.write(file, Map.of("k\u009b1m", "v\u001b[0m"), tensors);
        Run run = gradus("inspect", file.toString());
        assertEquals(0, run.status, run.err);
        assertTrue(run.out.contains("a\\u001b[2J\\u000ab ") && run.out.contains("k\\u009b1m: v\\u001b[0m"), run.out);
        assertTrue(
                run.out.length() < 1000 && run.out.codePoints().allMatch(c -> c == '\n' || c == '\r' || c >= 32),
                run.out);
        assertTrue(gradus("inspect", file.toString(), "--json").out.contains("x".repeat(100_000)));
    }

    @Test
    void debugShowsWhere() {
        assertTrue(gradus("evaluate", "/no/such/model", "--debug").err.contains("\tat gradus.app"));
    }

    @Test
    void truncatedModelsAreRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(model.resolve("model.safetensors"));
        Path cut = folder.resolve("cut.safetensors");
        Files.write(cut, Arrays.copyOf(bytes, bytes.length - 1));
        Run run = gradus("evaluate", cut.toString());
        assertEquals(2, run.status);
        assertTrue(run.err.contains("cut.safetensors"), run.err);
    }

    @Test
    void summaryPlotListingAndDoctor() throws IOException {
        assertTrue(gradus("summary").out.contains("Total params: 23,600,006"));
        assertTrue(gradus("summary", model.toString()).out.contains("Trainable params"));
        Path svg = folder.resolve("x.svg");
        assertEquals(0, gradus("plot", model.toString(), svg.toString()).status);
        assertTrue(Files.readString(svg).contains("<svg"));
        assertTrue(gradus("listing", model.toString()).out.contains("Conv2DKernelGradient"));
        assertTrue(gradus("doctor").out.contains("backend reference float64"));
        assertTrue(gradus("--help").out.contains("Exit status"));
    }
}
