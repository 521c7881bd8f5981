package gradus.layers;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What changes about a layer: its weights and whether it is trained. A layer object has one, which every model that contains
 * the layer shares; equal objects are different layers.
 */
final class LayerState {
    private static final Map<Key, LayerState> ALL = new ConcurrentHashMap<>();
    private static final Cleaner CLEANER = Cleaner.create();

    /** A layer by identity, which does not keep it in memory. */
    private static final class Key extends WeakReference<Layer> {
        private final int hash;

        Key(Layer layer) {
            super(layer);
            hash = System.identityHashCode(layer);
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(Object other) {
            return this == other || other instanceof Key key && key.get() instanceof Layer layer && layer == get();
        }
    }

    /** The state of a layer, made when it is first applied; it goes with the layer. */
    static LayerState of(Layer layer) {
        return ALL.computeIfAbsent(new Key(layer), key -> {
            CLEANER.register(layer, () -> ALL.remove(key));
            return new LayerState();
        });
    }

    private LayerState() {}

    /** The name a model gave to a layer without one. */
    String number;

    boolean trainable = true;

    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private long version;
    private List<Shape> inputs;

    /** The inputs for which the first model with this layer made its weights: {@code here}, if that is it. */
    synchronized List<Shape> inputs(List<Shape> here) {
        inputs = inputs == null ? here : inputs;
        return inputs;
    }

    synchronized Tensor get(String weight) {
        return weights.get(weight);
    }

    synchronized void set(String weight, Tensor value) {
        weights.put(weight, value);
        version++;
    }

    synchronized long version() {
        return version;
    }
}
