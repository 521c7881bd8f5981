package gradus.layers;

import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.List;

/** y[..., o] = f(bias[o] + sum over i of x[..., i] kernel[i, o]), on the last axis of any rank. Keras's Dense. */
public record Dense(
        int units,
        boolean bias,
        ActivationFunction activation,
        Initializer kernelInitializer,
        Initializer biasInitializer,
        double l2,
        String name)
        implements StoredLayer {
    /** @throws GradusException for arguments Keras refuses */
    public Dense {
        if (units < 1) {
            throw new GradusException("Dense: units must be positive, got " + units);
        }
        if (!(l2 >= 0)) {
            throw new GradusException("Dense: l2 must not be negative, got " + l2);
        }
    }

    /** With bias, no activation, glorot_uniform. */
    public static Dense of(int units) {
        return new Dense(
                units, true, ActivationFunction.LINEAR, Initializers.glorotUniform(), Initializers.zeros(), 0, null);
    }

    public Dense bias(boolean bias) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Dense activation(ActivationFunction activation) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Dense activation(String activation) {
        return activation(ActivationFunction.of(activation));
    }

    public Dense kernelInitializer(Initializer kernelInitializer) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Dense biasInitializer(Initializer biasInitializer) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    /** Adds l2 sum(kernel^2) to the loss. */
    public Dense l2(double l2) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    @Override
    public Dense named(String name) {
        return new Dense(units, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.one(inputs);
        if (x.rank() < 1) {
            throw new ShapeException("needs at least one axis besides the batch");
        }
        return x.with(-1, units);
    }

    @Override
    public List<Weight> weights(List<Shape> inputs) {
        var weights = new ArrayList<Weight>();
        Shape kernel = Shape.of(inputs.get(0).dim(-1), units);
        weights.add(new Weight("kernel", kernel, kernelInitializer, true, l2));
        if (bias) {
            weights.add(Weight.trained("bias", Shape.of(units), biasInitializer));
        }
        return weights;
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        var b = to.builder();
        Value x = inputs.get(0);
        Shape s = x.shape();
        Value rows = b.reshape(x, Shape.of(s.size(0, s.rank() - 1), s.dim(-1)));
        Value y = b.matMul(rows, to.weight("kernel"));
        if (bias) {
            y = b.add(y, to.weight("bias"));
        }
        return activation.apply(b, b.reshape(y, s.with(-1, units)));
    }
}
