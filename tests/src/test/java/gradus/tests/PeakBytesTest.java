package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.Batch;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.lang.management.ManagementFactory;
import java.lang.ref.Reference;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What peakBytes() states before anything is computed, beside what the Java heap holds when all is done: within 5 %. */
class PeakBytesTest {
    private static final double TOLERANCE = 0.05;

    /** Bytes of all reachable objects; what goes with a layer goes one collection after it. */
    private static long held() {
        long last = Long.MAX_VALUE;
        for (long now = reachable(); now < last; now = reachable()) {
            last = now;
            LockSupport.parkNanos(200_000_000);
        }
        return last;
    }

    /** Without what a collector puts between objects. */
    private static long reachable() {
        try {
            for (Thread t : Thread.getAllStackTraces().keySet()) {
                if (t.getName().equals("gradus-warm-up")) {
                    t.join(); // it has a backend of its own
                }
            }
            var histogram = (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(
                            new ObjectName("com.sun.management:type=DiagnosticCommand"),
                            "gcClassHistogram",
                            new Object[] {new String[0]},
                            new String[] {String[].class.getName()});
            return histogram
                    .lines()
                    .map(line -> line.trim().split(" +"))
                    .filter(f -> f[0].matches("\\d+:") && !f[3].contains("jdk.internal.vm.Filler"))
                    .mapToLong(f -> Long.parseLong(f[2]))
                    .sum();
        } catch (JMException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Model model(String name) {
        Model model = ResNets.byName(name).classes(6).build();
        model.initialize(1, DType.F32);
        return model;
    }

    private static Tensor pictures(Model model, int n) {
        return Tensor.zeros(DType.F32, model.inputShapes().getFirst().prepend(n));
    }

    @ParameterizedTest
    @CsvSource({"resnet50, 16, 1, false", "resnet50, 16, 2, true", "resnet20, 32, 2, false", "resnet18, 1, 4, false"})
    void ofPredictions(String name, int n, int threads, boolean exact) {
        predictOnce(threads, exact); // classes are loaded
        long before = held();
        try (var backend = Backends.open("simd", new Options(threads, Precision.FLOAT32, exact))) {
            Model model = model(name);
            var predictor = Predictor.of(model, backend);
            predictor.planOf(n);
            model.weights().values().forEach(t -> t.get(0)); // drawn
            long stated = predictor.peakBytes(n);
            predictor.predict(pictures(model, n));
            long bytes = held() - before;
            assertEquals(bytes, stated, TOLERANCE * bytes);
            assertEquals(predictor.peakBytes(n), stated);
            Reference.reachabilityFence(predictor);
        }
    }

    /** A method of its own, since the interpreter holds on to local variables. */
    private static void predictOnce(int threads, boolean exact) {
        try (var backend = Backends.open("simd", new Options(threads, Precision.FLOAT32, exact))) {
            Model model = model("resnet20");
            Predictor.of(model, backend).predict(pictures(model, 1));
        }
    }

    @ParameterizedTest
    @CsvSource({"resnet50, 8, 2, false, false", "resnet20, 64, 2, true, false", "resnet20, 64, 1, false, true"})
    void ofTrainingSteps(String name, int n, int threads, boolean exact, boolean recompute) {
        steps(model("resnet20"), 1, threads, exact, recompute); // classes are loaded
        long before = held();
        Model model = model(name);
        model.weights().values().forEach(t -> t.get(0)); // drawn
        long weights = held() - before;
        long[] bytes = steps(model, n, threads, exact, recompute);
        long used = bytes[1] - before - weights;
        assertEquals(used, bytes[0], TOLERANCE * used);
    }

    /** Stated, and held in the end with all else there is. */
    private static long[] steps(Model model, int n, int threads, boolean exact, boolean recompute) {
        try (var backend = Backends.open("simd", new Options(threads, Precision.FLOAT32, exact))) {
            var training = Training.compile(model, Adam.of(), SparseCategoricalCrossentropy.of(), List.of(), backend)
                    .recompute(recompute);
            long stated = training.plan(n).peakBytes();
            for (int i = 0; i < 2; i++) {
                training.trainOnBatch(new Batch(pictures(model, n), Tensor.zeros(DType.F32, Shape.of(n)), null));
            }
            long held = held();
            assertEquals(training.plan(n).peakBytes(), stated);
            return new long[] {stated, held};
        }
    }
}
