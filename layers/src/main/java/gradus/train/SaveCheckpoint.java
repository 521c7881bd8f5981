package gradus.train;

import java.nio.file.Path;
import java.util.Map;

/**
 * Saves the training after each epoch, or after those that are the best so far. A file is there whole or not at all.
 *
 * @param file replaced each time
 * @param monitor name in the history of what makes an epoch the best ({@code val_accuracy}), or null to save every one
 * @param metadata further entries of the file: labels, preprocessing, seed; see {@link Checkpoint}
 */
public record SaveCheckpoint(Path file, String monitor, Map<String, String> metadata) implements Callback {
    public SaveCheckpoint {
        metadata = Map.copyOf(metadata);
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        boolean best = monitor == null
                || new Monitor(monitor, 0).best(history) == history.epochs().size() - 1;
        if (best) {
            Checkpoint.of(training).with(metadata).save(file);
        }
    }
}
