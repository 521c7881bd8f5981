package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.ChannelPadding;
import gradus.layers.Layer;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Which tensor of a file of Keras belongs to which weight of a model: by names, or by the numbers Keras 3 gives. */
final class KerasWeights {
    /** Beginnings of the names of an optimizer's state: {@code Adam/m/conv1/kernel}, {@code training/SGD/iter}. */
    private static final Set<String> OPTIMIZERS = Set.of(
            "optimizer",
            "optimizer_weights",
            "adam",
            "adamax",
            "adamw",
            "nadam",
            "amsgrad",
            "sgd",
            "momentum",
            "rmsprop",
            "adagrad",
            "adadelta",
            "adafactor",
            "ftrl",
            "lion",
            "lamb",
            "loss_scale_optimizer",
            "lossscaleoptimizer");

    /** A layer as Keras lists it, with the layers in it if it is a model. */
    record Listed(String type, String name, List<Listed> layers) {}

    private final String source;
    private final Model model;
    private final TensorSource tensors;
    private final Map<String, String> names;
    private final List<ModelWeight> weights;
    private final Set<String> ignored = new HashSet<>();

    /**
     * @param names what Keras calls a layer, or one of its weights, {@code layer/weight}, where that is another name than
     *     the model's: by the path of the layer, which begins with the models that it is in
     */
    KerasWeights(String source, Model model, TensorSource tensors, Map<String, String> names) {
        this.source = source;
        this.model = model;
        this.tensors = tensors;
        this.names = names;
        this.weights = model.weightList().stream()
                .filter(w -> !(w.initializer() instanceof KerasLayers.Fixed))
                .toList();
    }

    /** Tensors that no model needs: state of an optimizer, counts. */
    Set<String> ignored() {
        return ignored;
    }

    // ---- names ----

    /**
     * Keras's names are paths that end in layer and weight ({@code conv1/kernel}, {@code resnet50/conv1/kernel:0}). The
     * model's own name is taken if it is there; then the one that has most of its end in common with it; and if there is
     * none, the only one below a group named after the layer ({@code conv1/conv1_1/kernel:0}). A tensor belongs to one
     * weight, by the same rule: others that would take it have none, as where a tensor is missing and there is one of the
     * same layer in another model.
     */
    Map<String, Weights.Link> byName() {
        Set<String> own = new HashSet<>();
        weights.forEach(w -> own.addAll(List.of(path(w.name()))));
        Map<String, List<String>> byEnd = new HashMap<>();
        Map<String, String> exact = new HashMap<>();
        for (String tensor : tensors.names()) {
            String[] path = plain(tensor);
            exact.putIfAbsent(String.join("/", path), tensor);
            if (isState(path, own) || isCount(path)) {
                ignored.add(tensor);
                continue;
            }
            for (int i = Math.max(0, path.length - 8); i < path.length - 1; i++) {
                List<String> found =
                        byEnd.computeIfAbsent(path[i] + "/" + path[path.length - 1], k -> new ArrayList<>());
                if (found.isEmpty() || !found.getLast().equals(tensor)) {
                    found.add(tensor);
                }
            }
        }
        Map<String, List<ModelWeight>> takers = new HashMap<>();
        for (var weight : weights) {
            String found = found(path(weight.name()), exact, byEnd);
            if (found != null) {
                takers.computeIfAbsent(found, t -> new ArrayList<>()).add(weight);
            }
        }
        var links = new HashMap<String, Weights.Link>();
        takers.forEach((tensor, by) -> {
            ModelWeight weight = best(plain(tensor), by, w -> path(w.name()));
            if (weight != null) {
                ignored.remove(tensor);
                links.put(weight.name(), link(tensor, weight.shape()));
            }
        });
        ignore(paddings(model).stream().map(p -> found(path(p + "/kernel"), exact, byEnd)), links);
        return links;
    }

    /** Tensors, or null, are not needed where no weight is linked to them. */
    private void ignore(Stream<String> found, Map<String, Weights.Link> links) {
        Set<String> linked = links.values().stream().map(Weights.Link::tensor).collect(Collectors.toSet());
        found.filter(tensor -> tensor != null && !linked.contains(tensor)).forEach(ignored::add);
    }

    private static String found(String[] path, Map<String, String> exact, Map<String, List<String>> byEnd) {
        String found = exact.get(String.join("/", path));
        return found != null || path.length < 2
                ? found
                : best(
                        path,
                        byEnd.getOrDefault(path[path.length - 2] + "/" + path[path.length - 1], List.of()),
                        KerasWeights::plain);
    }

    /** Layers that are, for other programs, convolutions with kernels. */
    private static List<String> paddings(Model of) {
        var found = new ArrayList<String>();
        for (String name : of.layerNames()) {
            switch (of.layer(name)) {
                case Model inner -> paddings(inner).forEach(p -> found.add(name + "/" + p));
                case ChannelPadding p -> found.add(name);
                default -> {}
            }
        }
        return found;
    }

    /** The one candidate that has more in common with a path than all others, or null. */
    private static <T> T best(String[] path, List<T> candidates, Function<T, String[]> paths) {
        T best = null;
        int most = 0;
        boolean tie = false;
        for (T candidate : candidates.size() > 100 ? candidates.subList(0, 100) : candidates) {
            String[] other = paths.apply(candidate);
            int common = 2 * common(path, other)
                    + (other[0].equals(path[0]) ? 1 : 0) // the layer's group in .h5 files
                    + (Arrays.equals(path, other) ? 1 : 0);
            tie = common == most || tie && common < most;
            if (common > most) {
                most = common;
                best = candidate;
            }
        }
        return tie ? null : best;
    }

    private static boolean isState(String[] path, Set<String> own) {
        for (int i = 0; i < Math.min(2, path.length - 1); i++) {
            String plain = path[i].toLowerCase(Locale.ROOT).replaceAll("_\\d+$", "");
            if (OPTIMIZERS.contains(plain) && !own.contains(path[i])) {
                return true;
            }
        }
        return false;
    }

    /** How much a Normalization has seen. */
    private boolean isCount(String[] path) {
        int n = path.length;
        return n > 1 && path[n - 1].equals("count") && names.containsValue(path[n - 2] + "/mean");
    }

    /** The weight's name as Keras would write it. */
    private String[] path(String weight) {
        int end = weight.lastIndexOf('/');
        var path = new StringBuilder();
        for (int slash = weight.indexOf('/'), from = 0;
                slash < end;
                from = slash + 1, slash = weight.indexOf('/', from)) {
            path.append(called(weight, from, slash)).append('/');
        }
        String own = names.get(weight);
        int last = weight.lastIndexOf('/', end - 1) + 1;
        return plain(path + (own != null ? own : called(weight, last, end) + weight.substring(end)));
    }

    /** What Keras calls the layer whose name is there in a path. */
    private String called(String path, int from, int to) {
        return names.getOrDefault(path.substring(0, to), path.substring(from, to));
    }

    private static String[] plain(String name) {
        String plain = name.endsWith(":0") ? name.substring(0, name.length() - 2) : name;
        return plain.replace("depthwise_kernel", "kernel").split("/");
    }

    private static int common(String[] a, String[] b) {
        int n = 0;
        while (n < a.length && n < b.length && a[a.length - 1 - n].equals(b[b.length - 1 - n])) {
            n++;
        }
        return n;
    }

    /** Kernels of DepthwiseConv2D, (h, w, in, n), are here those of a convolution in groups, (h, w, 1, in n). */
    private Weights.Link link(String tensor, Shape wanted) {
        Shape found = tensors.shape(tensor);
        boolean depthwise = found.rank() == 4
                && wanted.rank() == 4
                && wanted.dim(2) == 1
                && found.size() == wanted.size()
                && found.slice(0, 2).equals(wanted.slice(0, 2));
        return new Weights.Link(tensor, depthwise ? Weights.Layout.RESHAPED : Weights.Layout.SAME);
    }

    // ---- weights with numbers instead of names ----

    /** @param padded whether a ChannelPadding is the convolution that {@link KerasTopology} makes of it */
    private static List<Listed> listed(Model model, boolean padded) {
        return model.layerNames(true).stream()
                .map(name -> {
                    Layer layer = model.layer(name);
                    String type = padded && layer instanceof ChannelPadding ? "Conv2D" : layer.type();
                    return new Listed(type, name, layer instanceof Model inner ? listed(inner, padded) : List.of());
                })
                .toList();
    }

    /** Whether there are kernels of convolutions for these layers too. */
    private boolean padded(NavigableMap<String, String> numbers, List<String> paddings) {
        long kernels = weights.stream()
                .filter(w -> w.name().endsWith("/kernel") && w.shape().rank() == 4)
                .count();
        long found = numbers.entrySet().stream()
                .filter(e -> e.getKey().startsWith("layers/")
                        && tensors.shape(e.getValue()).rank() == 4)
                .count();
        return found == kernels + paddings.size();
    }

    /**
     * Names of tensors such as {@code layers/conv2d_1/vars/0}, which Keras gives since 2.12 in {@code .keras} and
     * {@code .weights.h5}, without what versions and systems differ in; empty for other files.
     */
    NavigableMap<String, String> numbers() {
        var numbers = new TreeMap<String, String>();
        for (String tensor : tensors.names()) {
            String plain = tensor.replace('\\', '/').replace("_layer_checkpoint_dependencies/", "layers/");
            if (plain.contains("/vars/")) {
                numbers.put(plain, tensor);
            }
        }
        return numbers;
    }

    /**
     * Which of these tensors belongs to which weight. A layer's group is called by its class and the number of layers of
     * that class before it in Keras's list, whatever name it has; by its name only where there are no such groups.
     *
     * @param listed Keras's list, or null: then it follows from the model's connections
     * @param network what it is called, where there is no list
     */
    Map<String, Weights.Link> byNumber(List<Listed> listed, String network, NavigableMap<String, String> numbers) {
        Map<String, List<ModelWeight>> layers = new LinkedHashMap<>();
        for (var w : weights) {
            layers.computeIfAbsent(listedAs(w.name().substring(0, w.name().lastIndexOf('/'))), l -> new ArrayList<>())
                    .add(w);
        }
        Map<String, String> byClass = new HashMap<>();
        List<String> paddings = paddings(model);
        groups(listed != null ? listed : listed(model, padded(numbers, paddings)), "", "", numbers, byClass);
        Map<String, String> byName = new HashMap<>();
        layers.keySet().forEach(layer -> byName.put(layer, "layers/" + layer.replace("/", "/layers/")));
        Predicate<Map<String, String>> complete = groups ->
                layers.keySet().stream().allMatch(layer -> numbers.containsKey(groups.get(layer) + "/vars/0"));
        Map<String, String> groups = !complete.test(byClass) && complete.test(byName) ? byName : byClass;
        var links = new HashMap<String, Weights.Link>();
        layers.forEach((layer, list) -> {
            for (int i = 0; i < list.size(); i++) {
                String tensor = numbers.get(groups.get(layer) + "/vars/" + i);
                if (tensor != null) {
                    links.put(list.get(i).name(), link(tensor, list.get(i).shape()));
                }
            }
        });
        if (listed == null && groups == byClass) {
            checkOrder(network, links, numbers);
        }
        ignore(paddings.stream().map(p -> numbers.get(groups.get(p) + "/vars/0")), links);
        numbers.forEach((plain, tensor) -> { // of the optimizer, of metrics
            if (!plain.startsWith("layers/")) {
                ignored.add(tensor);
            }
        });
        return links;
    }

    /** The layer of Keras that this one is a part of, or itself. */
    private String listedAs(String layer) {
        int part = layer.lastIndexOf(KerasLayers.PART);
        return part > 0 && names.containsKey(layer + "/kernel") ? layer.substring(0, part) : layer;
    }

    /** {@code BatchNormalization} is {@code batch_normalization}. */
    static String group(String type) {
        return type.replaceAll("\\W+", "")
                .replaceAll("(.)([A-Z][a-z]+)", "$1_$2")
                .replaceAll("([a-z])([A-Z])", "$1_$2")
                .toLowerCase(Locale.ROOT);
    }

    private static void groups(
            List<Listed> layers,
            String path,
            String own,
            NavigableMap<String, String> numbers,
            Map<String, String> groups) {
        Map<String, Integer> counts = new HashMap<>();
        for (Listed layer : layers) {
            String base = path + "layers/" + group(layer.type);
            // 2.12 and 2.13 count a layer with weights twice
            int step = !present(base + "_1/", numbers) && present(base + "_2/", numbers) ? 2 : 1;
            int before = counts.merge(base, step, Integer::sum) - step;
            String group = before == 0 ? base : base + "_" + before;
            groups.put(own + layer.name, group);
            groups(layer.layers, group + "/", own + layer.name + "/", numbers, groups);
        }
    }

    private static boolean present(String start, NavigableMap<String, String> numbers) {
        String next = numbers.ceilingKey(start);
        return next != null && next.startsWith(start);
    }

    /**
     * All shapes of the model, but in another order: another model was saved, and where a shape fits it does so by chance.
     */
    private void checkOrder(String network, Map<String, Weights.Link> links, NavigableMap<String, String> numbers) {
        String first = null;
        var wanted = new ArrayList<String>();
        for (var w : weights) {
            wanted.add(w.shape().toString());
            Weights.Link link = links.get(w.name());
            if (first == null && link != null && !tensors.shape(link.tensor()).equals(w.shape())) {
                first = "tensor '" + link.tensor() + "' has shape " + tensors.shape(link.tensor()) + ", weight '"
                        + w.name() + "' needs " + w.shape();
            }
        }
        if (first == null) {
            return;
        }
        List<String> found = numbers.entrySet().stream()
                .filter(e -> e.getKey().startsWith("layers/"))
                .map(e -> tensors.shape(e.getValue()).toString())
                .sorted()
                .toList();
        Collections.sort(wanted);
        if (found.equals(wanted)) {
            throw new FormatException(
                    source + ": its tensors have the shapes of " + network + ", but in another order: " + first
                            + "; layers have the numbers of Keras's list, and the model that was saved is connected in"
                            + " another way; use its .keras file, which says how",
                    -1);
        }
    }
}
