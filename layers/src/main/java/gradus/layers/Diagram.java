package gradus.layers;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A model as a picture: a box per layer with name, type and output shape, top to bottom, arrows for what is read. The
 * longest path from the inputs runs straight down; what is shorter, a residual block's shortcut, goes round it.
 *
 * <pre>
 *        relu_2a ---+                max_pool ------+
 *           |       |                    |          |
 *       conv_2b2a   |                conv_3a2a   conv_3a1
 *           |       |                    |          |
 *          ...      |                   ...       bn_3a1
 *           |       |                    |          |
 *         add_2b &lt;--+                  add_3a &lt;-----+
 * </pre>
 */
final class Diagram {
    private static final int BOX_WIDTH = 300;
    private static final int BOX_HEIGHT = 44;
    private static final int ROW = BOX_HEIGHT + 26;
    private static final int COLUMN = BOX_WIDTH + 70;
    private static final int MARGIN = 40;

    /** Fill colours by what a layer does: weights, normalization, activation, merging, pooling and shape, ends. */
    private static final Map<String, String> COLOURS = Map.of(
            "weights", "#cfe3f7",
            "normalization", "#fdf0c8",
            "activation", "#f8d5d0",
            "merge", "#d7efd3",
            "shape", "#e9e4f5",
            "end", "#eeeeee");

    private Diagram() {}

    private static String colour(Layer layer) {
        return COLOURS.get(
                switch (layer) {
                    case Conv2D c -> "weights";
                    case Dense d -> "weights";
                    case Model m -> "weights";
                    case BatchNormalization b -> "normalization";
                    case Activation a -> "activation";
                    case LeakyReLU l -> "activation";
                    case Clip c -> "activation";
                    case Add a -> "merge";
                    case Subtract s -> "merge";
                    case Multiply m -> "merge";
                    case Average a -> "merge";
                    case Concatenate c -> "merge";
                    case Input i -> "end";
                    default -> "shape";
                });
    }

    private static String shape(Call call) {
        return call.outputs.stream().map(x -> Inputs.batched(x.shape())).collect(Collectors.joining(", "));
    }

    // ---- DOT ----

    static String dot(Model model) {
        var text = new StringBuilder("digraph \"" + escape(model.name()) + "\" {\n");
        text.append("  rankdir=TB;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n");
        Map<Call, String> ids = new IdentityHashMap<>();
        for (Call call : model.calls()) {
            String id = "n" + ids.size();
            ids.put(call, id);
            text.append(String.format(
                    Locale.ROOT,
                    "  %s [label=\"%s\\n%s  %s\", fillcolor=\"%s\"];%n",
                    id,
                    escape(model.nameOf(call)),
                    escape(call.layer.type()),
                    shape(call),
                    colour(call.layer)));
        }
        for (Call call : model.calls()) {
            for (LayerOutput x : call.inputs) {
                text.append("  ")
                        .append(ids.get(x.call()))
                        .append(" -> ")
                        .append(ids.get(call))
                        .append(";\n");
            }
        }
        return text.append("}\n").toString().replace(System.lineSeparator(), "\n");
    }

    private static String escape(String s) {
        return s.replace("\\", "\\\\").replace("\"", "\\\"");
    }

    // ---- SVG ----

    /** Where a box stands: rows count down, columns from the main path (0) to the right. */
    private record Cell(int row, int column) {
        int x() {
            return MARGIN + 30 + column * COLUMN;
        }

        int y() {
            return MARGIN + row * ROW;
        }

        int middle() {
            return x() + BOX_WIDTH / 2;
        }
    }

    static String svg(Model model) {
        Map<Call, Cell> cells = layout(model);
        int rows = 1 + cells.values().stream().mapToInt(Cell::row).max().orElse(0);
        int columns = 1 + cells.values().stream().mapToInt(Cell::column).max().orElse(0);
        int width = MARGIN * 2 + 30 + columns * COLUMN;
        int height = MARGIN * 2 + rows * ROW;
        var svg = new StringBuilder();
        svg.append(String.format(Locale.ROOT, """
            <svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" \
            font-family="sans-serif" font-size="13">
            <title>%s</title>
            <defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" \
            orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#555"/></marker></defs>
            <rect width="100%%" height="100%%" fill="white"/>
            """, width, height, width, height, xml(model.name())));
        for (Call call : model.calls()) {
            for (LayerOutput x : call.inputs) {
                arrow(svg, cells.get(x.call()), cells.get(call), cells);
            }
        }
        for (Call call : model.calls()) {
            box(svg, model.nameOf(call), call, cells.get(call));
        }
        return svg.append("</svg>\n").toString();
    }

    private static void box(StringBuilder svg, String name, Call call, Cell at) {
        svg.append(String.format(
                Locale.ROOT,
                """
                <g><rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s" stroke="#555"/>\
                <text x="%d" y="%d" text-anchor="middle" font-weight="bold">%s</text>\
                <text x="%d" y="%d" text-anchor="middle">%s  %s</text></g>
                """,
                at.x(),
                at.y(),
                BOX_WIDTH,
                BOX_HEIGHT,
                colour(call.layer),
                at.middle(),
                at.y() + 18,
                xml(name),
                at.middle(),
                at.y() + 36,
                xml(call.layer.type()),
                shape(call)));
    }

    /**
     * Straight down to the next row; else round the boxes between, along the left edge or through the gap of a
     * column.
     */
    private static void arrow(StringBuilder svg, Cell from, Cell to, Map<Call, Cell> cells) {
        int top = from.y() + BOX_HEIGHT;
        boolean free = cells.values().stream()
                .noneMatch(c -> c.column() == to.column() && c.row() > from.row() && c.row() < to.row());
        String path;
        String colour = "#555";
        if (from.column() == to.column() && free) {
            path = "M" + from.middle() + " " + top + "V" + to.y();
        } else if (from.column() == to.column()) { // a shortcut without layers: round the left side, from side to side
            int left = from.x() - 30;
            colour = "#2a7d2a";
            path = "M" + from.x() + " " + (from.y() + BOX_HEIGHT / 2) + "H" + left + "V" + (to.y() + BOX_HEIGHT / 2)
                    + "H" + to.x();
        } else if (from.column() < to.column()) { // out to a branch: along the row, then down
            colour = "#2a7d2a";
            path = "M" + (from.x() + BOX_WIDTH) + " " + (from.y() + BOX_HEIGHT / 2) + "H" + to.middle() + "V" + to.y();
        } else { // back from a branch: down, then into the side
            colour = "#2a7d2a";
            path = "M" + from.middle() + " " + top + "V" + (to.y() + BOX_HEIGHT / 2) + "H" + (to.x() + BOX_WIDTH);
        }
        svg.append("<path d=\"")
                .append(path)
                .append("\" fill=\"none\" stroke=\"")
                .append(colour)
                .append("\" stroke-width=\"1.5\" marker-end=\"url(#arrow)\"/>\n");
    }

    /**
     * Rows: the longest way from an input. Columns: the longest path to the first output stands in column 0; every
     * other box goes into the first column that is free over all rows its arrows pass.
     */
    private static Map<Call, Cell> layout(Model model) {
        Map<Call, Integer> rows = new IdentityHashMap<>();
        Map<Call, Call> above = new IdentityHashMap<>(); // the operand on the longest way
        Map<Call, List<Call>> readers = new IdentityHashMap<>();
        for (Call call : model.calls()) {
            int row = 0;
            for (LayerOutput x : call.inputs) {
                readers.computeIfAbsent(x.call(), c -> new ArrayList<>()).add(call);
                int under = rows.get(x.call()) + 1;
                if (under > row) {
                    row = under;
                    above.put(call, x.call());
                }
            }
            rows.put(call, row);
        }
        Map<Call, Cell> cells = new IdentityHashMap<>();
        for (Call c = model.outputs().get(0).call(); c != null; c = above.get(c)) {
            cells.put(c, new Cell(rows.get(c), 0));
        }
        var taken = new LinkedHashMap<Integer, List<int[]>>(); // column -> intervals of rows
        for (Call call : model.calls()) {
            if (!cells.containsKey(call)) {
                int row = rows.get(call);
                int first = call.inputs.stream()
                        .mapToInt(x -> rows.get(x.call()))
                        .min()
                        .orElse(row - 1);
                int last = readers.getOrDefault(call, List.of()).stream()
                        .mapToInt(rows::get)
                        .max()
                        .orElse(row);
                Call operand = call.inputs.isEmpty() ? null : call.inputs.get(0).call();
                int column = operand != null
                                && cells.get(operand).column() > 0
                                && readers.get(operand).size() == 1
                        ? cells.get(operand).column() // a branch goes on in its column
                        : freeColumn(taken, first, last);
                taken.computeIfAbsent(column, k -> new ArrayList<>()).add(new int[] {first, last});
                cells.put(call, new Cell(row, column));
            }
        }
        return cells;
    }

    private static int freeColumn(Map<Integer, List<int[]>> taken, int first, int last) {
        int column = 1;
        while (taken.getOrDefault(column, List.of()).stream().anyMatch(i -> i[0] < last && first < i[1])) {
            column++;
        }
        return column;
    }

    private static String xml(String s) {
        return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
