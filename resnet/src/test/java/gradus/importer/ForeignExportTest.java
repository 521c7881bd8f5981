package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * ResNets as others export them: layer names drawn at random, any epsilon and size of input, with a head or without, in the
 * forms of Keras 2 and 3. What the imported model computes is compared with plain loops in float64 over the same nodes; these
 * loops share nothing with Gradus.
 */
class ForeignExportTest {
    private static final int EXPORTS = 120;

    @TempDir
    Path directory;

    /** A value of one picture, its channels last. */
    private record Image(int h, int w, int c, double[] v) {}

    /** A layer applied once. */
    private record Node(String type, String name, Map<String, Object> config, List<Node> inputs) {}

    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private final List<Node> nodes = new ArrayList<>();
    private final List<String> names = new ArrayList<>();
    private Random random;
    private boolean keras3;
    private double epsilon;

    static IntStream seeds() {
        return IntStream.range(0, EXPORTS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void isReadByItsTopology(int seed) throws IOException {
        random = new Random(seed);
        keras3 = random.nextBoolean();
        epsilon = new double[] {1e-3, 1.001e-5, 2e-5, 1e-5, 3e-4}[random.nextInt(5)];
        int h = 20 + random.nextInt(25);
        int w = 20 + random.nextInt(25);
        int c = random.nextInt(4) == 0 ? 1 : 3;
        Node in = node("InputLayer", Map.of());
        Node out = network(in, c);
        Map<String, Object> topology = topology(in, out, h, w, c);
        String prefix = List.of("", "resnet/", "a/b/", nodes.get(2).name + "/").get(random.nextInt(4));
        KerasTest.write(directory, Json.write(topology), weights, prefix, 1 << 12 + random.nextInt(8));

        Imported read = Importer.load(directory);
        assertEquals(weights.size(), read.report().matched().size());
        assertEquals(List.of(), read.report().unmatched());
        var x = new double[h * w * c];
        var floats = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            floats[i] = 2 * random.nextFloat() - 1;
            x[i] = floats[i];
        }
        var values = new HashMap<Node, Image>();
        values.put(in, new Image(h, w, c, x));
        double[] expected = value(out, values).v;
        float[] actual =
                read.model().predict(Tensor.of(Shape.of(1, h, w, c), floats)).floats();
        assertEquals(expected.length, actual.length);
        double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
        assertTrue(largest > 1e-3 && largest < 1e3, "a network that says nothing: " + largest);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(
                    expected[i],
                    actual[i],
                    1e-4,
                    "feature " + i + " of " + Files.readString(directory.resolve("model.json")));
        }
    }

    // ---- a network by chance ----

    private Node node(String type, Map<String, ?> config, Node... inputs) {
        String name;
        do { // Keras's own kind of name, a word, or one with a scope in it
            name = switch (random.nextInt(3)) {
                case 0 -> type.toLowerCase(Locale.ROOT) + "_" + random.nextInt(1000);
                case 1 -> Integer.toString(random.nextInt(Integer.MAX_VALUE), 36) + "_v1";
                default -> "stage" + random.nextInt(99) + "." + random.nextInt(99);
            };
        } while (names.contains(name));
        names.add(name);
        var node = new Node(type, name, new LinkedHashMap<>(config), List.of(inputs));
        nodes.add(node);
        return node;
    }

    private void weight(Node node, String name, double least, double most, int... shape) {
        weights.put(
                node.name + "/" + name,
                Nets.random(Shape.of(shape), least, most, new SplittableRandom(random.nextLong())));
    }

    private Node conv(Node x, int in, int filters, int kernel, int stride, String padding, String activation) {
        boolean bias = random.nextBoolean() || activation != null;
        var config = new LinkedHashMap<String, Object>();
        config.put("filters", filters);
        config.put("kernel_size", random.nextBoolean() || keras3 ? List.of(kernel, kernel) : kernel);
        config.put("strides", List.of(stride, stride));
        config.put("padding", padding);
        config.put("use_bias", bias);
        if (random.nextBoolean()) {
            config.put("data_format", "channels_last");
            config.put("dilation_rate", List.of(1, 1));
        }
        if (activation != null || random.nextBoolean()) {
            config.put("activation", activation == null ? "linear" : activation);
        }
        Node y = node("Conv2D", config, x);
        double most = Math.sqrt(6.0 / (in * kernel * kernel));
        weight(y, "kernel", -most, most, kernel, kernel, in, filters);
        if (bias) {
            weight(y, "bias", -0.2, 0.2, filters);
        }
        return y;
    }

    private Node norm(Node x, int c) {
        boolean scale = random.nextInt(4) > 0;
        var config = new LinkedHashMap<String, Object>(Map.of("epsilon", epsilon, "momentum", 0.9, "center", true));
        config.put("axis", keras3 ? -1 : random.nextBoolean() ? List.of(3) : 3);
        config.put("scale", scale);
        Node y = node(keras3 || random.nextBoolean() ? "BatchNormalization" : "BatchNormalizationV1", config, x);
        if (scale) {
            weight(y, "gamma", 0.5, 1.5, c);
        }
        weight(y, "beta", -0.2, 0.2, c);
        weight(y, "moving_mean", -0.2, 0.2, c);
        weight(y, "moving_variance", 0.5, 1.5, c);
        return y;
    }

    private Node relu(Node x) {
        return random.nextBoolean()
                ? node("ReLU", Map.of("negative_slope", 0.0, "threshold", 0.0), x)
                : node("Activation", Map.of("activation", "relu"), x);
    }

    private Node pad(Node x, int p) {
        Object padding = switch (random.nextInt(3)) {
            case 0 -> p;
            case 1 -> List.of(p, p);
            default -> List.of(List.of(p, p), List.of(p - 1 + random.nextInt(2), p));
        };
        return node("ZeroPadding2D", Map.of("padding", padding), x);
    }

    private Node network(Node in, int c) {
        boolean v2 = random.nextBoolean();
        boolean bottleneck = random.nextBoolean();
        int width = 4 + 4 * random.nextInt(3);
        int kernel = random.nextBoolean() ? 7 : 3;
        Node y = random.nextBoolean()
                ? conv(pad(in, kernel / 2), c, width, kernel, 2, "valid", null)
                : conv(in, c, width, kernel, 1 + random.nextInt(2), "same", null);
        y = v2 ? y : relu(norm(y, width));
        if (random.nextBoolean()) {
            y = node(
                    "MaxPooling2D",
                    Map.of("pool_size", List.of(3, 3), "strides", List.of(2, 2), "padding", "valid"),
                    pad(y, 1));
        }
        int now = width;
        for (int stage = 0; stage < 2; stage++) {
            int mid = width << stage;
            int out = bottleneck ? 2 * mid : mid;
            for (int block = 0; block < 1 + random.nextInt(2); block++) {
                int stride = block == 0 && stage > 0 ? 2 : 1;
                Node before = y;
                Node z = v2 ? relu(norm(y, now)) : y;
                Node shortcut =
                        stride > 1 || now != out ? conv(v2 ? z : before, now, out, 1, stride, "valid", null) : before;
                shortcut = v2 || shortcut == before ? shortcut : norm(shortcut, out);
                boolean first = random.nextBoolean(); // v1 or v1.5
                if (bottleneck) {
                    z = relu(norm(conv(z, now, mid, 1, first ? stride : 1, "valid", null), mid));
                    z = conv(z, mid, mid, 3, first ? 1 : stride, "same", null);
                    z = conv(relu(norm(z, mid)), mid, out, 1, 1, "valid", null);
                } else {
                    z = random.nextInt(4) == 0
                            ? conv(z, now, mid, 3, stride, "same", "relu")
                            : relu(norm(conv(z, now, mid, 3, stride, "same", null), mid));
                    z = conv(z, mid, out, 3, 1, "same", null);
                }
                z = v2 ? z : norm(z, out);
                y = random.nextBoolean() ? node("Add", Map.of(), shortcut, z) : node("Add", Map.of(), z, shortcut);
                y = v2 ? y : relu(y);
                now = out;
            }
        }
        y = v2 ? relu(norm(y, now)) : y;
        int head = random.nextInt(4);
        if (head == 0) {
            return y; // the feature map
        }
        boolean keep = random.nextBoolean();
        y = node("GlobalAveragePooling2D", keep ? Map.of("keepdims", true) : Map.of(), y);
        if (head == 1) {
            return y;
        }
        y = keep ? node("Flatten", Map.of(), y) : y;
        boolean fused = random.nextBoolean();
        Node dense = node("Dense", Map.of("units", 5, "use_bias", true, "activation", fused ? "softmax" : "linear"), y);
        weight(dense, "kernel", -0.5, 0.5, now, 5);
        weight(dense, "bias", -0.2, 0.2, 5);
        return fused
                ? dense
                : node(
                        random.nextBoolean() ? "Softmax" : "Activation",
                        Map.of("activation", "softmax", "axis", -1),
                        dense);
    }

    // ---- as Keras writes it ----

    private Map<String, Object> topology(Node in, Node out, int h, int w, int c) {
        var layers = new ArrayList<Object>();
        for (Node n : nodes) {
            var config = new LinkedHashMap<String, Object>();
            config.put("name", n.name);
            if (random.nextBoolean()) {
                config.put("trainable", random.nextBoolean());
            }
            n.config.forEach((key, value) -> config.put(key, value(key, value)));
            if (n == in) {
                var batch = new ArrayList<Object>(Arrays.asList(null, (long) h, (long) w, (long) c));
                config.put(keras3 ? "batch_shape" : "batch_input_shape", batch);
            }
            var layer = new LinkedHashMap<String, Object>();
            layer.put("class_name", n.type);
            if (keras3) {
                layer.put("module", "keras.layers");
                layer.put("registered_name", null);
                config.put(
                        "dtype",
                        Map.of("module", "keras", "class_name", "DTypePolicy", "config", Map.of("name", "float32")));
            }
            layer.put("name", n.name);
            layer.put("config", config);
            layer.put("inbound_nodes", n.inputs.isEmpty() ? List.of() : List.of(inbound(n)));
            layers.add(layer);
        }
        if (random.nextBoolean()) {
            Collections.shuffle(layers, random);
        }
        var config = new LinkedHashMap<String, Object>();
        config.put("name", "net" + random.nextInt(100));
        config.put("layers", layers);
        List<Object> first = List.of(in.name, 0L, 0L);
        List<Object> last = List.of(out.name, 0L, 0L);
        config.put("input_layers", keras3 ? first : List.of(first));
        config.put("output_layers", keras3 ? last : List.of(last));
        Map<String, Object> model = new LinkedHashMap<>(
                Map.of("class_name", keras3 || random.nextBoolean() ? "Functional" : "Model", "config", config));
        return random.nextInt(4) == 0 ? nested(model, h, w, c) : model;
    }

    /** The whole as one layer of another model, as a network used as a part is exported. */
    private Map<String, Object> nested(Map<String, Object> inner, int h, int w, int c) {
        String name = (String) ((Map<?, ?>) inner.get("config")).get("name");
        inner.put("name", name);
        var batch = new ArrayList<Object>(Arrays.asList(null, (long) h, (long) w, (long) c));
        var input = Map.of("class_name", "InputLayer", "config", Map.of("name", "outer", "batch_input_shape", batch));
        return Map.of("class_name", "Sequential", "config", Map.of("name", "whole", "layers", List.of(input, inner)));
    }

    private static Object number(Object value) {
        return value instanceof Integer i
                ? (Object) i.longValue()
                : value instanceof List<?> list
                        ? list.stream().map(ForeignExportTest::number).toList()
                        : value;
    }

    private Object value(String key, Object value) {
        return key.equals("activation") && keras3 && value.equals("relu") && random.nextBoolean()
                ? Map.of("module", "builtins", "class_name", "function", "config", "relu")
                : number(value);
    }

    private Object inbound(Node n) {
        if (!keras3) {
            return n.inputs.stream().map(x -> List.of(x.name, 0L, 0L, Map.of())).toList();
        }
        List<Object> tensors = n.inputs.stream()
                .<Object>map(x -> Map.of(
                        "class_name",
                        "__keras_tensor__",
                        "config",
                        Map.of("dtype", "float32", "keras_history", List.of(x.name, 0L, 0L))))
                .toList();
        return Map.of("args", n.type.equals("Add") ? List.of(tensors) : tensors, "kwargs", Map.of());
    }

    // ---- what it means: float64, one loop a definition ----

    private Image value(Node n, Map<Node, Image> values) {
        Image known = values.get(n);
        if (known != null) {
            return known;
        }
        List<Image> x = n.inputs.stream().map(i -> value(i, values)).toList();
        Image a = x.getFirst();
        Image y = switch (n.type) {
            case "Conv2D" -> activated(convolved(n, a), (String) n.config.get("activation"));
            case "BatchNormalization", "BatchNormalizationV1" -> normalized(n, a);
            case "ReLU" -> activated(a, "relu");
            case "Softmax" -> activated(a, "softmax");
            case "Activation" -> activated(a, (String) n.config.get("activation"));
            case "ZeroPadding2D" -> padded(a, n.config.get("padding"));
            case "MaxPooling2D" -> pooled(a);
            case "Add" -> sum(a, x.get(1));
            case "GlobalAveragePooling2D" -> mean(a);
            case "Flatten" -> new Image(1, 1, a.v.length, a.v);
            case "Dense" -> activated(dense(n, a), (String) n.config.get("activation"));
            default -> throw new AssertionError(n.type);
        };
        values.put(n, y);
        return y;
    }

    private Image convolved(Node n, Image x) {
        Tensor w = weights.get(n.name + "/kernel");
        int k = w.shape().dim(0);
        int filters = w.shape().dim(3);
        int s = (int) ((List<?>) n.config.get("strides")).get(0);
        boolean same = n.config.get("padding").equals("same");
        int h = same ? (x.h + s - 1) / s : (x.h - k) / s + 1;
        int width = same ? (x.w + s - 1) / s : (x.w - k) / s + 1;
        int top = same ? Math.max(0, (h - 1) * s + k - x.h) / 2 : 0;
        int left = same ? Math.max(0, (width - 1) * s + k - x.w) / 2 : 0;
        Tensor bias = weights.get(n.name + "/bias");
        var y = new double[h * width * filters];
        for (int i = 0; i < y.length; i++) {
            int f = i % filters;
            int row = i / filters / width * s - top;
            int column = i / filters % width * s - left;
            double sum = bias == null ? 0 : bias.get(f);
            for (int a = Math.max(0, -row); a < k && row + a < x.h; a++) {
                for (int b = Math.max(0, -column); b < k && column + b < x.w; b++) {
                    for (int c = 0; c < x.c; c++) {
                        sum += x.v[((row + a) * x.w + column + b) * x.c + c]
                                * w.get(((a * k + b) * x.c + c) * filters + f);
                    }
                }
            }
            y[i] = sum;
        }
        return new Image(h, width, filters, y);
    }

    private Image normalized(Node n, Image x) {
        var y = new double[x.v.length];
        Tensor gamma = weights.get(n.name + "/gamma");
        for (int i = 0; i < y.length; i++) {
            int c = i % x.c;
            double d = (x.v[i] - weights.get(n.name + "/moving_mean").get(c))
                    / Math.sqrt(weights.get(n.name + "/moving_variance").get(c) + epsilon);
            y[i] = d * (gamma == null ? 1 : gamma.get(c))
                    + weights.get(n.name + "/beta").get(c);
        }
        return new Image(x.h, x.w, x.c, y);
    }

    private static Image activated(Image x, String f) {
        double[] y = x.v.clone();
        if ("relu".equals(f)) {
            Arrays.setAll(y, i -> Math.max(0, x.v[i]));
        } else if ("softmax".equals(f)) {
            double sum = Arrays.stream(x.v).map(Math::exp).sum();
            Arrays.setAll(y, i -> Math.exp(x.v[i]) / sum);
        }
        return new Image(x.h, x.w, x.c, y);
    }

    private static Image padded(Image x, Object padding) {
        int top;
        int left;
        int bottom;
        int right;
        if (padding instanceof List<?> l && l.get(0) instanceof List<?> rows) {
            List<?> columns = (List<?>) l.get(1);
            top = (int) rows.get(0);
            bottom = (int) rows.get(1);
            left = (int) columns.get(0);
            right = (int) columns.get(1);
        } else {
            top = padding instanceof List<?> l ? (int) l.get(0) : (int) padding;
            bottom = top;
            left = top;
            right = top;
        }
        int w = x.w + left + right;
        var y = new double[(x.h + top + bottom) * w * x.c];
        for (int r = 0; r < x.h; r++) {
            System.arraycopy(x.v, r * x.w * x.c, y, ((r + top) * w + left) * x.c, x.w * x.c);
        }
        return new Image(x.h + top + bottom, w, x.c, y);
    }

    /** 3 x 3, stride 2, valid. */
    private static Image pooled(Image x) {
        int h = (x.h - 3) / 2 + 1;
        int w = (x.w - 3) / 2 + 1;
        var y = new double[h * w * x.c];
        Arrays.setAll(y, i -> {
            double most = Double.NEGATIVE_INFINITY;
            for (int k = 0; k < 9; k++) {
                int row = i / x.c / w * 2 + k / 3;
                int column = i / x.c % w * 2 + k % 3;
                most = Math.max(most, x.v[(row * x.w + column) * x.c + i % x.c]);
            }
            return most;
        });
        return new Image(h, w, x.c, y);
    }

    private static Image sum(Image a, Image b) {
        var y = new double[a.v.length];
        Arrays.setAll(y, i -> a.v[i] + b.v[i]);
        return new Image(a.h, a.w, a.c, y);
    }

    private static Image mean(Image x) {
        var y = new double[x.c];
        for (int i = 0; i < x.v.length; i++) {
            y[i % x.c] += x.v[i] / (x.h * x.w);
        }
        return new Image(1, 1, x.c, y);
    }

    private Image dense(Node n, Image x) {
        Tensor w = weights.get(n.name + "/kernel");
        int units = w.shape().dim(1);
        var y = new double[units];
        Arrays.setAll(y, u -> {
            double sum = weights.get(n.name + "/bias").get(u);
            for (int i = 0; i < x.v.length; i++) {
                sum += x.v[i] * w.get(i * units + u);
            }
            return sum;
        });
        return new Image(1, 1, units, y);
    }
}
