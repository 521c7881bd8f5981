package gradus.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import gradus.graph.Graph;
import gradus.op.Conv2D;
import gradus.resnet.ResNets;
import gradus.tensor.GradusException;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Param;

class LayerTest {
    /** The benchmark's list is the network's: no shape is missing, none is invented, padding included. */
    @Test
    void everyConvolutionOfResNet50() throws NoSuchFieldException {
        var model = ResNets.byName("resnet50-224").build();
        var graph = new Graph();
        model.lower(
                graph,
                false,
                List.of(graph.input("x", model.inputShapes().get(0).prepend(1))));
        var wanted = new TreeSet<String>();
        for (var node : graph.nodes()) {
            if (node.op() instanceof Conv2D conv) {
                var x = node.inputShapes().get(0);
                var w = node.inputShapes().get(1);
                var layer = new Layer(w.dim(0), conv.sliding().strideH(), w.dim(2), w.dim(3), x.dim(1));
                boolean paddedBefore = w.dim(0) == 7;
                layer = paddedBefore ? new Layer(7, 2, 3, 64, x.dim(1) - 6) : layer;
                assertEquals(node.output().shape(), layer.conv().shape(List.of(layer.input(1), layer.kernelShape())));
                wanted.add(layer.toString());
            }
        }
        String[] listed =
                Convolution.class.getField("layer").getAnnotation(Param.class).value();
        assertEquals(wanted, new TreeSet<>(List.of(listed)));
        assertEquals(20, listed.length);
    }

    @Test
    void textAndBack() {
        assertEquals("1x1/2:256-128@56", Layer.of("1x1/2:256-128@56").toString());
        assertThrows(GradusException.class, () -> Layer.of("3x1/1:64-64@56"));
        assertThrows(GradusException.class, () -> Layer.of("3x3"));
    }
}
