package gradus.peers;

import gradus.benchmarks.peers.Case;
import gradus.benchmarks.peers.Peer;
import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.ConvolutionMode;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.deeplearning4j.nn.conf.graph.ElementWiseVertex;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.ActivationLayer;
import org.deeplearning4j.nn.conf.layers.BatchNormalization;
import org.deeplearning4j.nn.conf.layers.ConvolutionLayer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.conf.layers.SubsamplingLayer;
import org.deeplearning4j.nn.conf.layers.SubsamplingLayer.PoolingType;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.weights.WeightInit;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.lossfunctions.LossFunctions;

/** Deeplearning4j's ComputationGraph in NCHW, the faster of its layouts here, with its oneDNN and AVX-512 build. */
public final class Dl4j implements Peer {
    private ComputationGraphConfiguration.GraphBuilder graph;
    private int names;

    private Dl4j() {}

    public static void main(String[] args) throws Exception {
        Peer.main(new Dl4j(), args);
    }

    @Override
    public String version() {
        return "1.0.0-M2.1, NCHW, oneDNN";
    }

    /** The number of threads is the environment's OMP_NUM_THREADS. */
    @Override
    public Runnable prepare(Case c, int threads) {
        graph = new NeuralNetConfiguration.Builder()
                .seed(1)
                .dataType(DataType.FLOAT)
                .weightInit(WeightInit.RELU)
                .updater(new Adam(1e-3))
                .convolutionMode(ConvolutionMode.Truncate)
                .trainingWorkspaceMode(WorkspaceMode.ENABLED)
                .inferenceWorkspaceMode(WorkspaceMode.ENABLED)
                .graphBuilder()
                .addInputs("x")
                .setInputTypes(InputType.convolutional(c.side(), c.side(), 3, CNN2DFormat.NCHW));
        String y = pool(relu(conv("x", 64, 7, 2)), PoolingType.MAX, 3, 2, c.poolPadding());
        for (Case.Block b : Case.blocks()) {
            String z = relu(conv(y, b.middle(), 1, b.stride()));
            z = conv(relu(conv(z, b.middle(), 3, 1)), b.out(), 1, 1);
            String sum = "n" + names++;
            String shortcut = b.projection() ? conv(y, b.out(), 1, b.stride()) : y;
            graph.addVertex(sum, new ElementWiseVertex(ElementWiseVertex.Op.Add), z, shortcut);
            y = relu(sum);
        }
        y = pool(y, PoolingType.AVG, c.lastSide(), c.lastSide(), 0);
        var last = new OutputLayer.Builder(LossFunctions.LossFunction.MCXENT)
                .nOut(c.classes())
                .activation(Activation.SOFTMAX);
        graph.addLayer("y", last.build(), y).setOutputs("y");
        var net = new ComputationGraph(graph.build());
        net.init();
        return step(c, net);
    }

    private static Runnable step(Case c, ComputationGraph net) {
        INDArray x = Nd4j.rand(DataType.FLOAT, c.batch(), 3, c.side(), c.side());
        if (!c.train()) {
            return () -> {
                float top = net.output(false, x)[0].maxNumber().floatValue();
                if (!(top > 0 && top <= 1.001f)) {
                    throw new IllegalStateException("softmax gave " + top);
                }
            };
        }
        INDArray labels = Nd4j.zeros(DataType.FLOAT, c.batch(), c.classes());
        for (int i = 0; i < c.batch(); i++) {
            labels.putScalar(i, i % 6, 1);
        }
        var data = new DataSet(x, labels);
        return () -> {
            net.fit(data);
            if (!Double.isFinite(net.score())) {
                throw new IllegalStateException("the loss is " + net.score());
            }
        };
    }

    /** A convolution, padded by half its kernel, and batch norm. */
    private String conv(String x, int out, int kernel, int stride) {
        String conv = "n" + names++;
        String norm = "n" + names++;
        var layer = new ConvolutionLayer.Builder(kernel, kernel)
                .stride(stride, stride)
                .padding(kernel / 2, kernel / 2)
                .nOut(out)
                .hasBias(false)
                .activation(Activation.IDENTITY);
        graph.addLayer(conv, layer.build(), x);
        graph.addLayer(norm, new BatchNormalization.Builder().eps(1e-5).build(), conv);
        return norm;
    }

    private String relu(String x) {
        String y = "n" + names++;
        graph.addLayer(y, new ActivationLayer(Activation.RELU), x);
        return y;
    }

    private String pool(String x, PoolingType type, int window, int stride, int padding) {
        String y = "n" + names++;
        var layer = new SubsamplingLayer.Builder(type)
                .kernelSize(window, window)
                .stride(stride, stride)
                .padding(padding, padding);
        graph.addLayer(y, layer.build(), x);
        return y;
    }
}
