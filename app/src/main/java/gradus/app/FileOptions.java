package gradus.app;

import gradus.data.Preprocess;
import gradus.importer.ImportOptions;
import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import picocli.CommandLine.Option;

/** What a model file of another program may leave unsaid, or say otherwise; the same options for every command that reads one. */
final class FileOptions {
    private static final Pattern INPUT = Pattern.compile("(\\d{1,5})x(\\d{1,5})");
    private static final long MAX_LABELS_BYTES = 16 << 20;

    @Option(
            names = "--preprocess",
            paramLabel = "MODE",
            description =
                    "how pictures become inputs: caffe, tf, torch, unit (0..1), raw, or standardize; prevails over"
                            + " what the file says")
    Preprocess preprocess;

    @Option(
            names = "--labels",
            paramLabel = "FILE",
            description =
                    "names of the classes, instead of those in the file: a line each, or JSON: a list, or an object of numbers and names")
    Path labels;

    @Option(
            names = "--model",
            paramLabel = "NAME",
            description = "architecture, for files of weights alone; 'gradus summary --list' lists them")
    String model;

    @Option(names = "--input", paramLabel = "HxW", description = "size of pictures, for networks that take any")
    String input;

    ImportOptions options() {
        var options = ImportOptions.none().model(model).preprocess(preprocess);
        if (input != null) {
            var m = INPUT.matcher(input);
            if (!m.matches()) {
                throw new UsageException("--input must be like 224x224, not '" + input + "'");
            }
            int height = Integer.parseInt(m.group(1));
            int width = Integer.parseInt(m.group(2));
            if (height == 0 || width == 0) {
                throw new UsageException("--input must have sides of 1 pixel or more, not '" + input + "'");
            }
            options = options.input(height, width);
        }
        return labels == null ? options : options.labels(read(labels));
    }

    private static List<String> read(Path file) {
        String text;
        try {
            if (Files.size(file) > MAX_LABELS_BYTES) {
                throw new UsageException(file + ": too large to be a list of labels");
            }
            text = Files.readString(file);
        } catch (CharacterCodingException e) {
            throw new UsageException(file + ": the labels must be text in UTF-8, which this is not; convert it", e);
        } catch (IOException e) {
            throw new UsageException("cannot read the labels in " + file + ": " + FileException.reason(e), e);
        }
        if (text.startsWith("\ufeff")) { // as editors on Windows put before UTF-8
            text = text.substring(1);
        }
        String start = text.stripLeading();
        if (!start.startsWith("[") && !start.startsWith("{")) {
            return text.lines().map(String::strip).filter(s -> !s.isEmpty()).toList();
        }
        try {
            return labels(Json.parse(text));
        } catch (FormatException e) {
            throw new UsageException(file + ": " + e.getMessage(), e);
        }
    }

    /** {@code ["tench", ..]}, {@code {"0": "tench", ..}}, or Keras's {@code {"0": ["n01440764", "tench"], ..}}. */
    private static List<String> labels(Object json) {
        var labels = new ArrayList<String>();
        List<?> list = json instanceof List<?> l ? l : null;
        int size = list != null ? list.size() : ((Map<?, ?>) json).size();
        for (int i = 0; i < size; i++) {
            Object label = list != null ? list.get(i) : ((Map<?, ?>) json).get(Integer.toString(i));
            Object name = label instanceof List<?> pair && !pair.isEmpty() ? pair.getLast() : label;
            if (!(name instanceof String s)) {
                throw new FormatException("there is no name for class " + i, -1);
            }
            labels.add(s);
        }
        return labels;
    }
}
