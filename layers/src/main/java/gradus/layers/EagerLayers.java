package gradus.layers;

import gradus.eager.Eager;
import gradus.eager.Variable;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Layers that compute at once, and their weights. A layer gets its weights when it is first called, in the order of
 * calls, as in Keras; the same layer object called again has the same weights. A {@link Model} called this way brings
 * its own. Names may repeat here: layers are told apart by identity.
 */
public final class EagerLayers {
    private final Eager<?> eager;
    private final boolean training;
    private final long seed;
    private final Map<Layer, Map<String, Variable>> weights = new IdentityHashMap<>();
    private final Map<String, Integer> numbers = new HashMap<>();
    private final List<Layer> order = new ArrayList<>();
    private long calls;

    public EagerLayers(Eager<?> eager, boolean training) {
        this(eager, training, 0);
    }

    /** @param seed what unseeded initializers and dropout draw from, together with the layer's name */
    public EagerLayers(Eager<?> eager, boolean training, long seed) {
        this(eager, training, seed, 0);
    }

    /** @param calls how many calls there were before: dropout draws something else in each */
    EagerLayers(Eager<?> eager, boolean training, long seed, long calls) {
        this.eager = eager;
        this.training = training;
        this.seed = seed;
        this.calls = calls;
    }

    /** A batch of samples to call layers on; its derivative can be asked for. */
    public LayerOutput input(Tensor batch) {
        return new LayerOutput(this, eager.leaf(batch));
    }

    /** The layers called so far, each once, in the order of their first calls. */
    public List<Layer> layers() {
        return List.copyOf(order);
    }

    /** The weights of a layer that was called here. */
    public Map<String, Variable> weights(Layer layer) {
        Map<String, Variable> w = weights.get(layer);
        if (w == null) {
            throw new GradusException(
                    "this " + layer.type() + " was not called here; weights belong to the layer object,"
                            + " and named() or another wither makes a new one");
        }
        return Map.copyOf(w);
    }

    List<LayerOutput> call(Layer layer, List<LayerOutput> inputs) {
        List<Shape> shapes = inputs.stream().map(LayerOutput::shape).toList();
        String name = layer.name() != null ? layer.name() : Names.numbered(Names.base(layer), numbers);
        Map<String, Variable> own = weights.get(layer);
        if (own == null) {
            own = make(layer, name, shapes);
            weights.put(layer, own);
            order.add(layer);
        }
        List<Value> values = inputs.stream().<Value>map(LayerOutput::variable).toList();
        List<LayerOutput> outputs = new ArrayList<>();
        for (Value v : layer.lowerAll(new Target(layer, name, own), values)) {
            outputs.add(new LayerOutput(this, (Variable) v));
        }
        calls++;
        return outputs;
    }

    private Map<String, Variable> make(Layer layer, String name, List<Shape> shapes) {
        DType dtype = Predictor.dtype(eager.backend());
        var made = new LinkedHashMap<String, Variable>();
        for (Weight w : layer.weights(shapes)) {
            Tensor value = layer instanceof Model m
                    ? m.weight(w.name())
                    : w.initializer().initialize(w.shape(), dtype, Seeds.derive(seed, name + "/" + w.name()));
            made.put(w.name(), w.trainable() ? eager.leaf(value) : eager.constant(value));
        }
        return made;
    }

    /** A layer's view of the computation. */
    private final class Target implements Lowering {
        private final Layer layer;
        private final String name;
        private final Map<String, Variable> own;

        Target(Layer layer, String name, Map<String, Variable> own) {
            this.layer = layer;
            this.name = name;
            this.own = own;
        }

        @Override
        public Builder builder() {
            return eager;
        }

        @Override
        public boolean training() {
            return training;
        }

        @Override
        public boolean trainable() {
            return true;
        }

        @Override
        public Value weight(String weight) {
            return own.get(weight);
        }

        @Override
        public void update(String weight, Value value) {
            if (training) {
                own.put(weight, (Variable) value);
                if (layer instanceof Model m) {
                    m.setWeight(weight, ((Variable) value).value());
                }
            }
        }

        @Override
        public Value step() {
            return eager.constant((double) calls);
        }

        @Override
        public long seed() {
            return layer instanceof Model m ? m.seed() : Seeds.derive(seed, name);
        }

        @Override
        public void scope(String layer) {}
    }
}
