package gradus.importer;

import gradus.tensor.Shape;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What became of every tensor of a file and of every weight of the model.
 *
 * @param matched tensors that became weights
 * @param ignored tensors of the file that inference does not need: step counts, optimizer state
 * @param unmatched tensors of the file that no weight of the model takes
 * @param missing weights of the model that the file does not hold
 * @param misfits tensors that belong to a weight by name or number and have another shape
 * @param notes what else in the file is not used, in words
 */
public record Report(
        List<Match> matched,
        List<String> ignored,
        List<String> unmatched,
        List<String> missing,
        List<Misfit> misfits,
        List<String> notes) {
    /** A tensor of the file and the weight it became. */
    public record Match(String tensor, String weight, Shape shape) {}

    /** A tensor whose shape is not that of its weight, both as the model has them: after a change of layout. */
    public record Misfit(String tensor, String weight, Shape found, Shape expected) {}

    public Report {
        matched = List.copyOf(matched);
        ignored = List.copyOf(ignored);
        unmatched = List.copyOf(unmatched);
        missing = List.copyOf(missing);
        misfits = List.copyOf(misfits);
        notes = List.copyOf(notes);
    }

    /** Whether every weight got its values. */
    public boolean complete() {
        return missing.isEmpty() && misfits.isEmpty();
    }

    /** One line a finding, what is wrong first; the numbers alone where everything fits. */
    @Override
    public String toString() {
        return text(Integer.MAX_VALUE);
    }

    /** The same with no more than so many names of each kind, for an error message. */
    String text(int most) {
        var text = new StringBuilder();
        for (Misfit m : misfits.subList(0, Math.min(most, misfits.size()))) {
            text.append("tensor '")
                    .append(m.tensor)
                    .append("' has shape ")
                    .append(m.found)
                    .append(", weight '");
            text.append(m.weight).append("' needs ").append(m.expected).append('\n');
        }
        list(text, "missing", missing, most);
        list(text, "unmatched", unmatched, most);
        notes.forEach(note -> text.append(note).append('\n'));
        return text.append(matched.size())
                .append(" tensors matched, ")
                .append(misfits.size())
                .append(" of another shape, ")
                .append(missing.size())
                .append(" missing, ")
                .append(unmatched.size())
                .append(" unmatched, ")
                .append(ignored.size())
                .append(" not needed")
                .toString();
    }

    private static void list(StringBuilder text, String what, List<String> names, int most) {
        if (!names.isEmpty()) {
            text.append(what)
                    .append(": ")
                    .append(names.stream().limit(most).collect(Collectors.joining(", ")))
                    .append(names.size() > most ? " and " + (names.size() - most) + " others" : "")
                    .append('\n');
        }
    }
}
