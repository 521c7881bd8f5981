package gradus.train;

/**
 * Told what happens during {@link Training#fit}, on the thread that trains. What a callback decides should follow from
 * the {@link History} alone: then a resumed training decides as an uninterrupted one would have.
 */
public interface Callback {
    /** Before the first epoch; after a resumption, {@code history} has the epochs before it. */
    default void onTrainBegin(Training<?> training, History history) {}

    default void onEpochBegin(Training<?> training, int epoch) {}

    default void onBatchEnd(Training<?> training, Progress progress) {}

    /** After validation; the epoch's values are {@code history.last()}. */
    default void onEpochEnd(Training<?> training, History history) {}

    /** After the last epoch or a stop; the model has the trained weights. */
    default void onTrainEnd(Training<?> training, History history) {}
}
