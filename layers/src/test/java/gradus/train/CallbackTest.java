package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CallbackTest {
    private static Training<?> training() {
        return TrainingTest.training(TrainingTest.convolutional(1), TrainingTest.reference(TrainingTest.F32));
    }

    private static History history(double... losses) {
        var history = new History();
        for (int i = 0; i < losses.length; i++) {
            history.add(new History.Epoch(i, Map.of("val_loss", losses[i])));
        }
        return history;
    }

    /** Everything that is told, in order. */
    @Test
    void order() {
        var told = new ArrayList<String>();
        Callback all = new Callback() {
            @Override
            public void onTrainBegin(Training<?> t, History h) {
                told.add("begin");
            }

            @Override
            public void onEpochBegin(Training<?> t, int epoch) {
                told.add("epoch " + epoch);
            }

            @Override
            public void onBatchEnd(Training<?> t, Progress p) {
                told.add(p.samples() + "/" + p.total() + " step " + p.step());
                assertTrue(
                        p.loss() > 0 && p.samplesPerSecond() > 0 && p.metrics().containsKey("accuracy"));
                assertEquals(0.02, p.learningRate());
            }

            @Override
            public void onEpochEnd(Training<?> t, History h) {
                told.add("end of " + h.last().number());
            }

            @Override
            public void onTrainEnd(Training<?> t, History h) {
                told.add("end");
            }
        };
        training().fit(Samples.of(5, 4, 1), null, FitOptions.of(2).callbacks(all));
        assertEquals(
                List.of(
                        "begin",
                        "epoch 0",
                        "4/5 step 1",
                        "5/5 step 2",
                        "end of 0",
                        "epoch 1",
                        "4/5 step 3",
                        "5/5 step 4",
                        "end of 1",
                        "end"),
                told);
    }

    /** What steps wait for batches is told, and nothing else. */
    @Test
    void timeWaited() {
        var given = Samples.of(5, 4, 1);
        DataSource slow = new DataSource() {
            @Override
            public int size() {
                return given.size();
            }

            @Override
            public int batchSize() {
                return given.batchSize();
            }

            @Override
            public Iterable<Batch> epoch(int epoch) {
                Iterator<Batch> batches = given.epoch(epoch).iterator();
                return () -> new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                        return batches.hasNext();
                    }

                    @Override
                    public Batch next() {
                        LockSupport.parkNanos(50_000_000);
                        return batches.next();
                    }
                };
            }
        };
        for (DataSource source : List.of(given, slow)) {
            var waited = new ArrayList<Double>();
            var all = new ArrayList<Double>();
            Callback watch = new Callback() {
                @Override
                public void onBatchEnd(Training<?> t, Progress p) {
                    waited.add(p.secondsWaited());
                    all.add(p.samples() / p.samplesPerSecond());
                }
            };
            training().fit(source, null, FitOptions.of(1).callbacks(watch));
            boolean half = waited.get(0) >= 0.04 && waited.get(1) >= 0.08;
            assertEquals(source == slow, half, () -> waited + " of " + all);
            assertTrue(waited.get(1) <= all.get(1) + 1e-9);
        }
    }

    @Test
    void earlyStoppingWaitsAsLongAsItShould() {
        for (int patience = 1; patience <= 3; patience++) {
            int ran = 0;
            var training = training();
            var callback = new EarlyStopping("val_loss", patience, 0.05, false);
            double[] losses = {1, 0.9, 0.88, 0.87, 0.86, 0.83, 0.82, 0.81, 0.80, 0.79, 0.78};
            boolean stopped = false;
            while (!stopped) {
                ran++;
                var history = history(Arrays.copyOf(losses, ran));
                callback.onEpochEnd(training, history);
                stopped = training.stopRequested();
            }
            // improvements by more than 0.05 over the best so far: 1, 0.9, 0.83, 0.77...
            assertEquals(patience == 1 ? 3 : patience == 2 ? 4 : 5, ran);
        }
    }

    /** Keras's default of 0 ends at the first epoch that is no better. */
    @Test
    void earlyStoppingWithoutPatience() {
        var training = training();
        var callback = new EarlyStopping("val_loss", 0, 0, false);
        callback.onEpochEnd(training, history(3, 2, 1));
        assertFalse(training.stopRequested());
        callback.onEpochEnd(training, history(3, 2, 1, 1));
        assertTrue(training.stopRequested());
        assertThrows(TrainingException.class, () -> new EarlyStopping("val_loss", -1, 0, false));
        assertThrows(TrainingException.class, () -> new ReduceOnPlateau("val_loss", 0.5, 1, 0, -1, 0));
    }

    /** Epochs without what is watched are passed over, also by a callback that comes later. */
    @Test
    void validationMayComeLater(@TempDir Path folder) {
        var training = training();
        training.fit(Samples.of(8, 4, 1), null, FitOptions.of(3));
        Path file = folder.resolve("best.safetensors");
        var history = training.fit(
                Samples.of(8, 4, 1),
                Samples.of(4, 4, 2),
                FitOptions.of(4)
                        .callbacks(
                                new EarlyStopping("val_loss", 1, 0, true),
                                ReduceOnPlateau.of("val_loss", 0.5, 1),
                                new SaveCheckpoint(file, "val_loss", Map.of())));
        assertEquals(4, history.epochs().size());
        assertFalse(history.stopped());
        assertEquals(1, training.learningRateFactor());
        assertEquals(4, Checkpoint.load(file).history().epochs().size());
    }

    /** An end from outside is a pause: what comes after it is as if there had been none. */
    @Test
    void earlyStoppingLeavesAStopFromOutsideAlone() {
        var training = training();
        var given = new ArrayList<Map<String, Tensor>>();
        Callback pause = new Callback() {
            @Override
            public void onEpochEnd(Training<?> t, History h) {
                if (h.epochs().size() == 3) {
                    given.add(t.weights());
                    t.stop();
                }
            }
        };
        // accuracies of 0: the first epoch stays the best
        training.fit(
                Samples.of(8, 4, 1),
                new Samples(Samples.of(4, 4, 2).x(), new int[] {2, 2, 2, 2}, 3, 4, -1),
                FitOptions.of(9).callbacks(pause, new EarlyStopping("val_accuracy", 5, 2, true)));
        assertEquals(1, given.size());
        assertEquals(given.get(0), training.model().weights());
    }

    @Test
    void earlyStoppingBringsBackTheBest() {
        var training = training();
        var weights = new ArrayList<Map<String, Tensor>>();
        Callback watch = new Callback() {
            @Override
            public void onEpochEnd(Training<?> t, History h) {
                weights.add(t.weights());
            }
        };
        // a learning rate that grows makes the loss worse before long
        var h = Training.compile(
                        training.model(),
                        Sgd.of(Schedule.constant(0.1).then(8, Schedule.constant(30))),
                        SparseCategoricalCrossentropy.of(),
                        TrainingTest.ACCURACY,
                        TrainingTest.reference(TrainingTest.F32))
                .fit(
                        Samples.of(16, 4, 1),
                        Samples.of(9, 9, 2),
                        FitOptions.of(50).callbacks(watch, new EarlyStopping("val_loss", 3, 0, true)));
        assertTrue(h.stopped());
        int best = new Monitor("val_loss", 0).best(h);
        assertEquals(best + 4, h.epochs().size());
        assertEquals(weights.get(best), training.model().weights());
    }

    @Test
    void reduceOnPlateau() {
        var training = training();
        var callback = new ReduceOnPlateau("val_loss", 0.5, 2, 0, 1, 0.2);
        double[] losses = {1, 1, 1, 1, 1, 1, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6};
        double[] factors = {1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2};
        for (int i = 0; i < losses.length; i++) {
            callback.onEpochEnd(training, history(Arrays.copyOf(losses, i + 1)));
            assertEquals(factors[i], training.learningRateFactor(), "after epoch " + i);
        }
        assertEquals(0.2 * 0.02, training.learningRate(7), 1e-18);
        assertThrows(TrainingException.class, () -> ReduceOnPlateau.of("loss", 1, 2));
    }

    /** The first of equal ones, whichever direction is better. */
    @Test
    void theBestIsTheFirstOfEqualOnes() {
        assertEquals(1, new Monitor("val_loss", 0).best(history(2, 1, 1, 3)));
        var accuracies = new History();
        for (double a : new double[] {0.5, 0.75, 0.75, 0.25}) {
            accuracies.add(new History.Epoch(0, Map.of("val_accuracy", a)));
        }
        assertEquals(1, new Monitor("val_accuracy", 0).best(accuracies));
        assertFalse(new Monitor("val_accuracy", 0).isBest(accuracies));
        assertEquals(-1, new Monitor("other", 0).best(accuracies));
    }

    /** A plateau's default of what counts as better is Keras's 1e-4. */
    @Test
    void plateausIgnoreLittle() {
        var training = training();
        var callback = ReduceOnPlateau.of("val_loss", 0.5, 1);
        callback.onEpochEnd(training, history(1, 1 - 0.9e-4));
        assertEquals(0.5, training.learningRateFactor());
        callback.onEpochEnd(training, history(1, 1 - 1.1e-4));
        assertEquals(1, training.learningRateFactor());
    }

    @Test
    void somethingToWatchMustExist() {
        var stopping = new EarlyStopping("val_loss", 1, 0, false);
        var e = assertThrows(
                TrainingException.class,
                () -> training().fit(Samples.of(4, 4, 1), null, FitOptions.of(1).callbacks(stopping)));
        assertTrue(e.getMessage().contains("val_loss") && e.getMessage().contains("accuracy"), e.getMessage());
    }

    @Test
    void csv(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("history.csv");
        History h = training()
                .fit(Samples.of(4, 4, 1), Samples.of(4, 4, 2), FitOptions.of(2).callbacks(new CsvHistory(file)));
        List<String> lines = Files.readAllLines(file);
        assertEquals("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate", lines.get(0));
        assertEquals(3, lines.size());
        assertEquals(
                "2," + h.last().values().get("loss"),
                lines.get(2).substring(0, lines.get(2).indexOf(',', 2)));
    }

    @Test
    void bestAndLastCheckpoint(@TempDir Path folder) {
        Path last = folder.resolve("last.safetensors");
        Path best = folder.resolve("best.safetensors");
        var training = Training.compile( // which gets worse before long
                TrainingTest.convolutional(1),
                Sgd.of(Schedule.constant(0.1).then(8, Schedule.constant(30))),
                SparseCategoricalCrossentropy.of(),
                TrainingTest.ACCURACY,
                TrainingTest.reference(TrainingTest.F32));
        History h = training.fit(
                Samples.of(16, 4, 1),
                Samples.of(9, 9, 2),
                FitOptions.of(6)
                        .callbacks(
                                new SaveCheckpoint(last, null, Map.of("seed", "1")),
                                new SaveCheckpoint(best, "val_loss", Map.of())));
        var loaded = Checkpoint.load(last);
        assertEquals(6, loaded.history().epochs().size());
        assertEquals("1", loaded.metadata().get("seed"));
        assertEquals(training.model().weights(), loaded.model().weights());
        int at = new Monitor("val_loss", 0).best(h);
        assertTrue(at < 5, "the best is to be another than the last");
        assertEquals(at + 1, Checkpoint.load(best).history().epochs().size());
        double expected = h.epochs().get(at).values().get("val_loss");
        assertEquals(
                expected,
                Checkpoint.load(best)
                        .resume(TrainingTest.reference(TrainingTest.F32))
                        .evaluate(Samples.of(9, 9, 2))
                        .loss());
    }

    @Test
    void stopFromAnotherThread() throws Exception {
        var training = training();
        var running = new CountDownLatch(1);
        Callback started = new Callback() {
            @Override
            public void onBatchEnd(Training<?> t, Progress p) {
                running.countDown();
            }
        };
        var stopper = new Thread(() -> {
            try {
                running.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            training.stop();
        });
        stopper.start();
        History h =
                training.fit(Samples.of(8, 4, 1), null, FitOptions.of(1_000_000).callbacks(started));
        stopper.join();
        assertTrue(h.stopped());
        assertFalse(training.fit(Samples.of(8, 4, 1), null, FitOptions.of(training.epoch() + 1))
                .stopped());
    }
}
