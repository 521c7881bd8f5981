package gradus.app.golden;

import gradus.backend.ScalarFunction;
import gradus.op.AveragePool2D;
import gradus.op.Conv2D;
import gradus.op.LogSoftmax;
import gradus.op.Max;
import gradus.op.MaxPool2D;
import gradus.op.Op;
import gradus.op.Pad;
import gradus.op.Sliding;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Groups that are single operations: each is one graph with y, and the derivatives of sum(y dy) to its inputs. */
final class OpCases {
    private OpCases() {}

    /** y = conv2d(x, w) + b. */
    static Map<String, Tensor> conv2d(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        Value x = p.input(c, "x");
        Value w = p.input(c, "w");
        var with = new LinkedHashMap<>(Map.of("dx", x, "dw", w));
        Value y = p.graph()
                .apply(
                        new Conv2D(
                                sliding(
                                        c,
                                        x.shape(),
                                        w.shape().dim(0),
                                        w.shape().dim(1)),
                                1),
                        x,
                        w);
        if (c.has("b")) {
            Value b = p.input(c, "b");
            with.put("db", b);
            y = p.graph().add(y, b);
        }
        return valueAndGradients(p, c, y, with);
    }

    /** y = x w + b on the last axis. */
    static Map<String, Tensor> dense(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        Value x = p.input(c, "x");
        Value w = p.input(c, "w");
        var with = new LinkedHashMap<>(Map.of("dx", x, "dw", w));
        int in = x.shape().dim(-1);
        Value rows = p.graph().reshape(x, Shape.of(x.shape().size() / in, in));
        Value y = p.graph()
                .reshape(p.graph().matMul(rows, w), x.shape().with(-1, w.shape().dim(1)));
        if (c.flag("bias", c.has("b"))) {
            Value b = p.input(c, "b");
            with.put("db", b);
            y = p.graph().add(y, b);
        }
        return valueAndGradients(p, c, y, with);
    }

    static Map<String, Tensor> activation(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        Value x = p.input(c, "x");
        String op = c.text("op");
        Value y = switch (op) {
            case "relu" -> p.graph().map(new ScalarFunction.Relu(), x);
            case "softmax" -> p.graph().apply(new Softmax(), x);
            case "log_softmax" -> p.graph().apply(new LogSoftmax(), x);
            default -> throw unknown(op, "relu, softmax, log_softmax");
        };
        return valueAndGradients(p, c, y, Map.of("dx", x));
    }

    static Map<String, Tensor> pool(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        Value x = p.input(c, "x");
        String op = c.text("op");
        Value y = switch (op) {
            case "max_pool", "avg_pool" -> {
                int[] size = c.integers("pool_size");
                Sliding sliding = sliding(c, x.shape(), size[0], size[1]);
                Op pool = op.equals("max_pool")
                        ? new MaxPool2D(size[0], size[1], sliding)
                        : new AveragePool2D(size[0], size[1], sliding);
                yield p.graph().apply(pool, x);
            }
            case "global_avg_pool" -> p.graph().mean(x, 1, 3);
            case "global_max_pool" -> p.graph().apply(new Max(1, 3), x);
            default -> throw unknown(op, "max_pool, avg_pool, global_avg_pool, global_max_pool");
        };
        // Some files keep the pooled axes with extent 1.
        Value shaped = p.graph().reshape(y, c.tensor("dy").shape());
        return valueAndGradients(p, c, shaped, Map.of("dx", x));
    }

    static Map<String, Tensor> padAdd(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        String op = c.text("op");
        if (op.equals("zero_padding2d")) {
            Value x = p.input(c, "x");
            int[] rows = c.integers(c.list("padding").get(0), "padding");
            int[] columns = c.integers(c.list("padding").get(1), "padding");
            var pad = new Pad(List.of(0, rows[0], columns[0], 0), List.of(0, rows[1], columns[1], 0));
            return valueAndGradients(p, c, p.graph().apply(pad, x), Map.of("dx", x));
        }
        Value a = p.input(c, "a");
        Value b = p.input(c, "b");
        Value y = switch (op) {
            case "add" -> p.graph().add(a, b);
            case "sub" -> p.graph().subtract(a, b);
            case "mul" -> p.graph().multiply(a, b);
            default -> throw unknown(op, "zero_padding2d, add, sub, mul");
        };
        return valueAndGradients(p, c, y, Map.of("da", a, "db", b));
    }

    private static Map<String, Tensor> valueAndGradients(Program p, GoldenCase c, Value y, Map<String, Value> with) {
        p.output("y", y);
        p.gradients(y, p.input(c, "dy"), with);
        return p.run();
    }

    /** The window's steps and padding as {@code stride} and {@code padding} say. */
    static Sliding sliding(GoldenCase c, Shape x, int kh, int kw) {
        int[] stride = c.integers("stride");
        String padding = c.text("padding").toUpperCase(Locale.ROOT);
        return switch (padding) {
            case "VALID" -> Sliding.valid(stride[0], stride[1]);
            case "SAME" -> Sliding.same(x.dim(1), x.dim(2), kh, kw, stride[0], stride[1], 1, 1);
            default -> throw unknown(padding, "SAME, VALID");
        };
    }

    static GoldenException unknown(String what, String known) {
        return new GoldenException("unknown: " + what + "; known are " + known);
    }
}
