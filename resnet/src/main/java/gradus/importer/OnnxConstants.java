package gradus.importer;

import gradus.tensor.GradusException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/** The constants of a graph: the file's tensors under all their names, and what operators make of constants alone. */
final class OnnxConstants {
    private final Map<String, OnnxArray> named = new HashMap<>();
    private final Map<String, OnnxArray> tensors = new LinkedHashMap<>();
    private final Set<String> settings = new HashSet<>();

    /** Numbers that may still be computed: a graph can ask for the same large one many times. */
    private long room;

    /** @param room how many numbers may be computed, as many as the file has */
    OnnxConstants(Map<String, OnnxArray> initializers, long room) {
        this.room = room;
        initializers.forEach(this::add);
    }

    /** A tensor of its own, of which the report will tell. */
    void add(String name, OnnxArray array) {
        OnnxArray own = array.named(name);
        named.put(name, own);
        tensors.put(name, own);
    }

    /** By any of its names, or null. */
    OnnxArray get(String name) {
        return named.get(name);
    }

    TensorSource source() {
        return OnnxArray.source(tensors);
    }

    /** Names of the tensors that are no weights. */
    Set<String> settings() {
        return settings;
    }

    /** Counts numbers that are about to be computed. */
    void take(long numbers) {
        room -= numbers;
        if (room < 0) {
            throw new GradusException(
                    "computes more numbers from constants than the file has; fold its constants first");
        }
    }

    /** A node's tensor or list of numbers. */
    static OnnxArray constant(OnnxFile.Node node) {
        for (var a : node.attributes().entrySet()) {
            OnnxFile.Attribute value = a.getValue();
            switch (a.getKey()) {
                case "value" -> {
                    if (value.tensor() != null) {
                        return value.tensor();
                    }
                }
                case "value_int" -> {
                    return OnnxArray.of("", new int[0], value.i());
                }
                case "value_ints" -> {
                    return OnnxArray.of("", new int[] {value.ints().length}, value.ints());
                }
                case "value_float" -> {
                    return OnnxArray.of("", new int[0], value.f());
                }
                case "value_floats" -> {
                    return OnnxArray.of("", new int[] {value.floats().length}, value.floats());
                }
                default -> {}
            }
        }
        throw new GradusException("has no tensor of numbers");
    }

    /** Whether a node only computes with constants, and has got its result. */
    boolean fold(OnnxFile.Node node) {
        List<OnnxArray> x = node.inputs().stream().map(named::get).toList();
        if (x.isEmpty() || x.contains(null) || node.outputs().isEmpty()) {
            return false;
        }
        String output = node.outputs().getFirst();
        switch (node.op()) {
            case "Identity" -> named.put(output, x.getFirst());
            case "Cast" -> named.put(output, cast(node, x.getFirst()));
            case "Reshape" -> named.put(output, reshaped(x.getFirst(), given(node, x, "shape")));
            case "Squeeze" -> named.put(output, squeezed(x.getFirst(), given(node, x, "axes")));
            case "Unsqueeze" -> named.put(output, unsqueezed(x.getFirst(), given(node, x, "axes")));
            case "Transpose" -> computed(output, transposed(x.getFirst(), node.ints("perm")), x);
            case "Concat" -> computed(output, concatenated(x, node.integer("axis", 0)), x);
            case "Gather" -> computed(output, gathered(x), x);
            case "Slice" -> computed(output, sliced(x), x);
            default -> {
                return false;
            }
        }
        return true;
    }

    private void computed(String output, OnnxArray y, List<OnnxArray> x) {
        add(output, y);
        settings.add(output); // until a layer reads it
        x.forEach(a -> settings.add(a.name));
    }

    private static OnnxArray cast(OnnxFile.Node node, OnnxArray x) {
        long to = node.integer("to", OnnxArray.FLOAT);
        if (OnnxArray.isFloat(to)) {
            return x; // floats() converts
        }
        if (!OnnxArray.isInteger(to) || !x.isInteger()) {
            throw new GradusException("makes type " + to + " of " + x + " with " + x.type() + "; that cannot be read");
        }
        return x;
    }

    /** A second input's integers, or an attribute's. */
    private long[] given(OnnxFile.Node node, List<OnnxArray> x, String attribute) {
        if (x.size() < 2) {
            return node.ints(attribute);
        }
        settings.add(x.get(1).name);
        return x.get(1).longs();
    }

    private static OnnxArray reshaped(OnnxArray x, long[] target) {
        if (target.length > 8) {
            throw new GradusException("makes " + target.length + " axes of " + x);
        }
        var dims = new int[target.length];
        long known = 1;
        int open = -1;
        for (int i = 0; i < dims.length; i++) {
            long d = target[i] == 0 && i < x.dims.length ? x.dims[i] : target[i];
            if (d == -1 && open < 0) {
                open = i;
            } else {
                known = d < 0 || d > x.size() ? -1 : known * d;
                dims[i] = (int) d;
            }
            if (known < 0 || known > x.size()) {
                throw new GradusException("cannot make the shape " + Arrays.toString(target) + " of " + x);
            }
        }
        if (open >= 0 && known > 0) {
            dims[open] = (int) (x.size() / known);
            known *= dims[open];
        }
        if (known != x.size()) {
            throw new GradusException("cannot make the shape " + Arrays.toString(target) + " of " + x);
        }
        return x.reshaped(dims);
    }

    private static OnnxArray squeezed(OnnxArray x, long[] axes) {
        boolean[] gone = marked(axes, x.dims.length);
        if (axes.length == 0) {
            for (int i = 0; i < gone.length; i++) {
                gone[i] = x.dims[i] == 1;
            }
        }
        int[] kept = IntStream.range(0, gone.length)
                .filter(i -> !gone[i])
                .map(i -> x.dims[i])
                .toArray();
        return same(x, kept);
    }

    private static OnnxArray unsqueezed(OnnxArray x, long[] axes) {
        int rank = x.dims.length + axes.length;
        if (rank > 8) {
            throw new GradusException("makes " + rank + " axes of " + x);
        }
        boolean[] fresh = marked(axes, rank);
        var dims = new int[rank];
        for (int i = 0, from = 0; i < rank; i++) {
            dims[i] = fresh[i] || from == x.dims.length ? 1 : x.dims[from++];
        }
        return same(x, dims);
    }

    private static OnnxArray same(OnnxArray x, int[] dims) {
        OnnxArray y = x.reshaped(dims);
        if (y.size() != x.size()) {
            throw new GradusException("cannot make the shape " + Arrays.toString(dims) + " of " + x);
        }
        return y;
    }

    /** Which axes are named, negative ones from the end. */
    static boolean[] marked(long[] axes, int rank) {
        var marked = new boolean[rank];
        for (long axis : axes) {
            long a = axis < 0 ? axis + rank : axis;
            if (a < 0 || a >= rank) {
                throw new GradusException("axis " + axis + " is none of " + rank);
            }
            marked[(int) a] = true;
        }
        return marked;
    }

    private OnnxArray transposed(OnnxArray x, long[] given) {
        int rank = x.dims.length;
        long[] perm = given.length > 0
                ? given
                : IntStream.range(0, rank).mapToLong(i -> rank - 1 - i).toArray();
        if (perm.length != rank || !isPermutation(perm)) {
            throw new GradusException("cannot order the axes of " + x + " by " + Arrays.toString(perm));
        }
        take(x.size());
        var dims = new int[rank];
        var step = new int[rank]; // between neighbours along an axis of the result, in x
        var own = new int[rank];
        for (int i = rank - 1, s = 1; i >= 0; s *= x.dims[i--]) {
            own[i] = s;
        }
        for (int i = 0; i < rank; i++) {
            dims[i] = x.dims[(int) perm[i]];
            step[i] = own[(int) perm[i]];
        }
        float[] from = x.floats();
        var y = new float[from.length];
        var at = new int[rank];
        for (int i = 0, k = 0; i < y.length; i++) {
            y[i] = from[k];
            for (int axis = rank - 1; axis >= 0; axis--) { // the next element's place
                k += step[axis];
                if (++at[axis] < dims[axis]) {
                    break;
                }
                k -= step[axis] * dims[axis];
                at[axis] = 0;
            }
        }
        return OnnxArray.of("", dims, y);
    }

    private static boolean isPermutation(long[] perm) {
        long[] sorted = perm.clone();
        Arrays.sort(sorted);
        return IntStream.range(0, sorted.length).allMatch(i -> sorted[i] == i);
    }

    private OnnxArray concatenated(List<OnnxArray> x, long axis) {
        OnnxArray first = x.getFirst();
        if (x.stream().allMatch(OnnxArray::isInteger)) {
            long[] all = x.stream()
                    .map(OnnxArray::longs)
                    .flatMapToLong(Arrays::stream)
                    .toArray();
            take(all.length);
            return OnnxArray.of("", new int[] {all.length}, all);
        }
        int rank = first.dims.length;
        long a = axis < 0 ? axis + rank : axis;
        if (a < 0 || a >= rank) {
            throw new GradusException("joins along axis " + axis + " of " + first);
        }
        int outer = Arrays.stream(first.dims, 0, (int) a).reduce(1, (p, q) -> p * q);
        var dims = first.dims.clone();
        long extent = 0;
        long size = 0;
        for (OnnxArray part : x) {
            int[] d = part.dims.clone();
            if (d.length == rank) {
                extent += d[(int) a];
                d[(int) a] = first.dims[(int) a];
            }
            if (!Arrays.equals(d, first.dims)) {
                throw new GradusException("cannot join " + first + " and " + part);
            }
            size += part.size();
        }
        take(Math.max(size, extent)); // less than 2^31
        dims[(int) a] = (int) extent;
        var y = new float[(int) size];
        int start = 0;
        for (OnnxArray part : x) {
            float[] values = part.floats();
            int run = outer == 0 ? 0 : values.length / outer;
            for (int i = 0; i < outer; i++) {
                System.arraycopy(values, i * run, y, start + (int) (i * (size / outer)), run);
            }
            start += run;
        }
        return OnnxArray.of("", dims, y);
    }

    /** Elements of a list. */
    private static OnnxArray gathered(List<OnnxArray> x) {
        if (x.size() < 2) {
            throw new GradusException("does not say which elements of " + x.getFirst() + " it takes");
        }
        long[] list = x.getFirst().longs();
        long[] at = x.get(1).longs();
        for (int i = 0; i < at.length; i++) {
            long k = at[i] < 0 ? at[i] + list.length : at[i];
            if (k < 0 || k >= list.length) {
                throw new GradusException("takes element " + at[i] + " of " + list.length);
            }
            at[i] = list[(int) k];
        }
        return OnnxArray.of("", x.get(1).dims, at);
    }

    /** A part of a list. */
    private static OnnxArray sliced(List<OnnxArray> x) {
        long[] list = x.getFirst().longs();
        long[] begin = x.size() > 2 ? x.get(1).longs() : new long[0];
        long[] end = x.size() > 2 ? x.get(2).longs() : new long[0];
        boolean steps = x.size() > 4 && !Arrays.equals(x.get(4).longs(), new long[] {1});
        if (begin.length != 1 || end.length != 1 || steps) {
            throw new GradusException("cuts a constant otherwise than by one begin and one end");
        }
        int from = Math.clamp(begin[0] < 0 ? begin[0] + list.length : begin[0], 0, list.length);
        int to = Math.clamp(end[0] < 0 ? end[0] + list.length : end[0], from, list.length);
        return OnnxArray.of("", new int[] {to - from}, Arrays.copyOfRange(list, from, to));
    }
}
