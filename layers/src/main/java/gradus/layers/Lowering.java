package gradus.layers;

import gradus.layers.Lowered.LoweredCall;
import gradus.op.Builder;
import gradus.op.Value;

/** What a layer sees of the program it is translated into. */
public interface Lowering {
    /** Where the layer's operations go. */
    Builder builder();

    /** Whether this is training: batch statistics, dropout. */
    boolean training();

    /** False for a frozen layer; a frozen BatchNormalization uses its moving statistics even in training. */
    boolean trainable();

    /** One of the layer's own weights; for {@code kernel} the program's parameter {@code layer/kernel}. */
    Value weight(String name);

    /** The value a weight has after this step, for moving statistics; ignored unless training. */
    void update(String weight, Value value);

    /** The number of the training step, a scalar that is fed; what random layers draw from together with the seed. */
    Value step();

    /** A number made of the model's seed and the layer's name. */
    long seed();

    /** 0 in the first call of a layer, another number in each further one, also of a model around it: random layers draw anew. */
    default long call() {
        return 0;
    }

    /** Says which layer the next operations belong to, for listings and error messages. */
    void scope(String layer);

    /** Told after each call of a layer of a model. */
    default void called(LoweredCall call) {}

    /** The same program as seen by a layer inside this one, called for the number-th time: a layer of a nested model. */
    default Lowering inside(String layer, int number, boolean trainable) {
        Lowering outer = this;
        return new Lowering() {
            @Override
            public Builder builder() {
                return outer.builder();
            }

            @Override
            public boolean training() {
                return outer.training();
            }

            @Override
            public boolean trainable() {
                return trainable && outer.trainable();
            }

            @Override
            public Value weight(String name) {
                return outer.weight(layer + "/" + name);
            }

            @Override
            public void update(String weight, Value value) {
                outer.update(layer + "/" + weight, value);
            }

            @Override
            public Value step() {
                return outer.step();
            }

            @Override
            public long seed() {
                return Seeds.derive(outer.seed(), layer);
            }

            @Override
            public long call() {
                return outer.call() * 1_000_003 + number;
            }

            @Override
            public void scope(String name) {
                outer.scope(layer + "/" + name);
            }

            @Override
            public void called(LoweredCall call) {
                outer.called(new LoweredCall(layer + "/" + call.name(), call.layer(), call.inputs(), call.outputs()));
            }
        };
    }
}
