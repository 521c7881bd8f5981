package gradus.train;

/**
 * Samples in batches. The batches of an epoch, their order, and every random change to them depend on the epoch number
 * and the source's own seed alone, so that a resumed run sees what an uninterrupted one would have seen.
 */
public interface DataSource {
    /** Number of samples in one epoch. */
    int size();

    /** Samples in every batch but perhaps the last. */
    int batchSize();

    /** The batches of one epoch, the last one smaller where the size does not divide. */
    Iterable<Batch> epoch(int epoch);
}
