package gradus.app;

import gradus.train.Callback;
import gradus.train.History;
import gradus.train.Training;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C, and being asked to end by the system, into an end of the training that is under way, and keeps the JVM alive
 * until that is saved. It must be among the training's callbacks.
 */
final class Interrupt implements Callback, AutoCloseable {
    private static final int PATIENCE_SECONDS = 60;

    private final CountDownLatch saved = new CountDownLatch(1);
    private final Runnable tooEarly;
    private final Thread hook = new Thread(this::interrupted, "gradus-interrupt");
    private Training<?> training;
    private boolean interrupted;

    /** @param tooEarly what is done instead if no training has begun */
    Interrupt(Runnable tooEarly) {
        this.tooEarly = tooEarly;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    private void interrupted() {
        synchronized (this) {
            interrupted = true;
            if (training == null) {
                tooEarly.run();
                return;
            }
            training.stop();
        }
        try {
            saved.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** There may be several, one after the other: what {@link Training#stop} was told before is forgotten by each. */
    @Override
    public synchronized void onTrainBegin(Training<?> begun, History history) {
        training = begun;
        if (interrupted) {
            training.stop();
        }
    }

    /** Lets the JVM end. */
    void saved() {
        saved.countDown();
    }

    @Override
    public void close() {
        saved.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // the JVM is ending: the hook is running or has run
        }
    }
}
