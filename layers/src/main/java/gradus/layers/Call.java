package gradus.layers;

import gradus.tensor.Shape;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * One application of a layer: a node of the graph that models are cut out of. Identity, not content, tells two apart.
 */
final class Call {
    private static final AtomicLong COUNT = new AtomicLong();

    final Layer layer;
    final List<LayerOutput> inputs;
    final List<LayerOutput> outputs;

    /** Calls are numbered as they are made; as operands are made first, this order is also an order of computation. */
    final long number = COUNT.getAndIncrement();

    /** One for all calls of a layer. */
    final LayerState state;

    Call(Layer layer, List<LayerOutput> inputs, List<Shape> shapes) {
        this.layer = layer;
        this.state = LayerState.of(layer);
        this.inputs = List.copyOf(inputs);
        this.outputs = IntStream.range(0, shapes.size())
                .mapToObj(i -> new LayerOutput(this, i, shapes.get(i)))
                .toList();
    }

    List<Shape> inputShapes() {
        return inputs.stream().map(LayerOutput::shape).toList();
    }

    boolean isInput() {
        return layer instanceof Input;
    }
}
