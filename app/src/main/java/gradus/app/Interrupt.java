package gradus.app;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C, and being asked to end by the system, into a call, and keeps the JVM alive until what followed from the
 * call is saved.
 */
final class Interrupt implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 60;

    private final CountDownLatch saved = new CountDownLatch(1);
    private final Thread hook;

    Interrupt(Runnable stop) {
        hook = new Thread(
                () -> {
                    stop.run();
                    try {
                        saved.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                },
                "gradus-interrupt");
        Runtime.getRuntime().addShutdownHook(hook);
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
