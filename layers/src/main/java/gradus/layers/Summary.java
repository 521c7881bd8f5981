package gradus.layers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** The table of a model's layers, in the layout of Keras 2 (TensorFlow 2.7 to 2.10), trailing blanks included. */
final class Summary {
    private static final int[] COLUMN_ENDS = {32, 53, 65, 98};
    private static final int WIDTH = 98;
    private static final List<String> LINE_ENDS = List.of("),", "},", "],", "',");

    private Summary() {}

    static String of(Model model, boolean byDepth) {
        var text = new StringBuilder();
        line(text, "Model: \"" + model.name() + "\"");
        line(text, "_".repeat(WIDTH));
        row(text, List.of("Layer (type)", "Output Shape", "Param #", "Connected to"));
        line(text, "=".repeat(WIDTH));
        Map<LayerState, List<Call>> layers = layers(model);
        List<LayerState> order = byDepth ? model.byDepth() : List.copyOf(layers.keySet());
        for (LayerState state : order) {
            List<Call> calls = layers.get(state);
            Call first = calls.get(0);
            row(
                    text,
                    List.of(
                            model.nameOf(first) + " (" + first.layer.type() + ")",
                            shapes(calls),
                            Long.toString(parameters(first)),
                            connections(model, calls, layers)));
            line(text, " ".repeat(WIDTH));
        }
        line(text, "=".repeat(WIDTH));
        long trainable = model.trainableCount();
        line(text, String.format(Locale.ROOT, "Total params: %,d", model.parameterCount()));
        line(text, String.format(Locale.ROOT, "Trainable params: %,d", trainable));
        line(text, String.format(Locale.ROOT, "Non-trainable params: %,d", model.parameterCount() - trainable));
        line(text, "_".repeat(WIDTH));
        return text.toString();
    }

    private static void line(StringBuilder text, String line) {
        text.append(line).append('\n');
    }

    /** Cells that are too long go on below, broken behind the end of a list's element where there is one. */
    private static void row(StringBuilder text, List<String> cells) {
        var left = new ArrayList<>(cells);
        while (left.stream().anyMatch(c -> !c.isEmpty())) {
            var line = new StringBuilder();
            for (int column = 0; column < left.size(); column++) {
                boolean last = column == left.size() - 1;
                int width = COLUMN_ENDS[column] - (column == 0 ? 0 : COLUMN_ENDS[column - 1]) - (last ? 0 : 2);
                String cell = left.get(column);
                int cut = cut(cell, Math.min(width, cell.length()));
                line.append(column == 0 ? " " : "").append(cell, 0, cut).append(last ? "" : "  ");
                left.set(column, cell.substring(cut));
                line.append(" ".repeat(Math.max(0, COLUMN_ENDS[column] - line.length())));
            }
            line(text, line.toString());
        }
    }

    private static int cut(String cell, int width) {
        String fitting = cell.substring(0, width);
        return LINE_ENDS.stream()
                .filter(fitting::contains)
                .mapToInt(end -> fitting.indexOf(end) + end.length())
                .min()
                .orElse(width);
    }

    private static String shapes(List<Call> calls) {
        Call first = calls.get(0);
        List<String> shapes =
                first.outputs.stream().map(x -> Inputs.batched(x.shape())).toList();
        boolean same = calls.stream().allMatch(c -> c.inputShapes().equals(first.inputShapes()));
        return !same ? "multiple" : shapes.size() > 1 || first.isInput() ? shapes.toString() : shapes.get(0);
    }

    static long parameters(Call call) {
        return call.layer.weights(call.inputShapes()).stream()
                .mapToLong(w -> w.shape().size())
                .sum();
    }

    /** As Python prints a list: {@code ['conv[0][0]', 'input_1[0][0]']}, with number of the call and of its output. */
    private static String connections(Model model, List<Call> calls, Map<LayerState, List<Call>> layers) {
        return calls.stream()
                .flatMap(call -> call.inputs.stream())
                .map(x -> "'" + model.nameOf(x.call()) + "["
                        + layers.get(x.call().state).indexOf(x.call()) + "][" + x.index() + "]'")
                .collect(Collectors.joining(", ", "[", "]"));
    }

    /** The calls of each layer, layers in the order of their first calls. */
    private static Map<LayerState, List<Call>> layers(Model model) {
        var layers = new LinkedHashMap<LayerState, List<Call>>(); // states are equal only to themselves
        for (Call call : model.calls()) {
            layers.computeIfAbsent(call.state, s -> new ArrayList<>()).add(call);
        }
        return layers;
    }
}
