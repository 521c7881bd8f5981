package gradus.tests;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.graph.Graph;
import gradus.op.*;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;

/**
 * A random case for every op: attributes and input values. Shapes include extent 1, even kernels, strides larger than the
 * kernel and odd channel counts. Inputs of functions with kinks keep a distance from them.
 */
final class OpCases {
    private OpCases() {}

    /** An op applied to values; {@code differentiable[i]} tells whether input i has a derivative to check. */
    record Case(Op op, List<Tensor> inputs, boolean... differentiable) {}

    static final List<ScalarFunction> FUNCTIONS = List.of(
            new ScalarFunction.Relu(),
            new ScalarFunction.Relu6(),
            new ScalarFunction.LeakyRelu(0.2),
            new ScalarFunction.Elu(0.7),
            new ScalarFunction.Gelu(),
            new ScalarFunction.Silu(),
            new ScalarFunction.Sigmoid(),
            new ScalarFunction.Tanh(),
            new ScalarFunction.Exp(),
            new ScalarFunction.Log(),
            new ScalarFunction.Sqrt(),
            new ScalarFunction.Square(),
            new ScalarFunction.Affine(-1.5, 0.25),
            new ScalarFunction.Clip(-0.75, 0.75));

    /** Cases by the class of op they are for. An op that is missing here must be reached as part of a derivative. */
    static Map<Class<? extends Op>, Function<Random, Case>> all() {
        Map<Class<? extends Op>, Function<Random, Case>> m = new LinkedHashMap<>();
        m.put(Add.class, r -> broadcasting(r, new Add()));
        m.put(Subtract.class, r -> broadcasting(r, new Subtract()));
        m.put(Multiply.class, r -> broadcasting(r, new Multiply()));
        m.put(Divide.class, r -> broadcasting(r, new Divide()));
        m.put(Elementwise.class, r -> elementwise(r, FUNCTIONS.get(r.nextInt(FUNCTIONS.size()))));
        m.put(ElementwiseGradient.class, r -> {
            Shape s = shape(r, 3);
            return new Case(
                    new ElementwiseGradient(FUNCTIONS.get(r.nextInt(FUNCTIONS.size()))),
                    List.of(awayFromKinks(r, s), positive(r, s)),
                    false,
                    false);
        });
        m.put(Combine.class, r -> {
            Shape s = shape(r, 3);
            return new Case(
                    new Combine(r.nextGaussian(), r.nextGaussian()),
                    List.of(gaussian(r, s), Tensor.scalar(r.nextGaussian()), gaussian(r, s)),
                    false,
                    false,
                    false);
        });
        m.put(Lerp.class, r -> {
            Shape s = shape(r, 3);
            return new Case(new Lerp(0.1), List.of(gaussian(r, s), gaussian(r, s)), false, false);
        });
        m.put(LerpSquare.class, r -> {
            Shape s = shape(r, 3);
            return new Case(new LerpSquare(0.001), List.of(positive(r, s), gaussian(r, s)), false, false);
        });
        m.put(AdamStep.class, r -> {
            Shape s = shape(r, 3);
            return new Case(
                    new AdamStep(1e-7),
                    List.of(gaussian(r, s), gaussian(r, s), positive(r, s), Tensor.scalar(0.001)),
                    false,
                    false,
                    false,
                    false);
        });
        m.put(
                Dropout.class,
                r -> new Case(
                        new Dropout(r.nextInt(10) * 0.1, r.nextLong()),
                        List.of(gaussian(r, shape(r, 3)), Tensor.scalar(r.nextInt(1000))),
                        true,
                        false));
        m.put(Sum.class, r -> {
            Shape s = shape(r, 4);
            int from = r.nextInt(s.rank());
            return new Case(new Sum(from, from + 1 + r.nextInt(s.rank() - from)), List.of(gaussian(r, s)), true);
        });
        m.put(Max.class, r -> {
            Shape s = shape(r, 4);
            int from = r.nextInt(s.rank());
            return new Case(new Max(from, from + 1 + r.nextInt(s.rank() - from)), List.of(distinct(r, s)), true);
        });
        m.put(MaxGradient.class, r -> {
            Shape x = Shape.of(1 + r.nextInt(3), 1 + r.nextInt(4), 1 + r.nextInt(3));
            double[] v = integers(r, x).doubles();
            Shape y = Shape.of(x.dim(0), x.dim(2));
            var max = new double[y.size()];
            Arrays.fill(max, -1e9);
            for (int i = 0; i < v.length; i++) {
                int at = i / (x.dim(1) * x.dim(2)) * x.dim(2) + i % x.dim(2);
                max[at] = Math.max(max[at], v[i]);
            }
            return new Case(
                    new MaxGradient(1, 2),
                    List.of(gaussian(r, y), Tensor.of(x, v), Tensor.of(y, max)),
                    false,
                    false,
                    false);
        });
        m.put(BroadcastTo.class, r -> {
            Shape y = shape(r, 4);
            return new Case(new BroadcastTo(y), List.of(gaussian(r, repeated(r, y))), true);
        });
        m.put(Reshape.class, r -> {
            Shape s = shape(r, 3);
            return new Case(new Reshape(Shape.of(s.size())), List.of(gaussian(r, s)), true);
        });
        m.put(Transpose.class, r -> {
            Shape s = shape(r, 4);
            var axes = new ArrayList<Integer>();
            for (int i = 0; i < s.rank(); i++) {
                axes.add(i);
            }
            Collections.shuffle(axes, r);
            return new Case(new Transpose(axes), List.of(gaussian(r, s)), true);
        });
        m.put(Pad.class, r -> {
            Shape s = shape(r, 4);
            var before = new ArrayList<Integer>();
            var after = new ArrayList<Integer>();
            var between = new ArrayList<Integer>();
            for (int i = 0; i < s.rank(); i++) {
                before.add(r.nextInt(3));
                after.add(r.nextInt(3));
                between.add(Math.max(0, r.nextInt(4) - 1));
            }
            return new Case(new Pad(before, after, between), List.of(gaussian(r, s)), true);
        });
        m.put(Slice.class, r -> {
            Shape s = shape(r, 4);
            var begin = new ArrayList<Integer>();
            var steps = new ArrayList<Integer>();
            int[] d = s.toArray();
            for (int i = 0; i < d.length; i++) {
                begin.add(r.nextInt(d[i]));
                steps.add(1 + Math.max(0, r.nextInt(4) - 1));
                d[i] = 1 + r.nextInt((d[i] - begin.get(i) - 1) / steps.get(i) + 1);
            }
            return new Case(new Slice(begin, Shape.of(d), steps), List.of(gaussian(r, s)), true);
        });
        m.put(Concat.class, r -> {
            Shape s = shape(r, 3);
            int axis = r.nextInt(s.rank());
            var parts = new ArrayList<Tensor>();
            for (int i = 1 + r.nextInt(3); i > 0; i--) {
                parts.add(gaussian(r, s.with(axis, 1 + r.nextInt(4))));
            }
            var yes = new boolean[parts.size()];
            Arrays.fill(yes, true);
            return new Case(new Concat(axis), parts, yes);
        });
        m.put(MatMul.class, r -> {
            int[] d = {1 + r.nextInt(20), 1 + r.nextInt(20), 1 + r.nextInt(40)};
            boolean ta = r.nextBoolean();
            boolean tb = r.nextBoolean();
            return new Case(
                    new MatMul(ta, tb),
                    List.of(
                            gaussian(r, ta ? Shape.of(d[2], d[0]) : Shape.of(d[0], d[2])),
                            gaussian(r, tb ? Shape.of(d[1], d[2]) : Shape.of(d[2], d[1]))),
                    true,
                    true);
        });
        m.put(Conv2D.class, OpCases::convolution);
        m.put(Conv2DInputGradient.class, r -> {
            Case c = convolution(r);
            Shape x = c.inputs.get(0).shape();
            Shape y = c.op.shape(c.inputs.stream().map(Tensor::shape).toList());
            return new Case(
                    new Conv2DInputGradient((Conv2D) c.op, x), List.of(gaussian(r, y), c.inputs.get(1)), true, true);
        });
        m.put(Conv2DKernelGradient.class, r -> {
            Case c = convolution(r);
            Shape y = c.op.shape(c.inputs.stream().map(Tensor::shape).toList());
            return new Case(
                    new Conv2DKernelGradient((Conv2D) c.op, c.inputs.get(1).shape()),
                    List.of(c.inputs.get(0), gaussian(r, y)),
                    true,
                    true);
        });
        m.put(FusedConv2D.class, r -> {
            Case c = convolution(r);
            Shape y = c.op.shape(c.inputs.stream().map(Tensor::shape).toList());
            boolean residual = r.nextBoolean();
            var inputs = new ArrayList<>(c.inputs);
            inputs.add(gaussian(r, Shape.of(y.dim(3))));
            if (residual) {
                inputs.add(gaussian(r, y));
            }
            // A smooth activation: sums cannot be kept away from ReLU's kink.
            ScalarFunction f = r.nextBoolean() ? new ScalarFunction.Tanh() : null;
            return new Case(new FusedConv2D((Conv2D) c.op, residual, f), inputs, true, true, true, true);
        });
        m.put(MaxPool2D.class, r -> pooling(r, true));
        m.put(MaxPool2DGradient.class, r -> {
            Case c = pooling(r, true);
            Tensor x = r.nextBoolean()
                    ? c.inputs.get(0)
                    : integers(r, c.inputs.get(0).shape());
            Tensor y = maxima((MaxPool2D) c.op, x);
            return new Case(
                    new MaxPool2DGradient((MaxPool2D) c.op),
                    List.of(gaussian(r, y.shape()), x, y),
                    false,
                    false,
                    false);
        });
        m.put(AveragePool2D.class, r -> pooling(r, false));
        m.put(AveragePool2DGradient.class, r -> {
            Case c = pooling(r, false);
            Shape x = c.inputs.get(0).shape();
            return new Case(
                    new AveragePool2DGradient((AveragePool2D) c.op, x),
                    List.of(gaussian(r, c.op.shape(List.of(x)))),
                    true);
        });
        m.put(Moments.class, r -> new Case(new Moments(), List.of(gaussian(r, features(r))), true));
        m.put(Covariance.class, r -> {
            Shape x = Shape.of(1 + r.nextInt(3), 1 + r.nextInt(5), 2 + r.nextInt(4), 1 + r.nextInt(8));
            return new Case(new Covariance(), List.of(gaussian(r, x)), true);
        });
        m.put(MomentsGradient.class, r -> {
            Shape x = features(r);
            return new Case(
                    new MomentsGradient(),
                    List.of(gaussian(r, Shape.of(2, x.dim(-1))), gaussian(r, x), statistics(r, x.dim(-1))),
                    false,
                    false,
                    false);
        });
        m.put(BatchNorm.class, r -> {
            Shape x = features(r);
            int c = x.dim(-1);
            return new Case(
                    new BatchNorm(1e-3),
                    List.of(gaussian(r, x), statistics(r, c), gaussian(r, Shape.of(c)), gaussian(r, Shape.of(c))),
                    true,
                    true,
                    true,
                    true);
        });
        m.put(BatchNormSums.class, r -> {
            Shape x = features(r);
            int c = x.dim(-1);
            boolean relu = r.nextBoolean();
            var inputs = new ArrayList<>(List.of(gaussian(r, x), gaussian(r, x), statistics(r, c)));
            if (relu) {
                inputs.addAll(List.of(gaussian(r, Shape.of(c)), gaussian(r, Shape.of(c))));
            }
            return new Case(new BatchNormSums(1e-3, relu), inputs, new boolean[inputs.size()]);
        });
        m.put(BatchNormGradient.class, r -> {
            Shape x = features(r);
            int c = x.dim(-1);
            boolean relu = r.nextBoolean();
            var inputs = new ArrayList<>(List.of(
                    gaussian(r, x),
                    gaussian(r, x),
                    statistics(r, c),
                    gaussian(r, Shape.of(c)),
                    gaussian(r, Shape.of(2, c))));
            if (relu) {
                inputs.add(gaussian(r, Shape.of(c)));
            }
            return new Case(new BatchNormGradient(1e-3, relu), inputs, new boolean[inputs.size()]);
        });
        m.put(FusedConv2DInputGradient.class, r -> {
            Case c = convolution(r);
            var conv = (Conv2D) c.op();
            Shape x = c.inputs().get(0).shape();
            Shape w = c.inputs().get(1).shape();
            boolean relu = r.nextBoolean();
            var inputs =
                    new ArrayList<>(List.of(gaussian(r, conv.shape(List.of(x, w))), gaussian(r, w), gaussian(r, x)));
            if (relu) {
                inputs.add(gaussian(r, x));
            }
            var op = new FusedConv2DInputGradient(new Conv2DInputGradient(conv, x), relu);
            return new Case(op, inputs, new boolean[inputs.size()]);
        });
        m.put(FusedBatchNorm.class, r -> {
            Shape x = features(r);
            int c = x.dim(-1);
            boolean residual = r.nextBoolean();
            ScalarFunction f = r.nextBoolean() ? new ScalarFunction.Sigmoid() : null;
            var inputs = new ArrayList<>(
                    List.of(gaussian(r, x), statistics(r, c), gaussian(r, Shape.of(c)), gaussian(r, Shape.of(c))));
            if (residual) {
                inputs.add(gaussian(r, x));
            }
            return new Case(new FusedBatchNorm(1e-3, false, residual, f), inputs, true, true, true, true, true);
        });
        m.put(Softmax.class, r -> new Case(new Softmax(), List.of(gaussian(r, shape(r, 3))), true));
        m.put(LogSoftmax.class, r -> new Case(new LogSoftmax(), List.of(gaussian(r, shape(r, 3))), true));
        m.put(OneHot.class, r -> {
            int classes = 1 + r.nextInt(7);
            Shape s = shape(r, 2);
            var labels = new double[s.size()];
            Arrays.setAll(labels, i -> r.nextInt(classes));
            return new Case(new OneHot(classes), List.of(Tensor.of(s, labels)), false);
        });
        return m;
    }

    static Case elementwise(Random r, ScalarFunction f) {
        boolean domain = f instanceof ScalarFunction.Log || f instanceof ScalarFunction.Sqrt;
        Shape s = shape(r, 3);
        return new Case(new Elementwise(f), List.of(domain ? positive(r, s) : awayFromKinks(r, s)), true);
    }

    private static Case broadcasting(Random r, Op op) {
        Shape y = shape(r, 4);
        Tensor a = gaussian(r, r.nextBoolean() ? y : repeated(r, y));
        Shape b = r.nextBoolean() ? y : repeated(r, y);
        return new Case(op, List.of(a, op instanceof Divide ? positive(r, b) : gaussian(r, b)), true, true);
    }

    static Case convolution(Random r) {
        int kh = 1 + r.nextInt(4);
        int kw = r.nextInt(3) > 0 ? kh : 1 + r.nextInt(4);
        int sh = 1 + r.nextInt(3);
        int sw = r.nextInt(3) > 0 ? sh : 1 + r.nextInt(3);
        int dilation = r.nextInt(4) == 0 ? 2 : 1;
        int groups = r.nextInt(4) == 0 ? 1 + r.nextInt(3) : 1;
        int c = groups * (1 + r.nextInt(r.nextInt(4) == 0 ? 18 : 5));
        int f = groups * (1 + r.nextInt(r.nextInt(4) == 0 ? 40 : 5));
        int h = (kh - 1) * dilation + 1 + r.nextInt(6);
        int w = (kw - 1) * dilation + 1 + r.nextInt(6);
        Sliding sliding = switch (r.nextInt(3)) {
            case 0 -> new Sliding(sh, sw, dilation, dilation, 0, 0, 0, 0);
            case 1 -> Sliding.same(h, w, kh, kw, sh, sw, dilation, dilation);
            default -> new Sliding(sh, sw, dilation, dilation, r.nextInt(3), r.nextInt(3), r.nextInt(3), r.nextInt(3));
        };
        Shape x = Shape.of(1 + r.nextInt(3), h, w, c);
        Shape k = Shape.of(kh, kw, c / groups, f);
        return new Case(new Conv2D(sliding, groups), List.of(gaussian(r, x), gaussian(r, k)), true, true);
    }

    private static Case pooling(Random r, boolean max) {
        int kh = 1 + r.nextInt(3);
        int kw = 1 + r.nextInt(3);
        int h = kh + r.nextInt(6);
        int w = kw + r.nextInt(6);
        int sh = 1 + r.nextInt(3);
        int sw = 1 + r.nextInt(3);
        Sliding sliding = r.nextBoolean() ? Sliding.valid(sh, sw) : Sliding.same(h, w, kh, kw, sh, sw, 1, 1);
        Shape x = Shape.of(1 + r.nextInt(2), h, w, 1 + r.nextInt(r.nextInt(3) == 0 ? 37 : 4));
        Op op = max ? new MaxPool2D(kh, kw, sliding) : new AveragePool2D(kh, kw, sliding);
        return new Case(op, List.of(max ? distinct(r, x) : gaussian(r, x)), true);
    }

    private static Tensor maxima(MaxPool2D pool, Tensor x) {
        var graph = new Graph();
        graph.output("y", graph.apply(pool, graph.input("x", x.shape())));
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT64))) {
            Plan<?> plan = Plan.of(graph, backend);
            plan.feed("x", x);
            plan.run();
            return plan.output("y");
        }
    }

    /** Rank 1 to {@code rank}, extents 1 to 6, now and then one of about 40. */
    static Shape shape(Random r, int rank) {
        var d = new int[1 + r.nextInt(rank)];
        Arrays.setAll(d, i -> 1 + r.nextInt(r.nextInt(6) == 0 ? 40 : 5));
        return Shape.of(d);
    }

    /** Features of rank 2 or 4, more than one value per channel. */
    private static Shape features(Random r) {
        int c = 1 + r.nextInt(r.nextInt(3) == 0 ? 40 : 6);
        return r.nextBoolean()
                ? Shape.of(2 + r.nextInt(9), c)
                : Shape.of(1 + r.nextInt(3), 1 + r.nextInt(5), 2 + r.nextInt(4), c);
    }

    /** A shape that broadcasts to y: some extents 1, some leading axes missing. */
    private static Shape repeated(Random r, Shape y) {
        int[] d = y.toArray();
        for (int i = 0; i < d.length; i++) {
            d[i] = r.nextBoolean() ? 1 : d[i];
        }
        return Shape.of(Arrays.copyOfRange(d, r.nextInt(d.length + 1), d.length));
    }

    static Tensor gaussian(Random r, Shape s) {
        var v = new double[s.size()];
        Arrays.setAll(v, i -> (float) r.nextGaussian());
        return Tensor.of(s, v);
    }

    private static Tensor positive(Random r, Shape s) {
        var v = new double[s.size()];
        Arrays.setAll(v, i -> (float) (0.5 + 2 * r.nextDouble()));
        return Tensor.of(s, v);
    }

    private static Tensor statistics(Random r, int c) {
        double[] v = gaussian(r, Shape.of(2, c)).doubles().clone();
        for (int i = c; i < 2 * c; i++) {
            v[i] = (float) (0.5 + Math.abs(v[i]));
        }
        return Tensor.of(Shape.of(2, c), v);
    }

    /** Gaussian, but at least 0.02 from 0, 6 and +-0.75, where activations have their kinks. */
    private static Tensor awayFromKinks(Random r, Shape s) {
        var v = new double[s.size()];
        for (int i = 0; i < v.length; i++) {
            double x;
            do {
                x = (float) (r.nextGaussian() * (r.nextInt(4) == 0 ? 5 : 1));
            } while (Math.abs(x) < 0.02 || Math.abs(x - 6) < 0.02 || Math.abs(Math.abs(x) - 0.75) < 0.02);
            v[i] = x;
        }
        return Tensor.of(s, v);
    }

    /** Values on a shuffled grid of spacing 0.1, so that a maximum stays the maximum under small changes. */
    private static Tensor distinct(Random r, Shape s) {
        var order = new ArrayList<Integer>();
        for (int i = 0; i < s.size(); i++) {
            order.add(i);
        }
        Collections.shuffle(order, r);
        return Tensor.of(
                s,
                order.stream()
                        .mapToDouble(i -> (float) (0.1 * (i - s.size() / 2)))
                        .toArray());
    }

    /** Small integers, so that maxima repeat. */
    private static Tensor integers(Random r, Shape s) {
        var v = new double[s.size()];
        Arrays.setAll(v, i -> r.nextInt(4));
        return Tensor.of(s, v);
    }
}
