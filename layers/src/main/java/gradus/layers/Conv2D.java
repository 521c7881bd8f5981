package gradus.layers;

import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.List;

/**
 * y[p, q, o] = f(bias[o] + sum over i, j, c of x[p s + i d - top, q s + j d - left, c] kernel[i, j, c, o]), s stride, d
 * dilation. Shapes (h, w, in) to (oh, ow, filters); kernel (kh, kw, in / groups, filters). Keras's Conv2D.
 */
public record Conv2D(
        int filters,
        Geometry geometry,
        int groups,
        boolean bias,
        ActivationFunction activation,
        Initializer kernelInitializer,
        Initializer biasInitializer,
        double l2,
        String name)
        implements StoredLayer {
    /** @throws GradusException for arguments Keras refuses */
    public Conv2D {
        require(filters > 0, "filters must be positive, got " + filters);
        Size kernel = geometry.kernel();
        Size strides = geometry.strides();
        Size dilation = geometry.dilation();
        require(kernel.atLeast(1), "the kernel must be at least (1, 1), got " + kernel);
        require(strides.atLeast(1), "strides must be at least (1, 1), got " + strides);
        require(dilation.atLeast(1), "dilation must be at least (1, 1), got " + dilation);
        require(
                strides.equals(Size.of(1)) || dilation.equals(Size.of(1)),
                "strides " + strides + " and dilation " + dilation + " cannot both be larger than 1");
        require(groups > 0, "groups must be positive, got " + groups);
        require(filters % Math.max(groups, 1) == 0, filters + " filters do not split into " + groups + " groups");
        require(l2 >= 0, "l2 must not be negative, got " + l2);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new GradusException("Conv2D: " + message);
        }
    }

    /** A square kernel with stride 1, no padding, bias, no activation, glorot_uniform. */
    public static Conv2D of(int filters, int kernel) {
        return of(filters, kernel, kernel);
    }

    public static Conv2D of(int filters, int kernelHeight, int kernelWidth) {
        return new Conv2D(
                filters,
                Geometry.of(new Size(kernelHeight, kernelWidth)),
                1,
                true,
                ActivationFunction.LINEAR,
                Initializers.glorotUniform(),
                Initializers.zeros(),
                0,
                null);
    }

    public Conv2D strides(int both) {
        return strides(both, both);
    }

    public Conv2D strides(int height, int width) {
        return new Conv2D(
                filters,
                geometry.strides(new Size(height, width)),
                groups,
                bias,
                activation,
                kernelInitializer,
                biasInitializer,
                l2,
                name);
    }

    public Conv2D padding(Padding padding) {
        return new Conv2D(
                filters,
                geometry.padding(padding),
                groups,
                bias,
                activation,
                kernelInitializer,
                biasInitializer,
                l2,
                name);
    }

    /** From Keras's {@code "valid"} or {@code "same"}. */
    public Conv2D padding(String padding) {
        return padding(Padding.of(padding));
    }

    public Conv2D same() {
        return padding(Padding.SAME);
    }

    public Conv2D dilation(int both) {
        return dilation(both, both);
    }

    public Conv2D dilation(int height, int width) {
        return new Conv2D(
                filters,
                geometry.dilation(new Size(height, width)),
                groups,
                bias,
                activation,
                kernelInitializer,
                biasInitializer,
                l2,
                name);
    }

    public Conv2D groups(int groups) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Conv2D bias(boolean bias) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Conv2D activation(ActivationFunction activation) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Conv2D activation(String activation) {
        return activation(ActivationFunction.of(activation));
    }

    public Conv2D kernelInitializer(Initializer kernelInitializer) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    public Conv2D biasInitializer(Initializer biasInitializer) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    /** Adds l2 sum(kernel^2) to the loss. */
    public Conv2D l2(double l2) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    @Override
    public Conv2D named(String name) {
        return new Conv2D(filters, geometry, groups, bias, activation, kernelInitializer, biasInitializer, l2, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.image(inputs);
        if (x.dim(2) % groups != 0) {
            throw new ShapeException("the " + x.dim(2) + " input channels do not split into " + groups + " groups");
        }
        Shape w = kernelShape(x);
        return operation(x).shape(List.of(x.prepend(1), w)).slice(1, 4);
    }

    private Shape kernelShape(Shape x) {
        return Shape.of(geometry.kernel().height(), geometry.kernel().width(), x.dim(-1) / groups, filters);
    }

    private gradus.op.Conv2D operation(Shape x) {
        return new gradus.op.Conv2D(
                geometry.padding().sliding(x, geometry.kernel(), geometry.strides(), geometry.dilation()), groups);
    }

    @Override
    public List<Weight> weights(List<Shape> inputs) {
        var weights = new ArrayList<Weight>();
        weights.add(new Weight("kernel", kernelShape(inputs.get(0)), kernelInitializer, true, l2));
        if (bias) {
            weights.add(Weight.trained("bias", Shape.of(filters), biasInitializer));
        }
        return weights;
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        var b = to.builder();
        Value x = inputs.get(0);
        Value y = b.apply(operation(x.shape()), x, to.weight("kernel"));
        if (bias) {
            y = b.add(y, to.weight("bias"));
        }
        return activation.apply(b, y);
    }
}
