package gradus.importer;

import gradus.io.FormatException;
import gradus.io.MappedFile;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The files beside an ONNX model that hold its tensors' values. Together the tensors of a file have at most its length, so
 * that a model becomes no larger in memory than its files say.
 *
 * @see <a href="https://onnx.ai/onnx/repo-docs/ExternalData.html">External data</a>
 */
final class ExternalData implements AutoCloseable {
    private static final int MAX_FILES = 1_000;

    /** Where a tensor begins. */
    final class Part {
        private final String location;
        private final long offset;
        private final long length;

        /** @param length -1 if the model does not say it */
        private Part(String location, long offset, long length) {
            this.location = location;
            this.offset = offset;
            this.length = length;
        }

        MappedFile file() {
            return files.get(location);
        }

        long offset() {
            return offset;
        }

        /** @param bytes length of the tensor by its shape and type */
        void take(String tensor, long bytes) {
            long size = file().size();
            if (bytes > Integer.MAX_VALUE || offset > size - bytes || length >= 0 && length != bytes) {
                throw new FormatException(
                        source + ": tensor '" + tensor + "' has " + bytes + " bytes, but " + location + " has " + size
                                + " and the tensor is said to be at " + offset
                                + (length < 0 ? "" : " with " + length)
                                + "; is the download complete?",
                        -1);
            }
            if (used.merge(location, bytes, Long::sum) > size) {
                throw new FormatException(
                        source + ": its tensors have more bytes than " + location + ", which has " + size, -1);
            }
        }
    }

    private final String source;
    private final Path folder;
    private final Map<String, MappedFile> files = new HashMap<>();
    private final Map<String, Long> used = new HashMap<>();

    /** @param folder of the model, or null if it is in memory, where nothing is beside it */
    ExternalData(String source, Path folder) {
        this.source = source;
        this.folder = folder;
    }

    /** @throws FormatException if a tensor's values cannot be where the model says */
    Part part(String tensor, Map<String, String> says) {
        String location = says.getOrDefault("location", "");
        if (folder == null) {
            throw new FormatException(
                    source + ": tensor '" + tensor + "' is in another file; save the model with all tensors inside, or"
                            + " load it from a folder with that file",
                    -1);
        }
        Path file = Importer.beside(folder, location);
        if (file == null) {
            throw new FormatException(
                    source + ": tensor '" + tensor + "' is in '" + Config.text(location)
                            + "', which is not the name of a file beside the model, or none that this system can have",
                    -1);
        }
        if (!files.containsKey(location)) {
            if (files.size() == MAX_FILES) {
                throw new FormatException(source + ": its tensors are in more than " + MAX_FILES + " files", -1);
            }
            files.put(location, MappedFile.open(file));
        }
        return new Part(location, number(tensor, says, "offset", 0), number(tensor, says, "length", -1));
    }

    private long number(String tensor, Map<String, String> says, String key, long otherwise) {
        String text = says.get(key);
        if (text == null) {
            return otherwise;
        }
        if (!text.matches("[0-9]{1,18}")) {
            throw new FormatException(
                    source + ": tensor '" + tensor + "' has the " + key + " '" + Config.text(text)
                            + "', which is no number",
                    -1);
        }
        return Long.parseLong(text);
    }

    @Override
    public void close() {
        files.values().forEach(MappedFile::close);
    }
}
