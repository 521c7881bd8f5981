package gradus.train;

import gradus.io.AtomicFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Writes the history to a CSV file after each epoch, those before a resumption included. */
public record CsvHistory(Path file) implements Callback {
    @Override
    public void onEpochEnd(Training<?> training, History history) {
        AtomicFile.write(file, history.toCsv().getBytes(StandardCharsets.UTF_8));
    }
}
