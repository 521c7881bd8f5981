package gradus.graph;

import gradus.op.Op;
import gradus.op.Value;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A graph as text, one line a node, so that a network and its derivative can be read from top to bottom:
 *
 * <pre>
 * input     x                  (2, 3)
 * parameter w                  (3, 1)
 * %0 = MatMul(x, w)            (2, 1)    dense
 * </pre>
 */
public final class Listing {
    private Listing() {}

    public static String of(Graph graph) {
        Map<Value, String> names = names(graph);
        var text = new StringBuilder();
        graph.inputs().forEach((name, v) -> line(text, "input     " + name, v, ""));
        graph.parameters().forEach((name, v) -> line(text, "parameter " + name, v, ""));
        for (Node node : graph.live()) {
            String operands = node.inputs().stream().map(names::get).collect(Collectors.joining(", "));
            line(text, names.get(node.output()) + " = " + call(node.op(), operands), node.output(), node.scope());
        }
        graph.outputs().forEach((name, v) -> line(text, "output    " + name + " = " + names.get(v), v, ""));
        graph.updates().forEach((name, v) -> line(text, "update    " + name + " := " + names.get(v), v, ""));
        return text.toString();
    }

    private static Map<Value, String> names(Graph graph) {
        Map<Value, String> names = new IdentityHashMap<>();
        graph.inputs().forEach((name, v) -> names.put(v, name));
        graph.parameters().forEach((name, v) -> names.put(v, name));
        for (Value v : graph.constants()) {
            var tensor = graph.constantOf(v);
            names.put(v, tensor.size() == 1 ? number(tensor.get(0)) : "constant" + tensor.shape());
        }
        List<Node> live = graph.live();
        for (int i = 0; i < live.size(); i++) {
            names.put(live.get(i).output(), "%" + i);
        }
        return names;
    }

    private static String number(double v) {
        return v == Math.rint(v) && Math.abs(v) < 1e9 ? Long.toString((long) v) : Double.toString(v);
    }

    /** Op and operands; attributes follow in brackets, as the record prints them. */
    private static String call(Op op, String operands) {
        String record = op.toString();
        String attributes = record.substring(record.indexOf('['));
        return op.name() + "(" + operands + ")" + (attributes.equals("[]") ? "" : " " + attributes);
    }

    private static void line(StringBuilder text, String left, Value v, String scope) {
        text.append(String.format(Locale.ROOT, "%-60s %-20s %s", left, v.shape(), scope)
                        .stripTrailing())
                .append('\n');
    }
}
