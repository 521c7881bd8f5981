package gradus.data;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Batch;
import gradus.train.DataSource;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;

/**
 * Feeds a data set to a network: shuffles, augments, converts to float32 {@code (n, height, width, channels)} and keeps a
 * few batches ready. Targets are class indices, float32 {@code (n)}; weights are absent.
 *
 * <p>Order and content of the batches depend on the seed and the epoch alone, never on timing. Each batch is made on a
 * virtual thread that ends with it: reading ahead never keeps the machine alive, and nothing goes on when the
 * {@link Batches} are exhausted, closed or just forgotten.
 */
public final class BatchPipeline implements DataSource {
    private static final int AHEAD = 4;

    private final Dataset data;
    private final int batchSize;
    private final long seed;
    private final boolean shuffle;
    private final Augmentation augmentation;
    private final Preprocess preprocess;
    private final boolean dropLast;

    /**
     * @param batchSize samples in every batch but perhaps the last
     * @param dropLast leaves out the last batch if it is smaller than the others
     * @throws DataException for an empty set, a batch size below 1, or more samples in a batch than fit an array
     */
    public BatchPipeline(
            Dataset data,
            int batchSize,
            long seed,
            boolean shuffle,
            Augmentation augmentation,
            Preprocess preprocess,
            boolean dropLast) {
        if (data.size() == 0) {
            throw new DataException(data.name() + ": no samples");
        }
        if (batchSize < 1 || (long) batchSize * data.imageSize() > Integer.MAX_VALUE - 8) {
            throw new DataException("batch size " + batchSize + ": must be 1 or more, and a batch of pictures of "
                    + data.imageSize() + " values at most 2^31");
        }
        if (dropLast && data.size() < batchSize) {
            throw new DataException(data.name() + " has " + data.size() + " samples, not one batch of " + batchSize);
        }
        this.data = data;
        this.batchSize = batchSize;
        this.seed = seed;
        this.shuffle = shuffle;
        this.augmentation = augmentation;
        this.preprocess = preprocess;
        this.dropLast = dropLast;
    }

    /** For training: shuffled and augmented. */
    public static BatchPipeline training(
            Dataset data, int batchSize, long seed, Augmentation augmentation, Preprocess preprocess) {
        return new BatchPipeline(data, batchSize, seed, true, augmentation, preprocess, false);
    }

    /** For evaluation: in order and unchanged. */
    public static BatchPipeline evaluation(Dataset data, int batchSize, Preprocess preprocess) {
        return new BatchPipeline(data, batchSize, 0, false, Augmentation.NONE, preprocess, false);
    }

    /** Samples in an epoch, without those of a dropped last batch. */
    @Override
    public int size() {
        return dropLast ? data.size() / batchSize * batchSize : data.size();
    }

    @Override
    public int batchSize() {
        return batchSize;
    }

    public int batches() {
        return (size() + batchSize - 1) / batchSize;
    }

    /** The index in the data set of each sample of an epoch, in the order they come. */
    public int[] order(int epoch) {
        return shuffle
                ? new Rng(seed, epoch, 0x6f72646572L).permutation(data.size())
                : IntStream.range(0, data.size()).toArray();
    }

    @Override
    public Iterable<Batch> epoch(int epoch) {
        return () -> batches(epoch);
    }

    /** The batches of one epoch; close them if not all are read. */
    public Batches batches(int epoch) {
        return new Batches(this, epoch);
    }

    private Batch make(int epoch, int[] order, int from, int to) {
        int n = to - from;
        int size = data.imageSize();
        var x = new float[n * size];
        var y = new float[n];
        var raw = new byte[size];
        var changed = new byte[size];
        boolean plain = augmentation.equals(Augmentation.NONE);
        for (int i = 0; i < n; i++) {
            int index = order[from + i];
            try {
                data.image(index, raw);
            } catch (DataException e) {
                throw e;
            } catch (RuntimeException e) {
                throw new DataException(data.source(index) + ": " + e, e);
            }
            if (!plain) {
                augmentation.apply(raw, changed, data.height(), data.width(), data.channels(), seed, epoch, index);
            }
            preprocess.convert(plain ? raw : changed, size, data.channels(), x, i * size);
            y[i] = data.label(index);
        }
        return new Batch(
                Tensor.of(Shape.of(n, data.height(), data.width(), data.channels()), x),
                Tensor.of(Shape.of(n), y),
                null);
    }

    /** One pass over the data. For one thread at a time. */
    public static final class Batches implements Iterator<Batch>, AutoCloseable {
        private final BatchPipeline source;
        private final int epoch;
        private final int[] order;
        private final ArrayDeque<FutureTask<Batch>> ahead = new ArrayDeque<>();
        private int asked;
        private int given;

        private Batches(BatchPipeline source, int epoch) {
            this.source = source;
            this.epoch = epoch;
            order = source.order(epoch);
        }

        @Override
        public boolean hasNext() {
            return given < source.batches();
        }

        /** @throws DataException if a picture cannot be read, naming it */
        @Override
        public Batch next() {
            if (!hasNext()) {
                throw new NoSuchElementException("epoch " + epoch + " has " + source.batches() + " batches");
            }
            ask();
            var first = ahead.removeFirst();
            try {
                first.run(); // does nothing if a worker has it already
                var batch = first.get();
                given++;
                ask();
                return batch;
            } catch (ExecutionException e) {
                close();
                switch (e.getCause()) {
                    case Error error -> throw error;
                    case RuntimeException cause -> throw cause;
                    default -> throw new DataException(source.data.name() + ": " + e.getCause(), e.getCause());
                }
            } catch (InterruptedException e) {
                close();
                Thread.currentThread().interrupt();
                throw new DataException("interrupted while reading " + source.data.name(), e);
            }
        }

        private void ask() {
            while (asked < source.batches() && ahead.size() < AHEAD) {
                int from = asked * source.batchSize;
                int to = Math.min(from + source.batchSize, source.size());
                var task = new FutureTask<>(() -> source.make(epoch, order, from, to));
                ahead.addLast(task);
                asked++;
                Thread.ofVirtual().start(task);
            }
        }

        /** Stops reading ahead; there are no further batches. */
        @Override
        public void close() {
            given = source.batches();
            asked = given;
            ahead.forEach(task -> task.cancel(true));
            ahead.clear();
        }
    }
}
