package gradus.benchmarks;

import gradus.benchmarks.ladder.Chapter;
import gradus.benchmarks.peers.PeerTables;
import gradus.io.AtomicFile;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The texts and pictures whose figures come from measurements: README.md and what is in docs. A figure stands between the
 * lines {@code <!-- NAME -->} and {@code <!-- /NAME -->}, or in a picture, and is made from {@link Results}, never by hand;
 * a test compares.
 */
public final class Documents {
    private final Path root;
    private final Map<String, String> texts = new LinkedHashMap<>();

    private Documents(Path root) {
        this.root = root;
    }

    /** All of them as the results have them, by name in the project's folder. */
    public static Map<String, String> of(Path root) {
        var documents = new Documents(root);
        Figures.render(documents, root);
        Chapter.render(documents, root);
        PeerTables.render(documents, root);
        Roofline.render(documents, root);
        return documents.texts;
    }

    /** Writes those that have changed, and returns their names. */
    public static List<String> write(Path root) {
        var changed = new ArrayList<String>();
        of(root).forEach((name, text) -> {
            if (!text.equals(read(root.resolve(name)))) {
                AtomicFile.write(root.resolve(name), text.getBytes(StandardCharsets.UTF_8));
                changed.add(name);
            }
        });
        return changed;
    }

    /**
     * Replaces what stands between the markers.
     *
     * @throws GradusException if the file cannot be read or has no such markers
     */
    public void section(String file, String name, String body) {
        String old = texts.getOrDefault(file, read(root.resolve(file)));
        String open = "<!-- " + name + " -->\n";
        String close = "<!-- /" + name + " -->";
        int from = old.indexOf(open);
        int to = old.indexOf(close);
        if (from < 0 || to < from) {
            throw new GradusException(file + " has no markers '" + open.strip() + "' and '" + close + "'; add them");
        }
        String inner = body.isBlank() ? "" : body.strip() + "\n";
        texts.put(file, old.substring(0, from + open.length()) + inner + old.substring(to));
    }

    /** A whole file. */
    public void picture(String file, String svg) {
        texts.put(file, svg);
    }

    private static String read(Path file) {
        try {
            return Files.exists(file) ? Files.readString(file) : "";
        } catch (IOException e) {
            throw new GradusException("cannot read " + file + ": " + e);
        }
    }
}
