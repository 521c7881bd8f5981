package gradus.importer;

import gradus.data.Preprocess;
import gradus.io.FormatException;
import gradus.io.Safetensors;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.Model;
import gradus.resnet.Filters;
import gradus.resnet.Naming;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.resnet.Stage;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Weights with the names of torchvision's ResNets ({@code layer1.0.conv1.weight}) and of the CIFAR ResNets that follow
 * it ({@code linear.weight} for the classifier, no projections). The file has no architecture; it is read off the
 * tensors: kinds, numbers and widths of blocks.
 *
 * <p>PyTorch's layouts are kernels (out, in, h, w) and dense weights (out, in). A batch norm's {@code weight, bias,
 * running_mean, running_var} are gamma, beta, moving mean and moving variance; {@code num_batches_tracked} is of no use.
 */
final class Torchvision {
    private static final String CLASSIFIER = "fc";

    private Torchvision() {}

    static boolean recognizes(Set<String> names) {
        return names.stream()
                .map(Torchvision::plain)
                .toList()
                .containsAll(List.of("conv1.weight", "layer1.0.conv1.weight"));
    }

    /** Without the prefix of a model trained on several devices, and under torchvision's names. */
    private static String plain(String name) {
        String s = name.startsWith("module.") ? name.substring("module.".length()) : name;
        return s.startsWith("linear.")
                ? CLASSIFIER + s.substring("linear".length())
                : s.replace(".shortcut.", ".downsample.");
    }

    static Imported read(String source, TensorSource tensors, Map<String, String> metadata, ImportOptions options) {
        Map<String, String> byPlain = new HashMap<>();
        for (String name : tensors.names()) {
            String other = byPlain.put(plain(name), name);
            if (other != null) {
                throw new FormatException(
                        source + ": tensors '" + other + "' and '" + name + "' are both '" + plain(name) + "'", -1);
            }
        }
        ResNet network;
        boolean head = byPlain.containsKey(CLASSIFIER + ".weight");
        try {
            network = options.model() != null ? ResNets.byName(options.model()) : network(source, tensors, byPlain);
            if (head) {
                network = network.classes(
                        tensors.shape(byPlain.get(CLASSIFIER + ".weight")).dim(0));
            }
            if (options.height() != null) {
                network = network.input(options.height(), options.width(), 3);
            }
            Model model = model(network, head);
            Report report = Weights.assign(source, model, tensors, links(model, byPlain), ignored(tensors.names()));
            if (!report.unmatched().isEmpty()) {
                throw new FormatException(
                        source + ": tensors without a place in " + network.name() + ": "
                                + report.unmatched().stream().limit(10).toList()
                                + "; the file is of another architecture",
                        -1);
            }
            return Importer.imported(source, model, Format.TORCHVISION, metadata, Preprocess.TORCH, options, report);
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(source + ": " + e.getMessage(), -1, e);
        }
    }

    /** Logits in a layer of their own, as the files have them, and their softmax; or features, without a classifier. */
    static Model model(ResNet network, boolean head) {
        Model logits = network.blocks(network.blocks().naming(Naming.TORCH))
                .logits(true)
                .build();
        if (!head) {
            return logits.upTo("avgpool").named(network.name());
        }
        LayerOutput y =
                logits.outputs().getFirst().then(Activation.of("softmax").named("softmax"));
        return Model.of(network.name(), logits.inputs().getFirst(), y);
    }

    /** The network that has these tensors. */
    private static ResNet network(String source, TensorSource tensors, Map<String, String> names) {
        var depths = new ArrayList<Integer>();
        while (names.containsKey("layer" + (depths.size() + 1) + ".0.conv1.weight")) {
            int blocks = 1;
            while (names.containsKey("layer" + (depths.size() + 1) + "." + blocks + ".conv1.weight")) {
                blocks++;
            }
            depths.add(blocks);
        }
        Shape stem = kernel(source, tensors, names, "conv1.weight");
        boolean cifar = stem.dim(2) == 3;
        boolean bottleneck = names.containsKey("layer1.0.conv3.weight");
        if (depths.size() != (cifar ? 3 : 4) || cifar && bottleneck) {
            throw new FormatException(
                    source + ": stages of " + depths + " blocks behind a convolution of " + stem.dim(2) + " x "
                            + stem.dim(3) + " are no ResNet known here; name the architecture with --model",
                    -1);
        }
        ResNet known = ResNets.byName(cifar ? "resnet20" : bottleneck ? "resnet50v1.5" : "resnet18");
        if (cifar && names.containsKey("layer2.0.downsample.0.weight")) {
            known = known.kind(ResNet.Kind.BASIC);
        }
        int layers = depths.stream().mapToInt(d -> d).sum() * (bottleneck ? 3 : 2) + 2;
        ResNet network = known.name("resnet" + layers + (bottleneck ? "v1.5" : ""));
        for (int i = 0; i < depths.size(); i++) {
            String block = "layer" + (i + 1) + ".0.conv";
            int first = kernel(source, tensors, names, block + "1.weight").dim(0);
            int middle = kernel(source, tensors, names, block + "2.weight").dim(0);
            int last = bottleneck
                    ? kernel(source, tensors, names, block + "3.weight").dim(0)
                    : middle;
            network = network.stage(i + 2, Stage.of(Filters.of(first, middle, last), depths.get(i), i == 0 ? 1 : 2));
        }
        return network;
    }

    private static Shape kernel(String source, TensorSource tensors, Map<String, String> names, String name) {
        Shape shape = names.containsKey(name) ? tensors.shape(names.get(name)) : null;
        if (shape == null || shape.rank() != 4) {
            throw new FormatException(
                    source + ": tensor '" + name + "' should be a kernel (out, in, h, w), "
                            + (shape == null ? "but is missing" : "not " + shape),
                    -1);
        }
        return shape;
    }

    /** By name of the weight: {@code layer1.0.conv1/kernel} is {@code layer1.0.conv1.weight}. */
    private static Map<String, Weights.Link> links(Model model, Map<String, String> byPlain) {
        var links = new HashMap<String, Weights.Link>();
        for (var weight : model.weightList()) {
            int slash = weight.name().lastIndexOf('/');
            Layer layer = model.layer(weight.name().substring(0, slash));
            String tensor = byPlain.get(weight.name().substring(0, slash) + "."
                    + torchName(weight.name().substring(slash + 1)));
            if (tensor != null) {
                links.put(weight.name(), new Weights.Link(tensor, layout(layer, weight.name())));
            }
        }
        return links;
    }

    static String torchName(String weight) {
        return switch (weight) {
            case "kernel", "gamma" -> "weight";
            case "bias", "beta" -> "bias";
            case "moving_mean" -> "running_mean";
            case "moving_variance" -> "running_var";
            default -> weight;
        };
    }

    static Weights.Layout layout(Layer layer, String weight) {
        return !weight.endsWith("/kernel") || layer instanceof BatchNormalization
                ? Weights.Layout.SAME
                : layer instanceof Conv2D
                        ? Weights.Layout.OIHW
                        : layer instanceof Dense ? Weights.Layout.OI : Weights.Layout.SAME;
    }

    // ---- writing ----

    /** @throws GradusException if the model is none of those that such files are for */
    static void write(Model model, Map<String, String> metadata, Path file) {
        Twin found = twin(model);
        Model twin = found.model;
        var tensors = new LinkedHashMap<String, Tensor>();
        Map<String, Tensor> weights = model.weights();
        Map<String, String> layers = found.layers(model);
        boolean cifar = twin.name().equals(CIFAR);
        for (var weight : twin.weightList()) {
            int slash = weight.name().lastIndexOf('/');
            String layer = weight.name().substring(0, slash);
            Tensor value = weights.get(layers.get(layer) + weight.name().substring(slash));
            String name = (cifar && layer.equals(CLASSIFIER) ? "linear" : layer) + "."
                    + torchName(weight.name().substring(slash + 1));
            Shape s = value.shape();
            tensors.put(
                    name,
                    switch (layout(twin.layer(layer), weight.name())) {
                        case OIHW ->
                            Tensor.of(
                                    Shape.of(s.dim(3), s.dim(2), s.dim(0), s.dim(1)),
                                    Weights.Layout.back(value, s.dim(3), s.dim(2), s.dim(0) * s.dim(1)));
                        case OI ->
                            Tensor.of(Shape.of(s.dim(1), s.dim(0)), Weights.Layout.back(value, s.dim(1), s.dim(0), 1));
                        default -> value;
                    });
        }
        var all = new LinkedHashMap<>(metadata);
        all.put("format", "pt"); // as PyTorch's own writers say
        Safetensors.write(file, all, tensors);
    }

    private static final String CIFAR = "cifar";

    /**
     * The same network under torchvision's names.
     *
     * @param byDepth whether the two have their layers in the same order as Keras lists them, in which {@code .keras} files have
     *     them, or else as they were applied
     */
    private record Twin(Model model, boolean byDepth) {
        /** The other's layer for each of the twin's that has weights. */
        Map<String, String> layers(Model other) {
            var layers = new HashMap<String, String>();
            Iterator<String> names = weighted(other).iterator();
            weighted(model).forEach(name -> layers.put(name, names.next()));
            return layers;
        }

        private List<String> weighted(Model m) {
            return m.layerNames(byDepth).stream()
                    .filter(name -> m.layer(name) instanceof Conv2D
                            || m.layer(name) instanceof BatchNormalization
                            || m.layer(name) instanceof Dense)
                    .toList();
        }
    }

    private static Twin twin(Model model) {
        List<Step> applied = structure(model, false);
        List<Step> listed = structure(model, true);
        var networks = new ArrayList<ResNet>();
        ResNets.names().forEach(name -> networks.add(ResNets.byName(name)));
        int convolutions = (int) model.layerNames().stream()
                .filter(name -> model.layer(name) instanceof Conv2D)
                .count();
        if (convolutions > 1 && (convolutions - 1) % 6 == 0) {
            networks.add(ResNets.cifar(convolutions + 1)); // of any depth
        }
        for (ResNet one : networks) {
            ResNet network = one;
            boolean cifar = network.begin() == ResNet.Begin.CIFAR;
            if (!cifar && !(network.blocks().symmetric() && network.begin() == ResNet.Begin.IMAGENET)
                    || model.inputShapes().size() != 1
                    || model.inputShapes().getFirst().rank() != 3) {
                continue;
            }
            network = network.name(cifar ? CIFAR : one.name())
                    .input(model.inputShapes().getFirst());
            Shape output = model.outputShapes().getFirst();
            boolean head = output.rank() == 1 && applied.stream().anyMatch(s -> s.layer instanceof Dense);
            for (ResNet kind : cifar ? List.of(network, network.kind(ResNet.Kind.BASIC)) : List.of(network)) {
                try {
                    Model twin = model(head ? kind.classes(output.dim(0)) : kind, head);
                    boolean same = structure(twin, false).equals(applied);
                    if (same || structure(twin, true).equals(listed)) {
                        return new Twin(twin.named(network.name()), !same);
                    }
                } catch (ShapeException e) {
                    // the pictures are too small for this one
                }
            }
        }
        throw new GradusException(
                "model '" + model.name() + "' is none of the ResNets that torchvision has (18, 34, and 50,"
                        + " 101, 152 of version 1.5) and no CIFAR ResNet: its layers, activations or connections are"
                        + " others; write it as ONNX or in Gradus's own format");
    }

    /** What a layer does, and what it reads. */
    private record Step(Object layer, List<Operand> reads) {}

    /**
     * What is read: a step's result, counted from 0, or -1 for the model's input, and the functions on the way from there, of
     * activations of their own or inside of that step's layer.
     */
    private record Operand(int step, List<ActivationFunction> functions) {}

    /**
     * Layers in order and how they are connected, without names and settings of training; last what the model yields, but for
     * a softmax at its end. Empty for a model of another kind: with layers other than activations that are called several times, or
     * models in it.
     */
    private static List<Step> structure(Model model, boolean byDepth) {
        Map<?, ?> config = model.config();
        var calls = new HashMap<Object, List<?>>();
        for (Object entry : (List<?>) config.get("layers")) {
            var layer = (Map<?, ?>) entry;
            calls.put(layer.get("name"), (List<?>) layer.get("calls"));
        }
        var counts = new HashMap<Object, Integer>();
        var described = new LinkedHashMap<String, Object>();
        for (String name : model.layerNames(byDepth)) {
            Layer layer = model.layer(name);
            Object step = switch (layer) {
                case Input i -> null;
                case Activation a -> null;
                case Flatten f -> null; // of one pixel, where the average kept its axes
                case GlobalAveragePooling2D g -> GlobalAveragePooling2D.of();
                case Conv2D c -> List.of("conv", c.filters(), c.geometry(), c.groups(), c.bias());
                case BatchNormalization b -> List.of("bn", b.epsilon(), b.center(), b.scale());
                case Dense d -> Dense.of(d.units()).bias(d.bias());
                case Layer other -> other.named(null);
            };
            boolean again = step != null && calls.get(name).size() > 1;
            if (layer instanceof Model || again) {
                return List.of();
            }
            counts.put(name, step == null ? -1 : described.size());
            if (step != null) {
                described.put(name, step);
            }
        }
        var steps = new ArrayList<Step>();
        described.forEach((name, step) -> {
            var reads = new ArrayList<Operand>();
            for (Object reference : (List<?>) calls.get(name).getFirst()) {
                reads.add(operand(model, calls, counts, (List<?>) reference));
            }
            if (model.layer(name) instanceof Add) { // in any order
                reads.sort(Comparator.comparing(Operand::step).thenComparing(o -> o.functions.toString()));
            }
            steps.add(new Step(step, reads));
        });
        var yields = new ArrayList<Operand>();
        for (Object reference : (List<?>) config.get("outputs")) {
            Operand y = operand(model, calls, counts, (List<?>) reference);
            boolean softmax = !y.functions.isEmpty() && y.functions.getLast().equals(ActivationFunction.SOFTMAX);
            yields.add(softmax ? new Operand(y.step, y.functions.subList(0, y.functions.size() - 1)) : y);
        }
        steps.add(new Step("outputs", yields));
        return steps;
    }

    private static Operand operand(Model model, Map<?, List<?>> calls, Map<?, Integer> counts, List<?> reference) {
        var functions = new ArrayList<ActivationFunction>();
        List<?> from = reference; // layer, call, output
        Layer layer = model.layer((String) from.getFirst());
        while (layer instanceof Activation || layer instanceof Flatten) {
            if (layer instanceof Activation a) {
                functions.addFirst(a.function());
            }
            int call = ((Number) from.get(1)).intValue();
            from = (List<?>) ((List<?>) calls.get(from.getFirst()).get(call)).getFirst();
            layer = model.layer((String) from.getFirst());
        }
        switch (layer) {
            case Conv2D c -> functions.addFirst(c.activation());
            case Dense d -> functions.addFirst(d.activation());
            default -> {}
        }
        functions.removeIf(f -> f == ActivationFunction.LINEAR);
        return new Operand(counts.get(from.getFirst()), functions);
    }

    private static Set<String> ignored(Set<String> names) {
        var ignored = new HashSet<>(names);
        ignored.removeIf(n -> !n.endsWith(".num_batches_tracked"));
        return ignored;
    }
}
