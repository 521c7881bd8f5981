package gradus.benchmarks;

import gradus.io.AtomicFile;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A text whose figures a program writes: what stands between the lines {@code <!-- NAME -->} and {@code <!-- /NAME -->}. */
public final class Document {
    private Document() {}

    /**
     * Replaces what stands between the markers.
     *
     * @throws GradusException if the file cannot be read or has no such markers; it is then as before
     */
    public static void write(Path file, String name, String text) {
        String open = "<!-- " + name + " -->\n";
        String close = "<!-- /" + name + " -->";
        try {
            String old = Files.readString(file);
            int from = old.indexOf(open);
            int to = old.indexOf(close);
            if (from < 0 || to < from) {
                throw new GradusException(
                        file + " has no markers '" + open.strip() + "' and '" + close + "'; add them");
            }
            String whole = old.substring(0, from + open.length()) + text.strip() + "\n" + old.substring(to);
            AtomicFile.write(file, whole.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new GradusException("cannot read " + file + ": " + e);
        }
    }
}
