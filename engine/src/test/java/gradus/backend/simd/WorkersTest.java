package gradus.backend.simd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class WorkersTest {
    @Test
    void everyPartRunsOnce() {
        for (int threads = 1; threads <= 5; threads++) {
            try (var workers = new Workers(threads)) {
                for (int parts = 0; parts < 300; parts++) {
                    var runs = new AtomicIntegerArray(parts);
                    workers.run((part, worker) -> runs.incrementAndGet(part), parts);
                    for (int part = 0; part < parts; part++) {
                        assertEquals(1, runs.get(part));
                    }
                }
            }
        }
    }

    @Test
    void sleepersAreWoken() throws InterruptedException {
        try (var workers = new Workers(3)) {
            for (int i = 0; i < 20; i++) {
                var runs = new AtomicIntegerArray(7);
                workers.run((part, worker) -> runs.incrementAndGet(part), 7);
                for (int part = 0; part < 7; part++) {
                    assertEquals(1, runs.get(part));
                }
                Thread.sleep(2);
            }
        }
    }

    @Test
    void failuresReachTheCallerAndWorkGoesOn() {
        try (var workers = new Workers(3)) {
            var failure = new IllegalStateException("part 5");
            Workers.Task fails = (part, worker) -> {
                if (part == 5) {
                    throw failure;
                }
            };
            assertSame(failure, assertThrows(IllegalStateException.class, () -> workers.run(fails, 9)));
            workers.run((part, worker) -> {}, 9);
        }
    }
}
