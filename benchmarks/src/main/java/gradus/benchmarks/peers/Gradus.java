package gradus.benchmarks.peers;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.benchmarks.Measured;
import gradus.importer.Importer;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.Batch;
import gradus.train.Checkpoint;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Gradus itself. */
public final class Gradus implements Peer {
    private Backend<?> backend;

    private Gradus() {}

    public static void main(String[] args) throws Exception {
        Peer.main(new Gradus(), args);
    }

    @Override
    public String version() {
        return "0.1.0-SNAPSHOT, " + backend.description();
    }

    @Override
    public Runnable prepare(Case c, int threads) {
        backend = Backends.open("simd", new Options(threads, Precision.FLOAT32));
        if (c.train()) {
            return step(c, model(c), backend);
        }
        Path file = Path.of(System.getProperty(Peer.FOLDER), "resnet50-" + c.side() + ".safetensors");
        if (!Files.exists(file)) {
            Checkpoint.of(model(c)).save(file);
        }
        return step(c, Importer.load(file).model(), backend);
    }

    private static Model model(Case c) {
        Model model =
                ResNets.byName(c.side() == 224 ? "resnet50-224" : "resnet50").build();
        model.initialize(1, DType.F32);
        return model;
    }

    private static <B> Runnable step(Case c, Model model, Backend<B> backend) {
        Tensor x = Measured.random(Shape.of(c.batch(), c.side(), c.side(), 3), 1);
        if (!c.train()) {
            var predictor = Predictor.of(model, backend);
            return () -> check(predictor.predict(x).get(0));
        }
        var labels = new float[c.batch()];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = i % 6;
        }
        var batch = new Batch(x, Tensor.of(Shape.of(c.batch()), labels), null);
        var training = Training.compile(model, Adam.of(), SparseCategoricalCrossentropy.of(), List.of(), backend);
        return () -> training.trainOnBatch(batch); // throws if the loss is not finite
    }

    private static void check(double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalStateException("softmax gave " + probability);
        }
    }
}
