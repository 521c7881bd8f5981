package gradus.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import gradus.benchmarks.Measured;
import gradus.benchmarks.peers.Case;
import gradus.benchmarks.peers.Peer;
import gradus.io.AtomicFile;
import gradus.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** ONNX Runtime on the CPU with all of its graph optimisations: batch norm is folded, layouts are its own choice. */
public final class OnnxRuntime implements Peer {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();

    private OnnxRuntime() {}

    public static void main(String[] args) throws Exception {
        Peer.main(new OnnxRuntime(), args);
    }

    @Override
    public String version() {
        return environment.getVersion();
    }

    /** The network as a file, as its users have it; made when it is first asked for. */
    private static Path model(Case c) {
        Path file = Path.of(System.getProperty(Peer.FOLDER), "resnet50-" + c.side() + "-" + c.batch() + ".onnx");
        if (!Files.exists(file)) {
            AtomicFile.write(file, OnnxModel.of(c));
        }
        return file;
    }

    @Override
    public Runnable prepare(Case c, int threads) throws OrtException {
        var options = new OrtSession.SessionOptions();
        options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
        options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
        options.setIntraOpNumThreads(threads);
        options.setInterOpNumThreads(1);
        OrtSession session = environment.createSession(model(c).toString(), options);
        float[] pictures =
                Measured.random(Shape.of(c.batch(), 3, c.side(), c.side()), 1).floats();
        var data = ByteBuffer.allocateDirect(4 * pictures.length)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .put(pictures)
                .flip();
        OnnxTensor x = OnnxTensor.createTensor(environment, data, new long[] {c.batch(), 3, c.side(), c.side()});
        return () -> {
            try (var result = session.run(Map.of("x", x))) {
                float p = ((OnnxTensor) result.get(0)).getFloatBuffer().get(0);
                if (!(p >= 0 && p <= 1)) {
                    throw new IllegalStateException("softmax gave " + p);
                }
            } catch (OrtException e) {
                throw new IllegalStateException(e);
            }
        };
    }
}
