package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.Reshape;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What the names of a graph stand for while its nodes are read one by one, and the parts of a node. */
abstract class OnnxGraph {
    /**
     * What a name stands for.
     *
     * @param picture whether ONNX's axes are (n, c, h, w); x has (h, w, c) then
     * @param maps of a vector made of pictures, their shape (h, w, c): ONNX has the values of the first channel first, x those
     *     of the first pixel; otherwise null
     * @param nonNegative whether no value can be below 0, so that padding with zeros does not change a maximum
     */
    record Value(LayerOutput x, boolean picture, Shape maps, boolean nonNegative) {
        Value(LayerOutput x, boolean picture, boolean nonNegative) {
            this(x, picture, null, nonNegative);
        }

        /** What a layer makes of it that leaves the axes as they are. */
        Value with(LayerOutput y, boolean nonNegative) {
            return new Value(y, picture, maps, nonNegative);
        }

        Shape shape() {
            return x.shape();
        }

        /** A sample's extents as ONNX has them. */
        int[] extents() {
            int[] s = shape().toArray();
            return picture ? new int[] {s[2], s[0], s[1]} : s;
        }

        /** A picture of one pixel is a vector in any order of axes. */
        boolean pixel() {
            return shape().rank() == 3 && shape().dim(0) == 1 && shape().dim(1) == 1;
        }

        /** Whether the values are in ONNX's order. */
        boolean ordered() {
            return maps == null && (!picture || pixel() || shape().dim(2) == 1);
        }
    }

    final String source;
    final OnnxFile file;
    final OnnxConstants constants;
    final Map<String, Value> values = new HashMap<>();
    final Map<String, Weights.Link> links = new HashMap<>();
    private final Map<String, List<OnnxFile.Node>> readers = new HashMap<>();
    private final Set<OnnxFile.Node> done = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<String> layerNames = new HashSet<>();
    private final Map<String, Integer> counts = new HashMap<>();

    /** The node being read. */
    OnnxFile.Node node;

    OnnxGraph(String source, OnnxFile file, OnnxConstants constants) {
        this.source = source;
        this.file = file;
        this.constants = constants;
        checkNames();
        for (OnnxFile.Node n : file.nodes()) {
            n.inputs()
                    .forEach(i ->
                            readers.computeIfAbsent(i, k -> new ArrayList<>()).add(n));
        }
    }

    /** Every value has one origin: an input, a tensor of the file, or a node. */
    private void checkNames() {
        var names = new HashSet<String>(file.initializers().keySet());
        for (OnnxFile.Input input : file.inputs()) {
            if (!names.add(input.name())) {
                throw new FormatException(source + ": input '" + Config.text(input.name()) + "' occurs twice", -1);
            }
        }
        for (OnnxFile.Node n : file.nodes()) {
            for (String output : n.outputs()) {
                if (!output.isEmpty() && !names.add(output)) {
                    node = n;
                    throw error("yields '" + Config.text(output)
                            + "', which is already the name of an input, a tensor, or what another node yields");
                }
            }
        }
    }

    FormatException error(String what) {
        return new FormatException(source + ": " + node.where() + ": " + what, -1);
    }

    // ---- a node's parts ----

    String input(int i) {
        if (i >= node.inputs().size()) {
            throw error("has " + node.inputs().size() + " inputs, too few");
        }
        return node.inputs().get(i);
    }

    boolean has(int input) {
        return node.inputs().size() > input && !node.inputs().get(input).isEmpty();
    }

    String output() {
        return output(node);
    }

    private String output(OnnxFile.Node of) {
        if (of.outputs().isEmpty()) {
            throw error("has no output");
        }
        return of.outputs().getFirst();
    }

    Value value(int i) {
        Value x = values.get(input(i));
        if (x == null) {
            throw error(
                    constants.get(input(i)) != null
                            ? "computes with the constant '" + input(i) + "', which cannot be read"
                            : "reads '" + input(i) + "', which no node before it yields");
        }
        return x;
    }

    Value picture(int i) {
        return picture(value(i));
    }

    /** As a picture with channels first; three axes become one if no value has to move for that. */
    Value picture(Value x) {
        int[] s = x.extents();
        if (x.picture) {
            return x;
        }
        if (s.length != 3 || s[0] != 1 && (s[1] != 1 || s[2] != 1)) {
            throw error("takes pictures (n, c, h, w), not " + x.shape());
        }
        Layer layer = Reshape.of(s[1], s[2], s[0]);
        return new Value(layer.named(unique(name(node) + "_picture")).apply(x.x), true, x.nonNegative);
    }

    OnnxArray weight(int i) {
        OnnxArray array = constants.get(input(i));
        if (array == null) {
            throw error("'" + input(i) + "' should be a tensor of the file");
        }
        return array;
    }

    /** A constant that is a setting, no weight. */
    OnnxArray setting(int i) {
        OnnxArray array = weight(i);
        constants.settings().add(array.name);
        if (array.size() > 64) {
            throw error("'" + input(i) + "' should be a few numbers, not " + array.size());
        }
        return array;
    }

    void link(String layer, String weight, OnnxArray tensor, Weights.Layout layout) {
        if (tensor != null) {
            links.put(layer + "/" + weight, new Weights.Link(tensor.name, layout, Shape.of(tensor.dims)));
            constants.settings().remove(tensor.name);
        }
    }

    void result(Value y) {
        values.put(output(), y);
    }

    /** @param last the node this one ends with, if it has taken in others, which {@link #done} told */
    void result(OnnxFile.Node last, Value y) {
        values.put(output(last == null ? node : last), y);
    }

    /** A node that has become part of the layer of another. */
    void done(OnnxFile.Node other) {
        done.add(other);
    }

    boolean isDone(OnnxFile.Node n) {
        return done.contains(n);
    }

    List<OnnxFile.Node> readers(String value) {
        return readers.getOrDefault(value, List.of());
    }

    /** The node that reads what another yields, if it is the only one and nobody else sees it; otherwise null. */
    OnnxFile.Node onlyReader(OnnxFile.Node of) {
        List<OnnxFile.Node> next = readers(output(of));
        return next.size() == 1
                        && !next.getFirst().outputs().isEmpty()
                        && !file.outputs().contains(output(of))
                ? next.getFirst()
                : null;
    }

    /** The constant that a node of two inputs computes with, or null. */
    OnnxArray constantOf(OnnxFile.Node n) {
        if (n.inputs().size() != 2) {
            return null;
        }
        OnnxArray first = constants.get(n.inputs().getFirst());
        return first != null ? first : constants.get(n.inputs().getLast());
    }

    /** Height and width, 1 and 1 if it is not said. */
    int[] pair(String attribute) {
        long[] given = node.ints(attribute);
        if (given.length == 0 && !attribute.equals("kernel_shape")) {
            return new int[] {1, 1};
        }
        if (given.length != 2 || given[0] < 1 || given[1] < 1 || given[0] > 1 << 20 || given[1] > 1 << 20) {
            throw error(attribute + " must be a height and a width, not " + Arrays.toString(given));
        }
        return new int[] {(int) given[0], (int) given[1]};
    }

    /** Axes as an attribute (before opset 13 or 18) or as an input. */
    long[] axes(int input) {
        return has(input) ? setting(input).longs() : node.ints("axes");
    }

    // ---- names ----

    String name() {
        return unique(name(node));
    }

    static String name(OnnxFile.Node node) {
        return clean(
                !node.name().isEmpty()
                        ? node.name()
                        : node.outputs().isEmpty() ? node.op() : node.outputs().getFirst());
    }

    /** Layer names cannot hold '/'. */
    static String clean(String name) {
        String s = name.startsWith("/") ? name.substring(1) : name;
        return s.isEmpty() ? "unnamed" : s.replace('/', '.');
    }

    String unique(String name) {
        String s = name;
        while (!layerNames.add(s)) {
            s = name + "_" + counts.merge(name, 1, Integer::sum);
        }
        return s;
    }
}
