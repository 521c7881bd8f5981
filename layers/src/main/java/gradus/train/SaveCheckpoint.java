package gradus.train;

import java.nio.file.Path;
import java.util.Map;

/**
 * Saves the training after each epoch, or after those that are the best so far. A file is there whole or not at all.
 *
 * @param file replaced each time
 * @param monitor name in the history of what makes an epoch the best ({@code val_accuracy}; what has {@code acc} in its name
 *     is to grow, everything else to shrink), or null to save every one
 * @param metadata further entries of the file: labels, preprocessing, seed; see {@link Checkpoint}
 */
public record SaveCheckpoint(Path file, String monitor, Map<String, String> metadata) implements Callback {
    public SaveCheckpoint {
        metadata = Map.copyOf(metadata);
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        if (monitor != null) {
            var watched = new Monitor(monitor, 0);
            watched.check(history);
            if (!watched.isBest(history)) {
                return;
            }
        }
        Checkpoint.of(training).with(metadata).save(file);
    }
}
