package gradus.importer;

import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.Concatenate;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Dropout;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.GlobalMaxPooling2D;
import gradus.layers.Initializer;
import gradus.layers.Layer;
import gradus.layers.LeakyReLU;
import gradus.layers.MaxPooling2D;
import gradus.layers.Multiply;
import gradus.layers.Reshape;
import gradus.layers.Subtract;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;

/** What the configuration of a layer of Keras means: a layer here. */
final class KerasLayers {
    /** Between the name of a layer of Keras and a number, where several layers here do its work. */
    static final String PART = "_part";

    private KerasLayers() {}

    /** Values that a configuration says, not the tensors. */
    record Fixed(List<Double> values) implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            var y = new double[shape.size()];
            for (int i = 0; i < y.length; i++) {
                y[i] = values.get(i % values.size());
            }
            Tensor t = Tensor.of(shape, y);
            return dtype == DType.F64 ? t : Tensor.of(shape, t.floats());
        }
    }

    static Layer layer(Keras.LayerConfig l, List<Shape> inputs) {
        Config c = l.config();
        if ("channels_first".equals(c.map().get("data_format"))) {
            throw c.error("has its channels first; convert the model to channels_last");
        }
        return switch (l.type()) {
            case "Conv2D", "Convolution2D" -> convolution(c, c.integer("filters"), c.integer("groups", 1));
            case "DepthwiseConv2D" -> {
                if (inputs.size() != 1 || inputs.getFirst().rank() != 3) {
                    throw c.error("takes one picture, not " + inputs);
                }
                int channels = inputs.getFirst().dim(2);
                long filters = (long) channels * c.integer("depth_multiplier", 1);
                if (filters != (int) filters) {
                    throw c.error("has " + filters + " filters");
                }
                yield convolution(c, (int) filters, channels);
            }
            case "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization" ->
                batchNormalization(c);
            case "Dense" ->
                Dense.of(c.integer("units")).bias(c.flag("use_bias", true)).activation(activation(c, "activation"));
            case "Activation" -> Activation.of(activation(c, "activation"));
            case "ReLU" -> relu(c);
            case "LeakyReLU" -> LeakyReLU.of(c.number("negative_slope", c.number("alpha", 0.3)));
            case "ELU" -> {
                if (c.number("alpha", 1) != 1) {
                    throw c.error("alpha must be 1");
                }
                yield Activation.of(ActivationFunction.ELU);
            }
            case "Softmax" -> {
                int rank = inputs.getFirst().rank();
                int axis = c.integer("axis", -1);
                if (axis != -1 && axis != rank) {
                    throw c.error("softmax is taken along the last axis, not along axis " + axis);
                }
                yield Activation.of(ActivationFunction.SOFTMAX);
            }
            case "Add" -> Add.of();
            case "Subtract" -> Subtract.of();
            case "Multiply" -> Multiply.of();
            case "Average" -> Average.of();
            case "Concatenate" -> Concatenate.of(c.integer("axis", -1));
            case "ZeroPadding2D" -> padding(c);
            case "MaxPooling2D", "MaxPool2D" -> {
                int[] pool = c.pair("pool_size", 2);
                int[] strides = c.has("strides") ? c.pair("strides", 2) : pool;
                yield MaxPooling2D.of(pool[0], pool[1])
                        .strides(strides[0], strides[1])
                        .padding(c.string("padding", "valid"));
            }
            case "AveragePooling2D", "AvgPool2D" -> {
                int[] pool = c.pair("pool_size", 2);
                int[] strides = c.has("strides") ? c.pair("strides", 2) : pool;
                yield AveragePooling2D.of(pool[0], pool[1])
                        .strides(strides[0], strides[1])
                        .padding(c.string("padding", "valid"));
            }
            case "GlobalAveragePooling2D", "GlobalAvgPool2D" ->
                GlobalAveragePooling2D.of().keepdims(c.flag("keepdims", false));
            case "GlobalMaxPooling2D", "GlobalMaxPool2D" ->
                GlobalMaxPooling2D.of().keepdims(c.flag("keepdims", false));
            case "Flatten" -> Flatten.of();
            case "Reshape" -> Reshape.of(target(c, inputs));
            case "Dropout" -> Dropout.of(c.number("rate", 0.5));
            // noise of training, nothing in prediction
            case "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization" ->
                Activation.of(ActivationFunction.LINEAR);
            default -> throw c.error("layers of this type cannot be read; there are " + String.join(", ", types()));
        };
    }

    private static List<String> types() {
        return List.of(
                "Conv2D",
                "DepthwiseConv2D",
                "BatchNormalization",
                "Dense",
                "Activation",
                "ReLU",
                "LeakyReLU",
                "ELU",
                "Softmax",
                "Add",
                "Subtract",
                "Multiply",
                "Average",
                "Concatenate",
                "ZeroPadding2D",
                "MaxPooling2D",
                "AveragePooling2D",
                "GlobalAveragePooling2D",
                "GlobalMaxPooling2D",
                "Flatten",
                "Reshape",
                "Dropout");
    }

    private static Conv2D convolution(Config c, int filters, int groups) {
        int[] kernel = c.pair("kernel_size", 1);
        int[] strides = c.pair("strides", 1);
        int[] dilation = c.pair("dilation_rate", 1);
        return Conv2D.of(filters, kernel[0], kernel[1])
                .strides(strides[0], strides[1])
                .dilation(dilation[0], dilation[1])
                .padding(c.string("padding", "valid"))
                .groups(groups)
                .bias(c.flag("use_bias", true))
                .activation(activation(c, "activation"));
    }

    private static BatchNormalization batchNormalization(Config c) {
        if (c.flag("renorm", false) || c.has("virtual_batch_size")) {
            throw c.error("renorm and virtual batches are not known here");
        }
        Object axis = c.map().get("axis");
        if (axis instanceof List<?> list && list.size() == 1) {
            axis = list.getFirst();
        }
        if (axis != null && !(axis instanceof Long n && n == n.intValue())) {
            throw c.error("'axis' must be one axis, not " + Config.text(axis));
        }
        return BatchNormalization.of()
                .axis(axis == null ? -1 : ((Long) axis).intValue())
                .momentum(c.number("momentum", 0.99))
                .epsilon(c.number("epsilon", 1e-3))
                .center(c.flag("center", true))
                .scale(c.flag("scale", true));
    }

    /** By name, or as Keras 3 writes functions and layers: an object with the name inside. */
    private static ActivationFunction activation(Config c, String key) {
        Object value = c.map().get(key);
        if (value instanceof Map<?, ?> map) {
            value = "function".equals(map.get("class_name")) ? map.get("config") : map.get("class_name");
        }
        if (value != null && !(value instanceof String)) {
            throw c.error("'" + key + "' must be a name, not " + Config.text(value));
        }
        String name = (String) value;
        return ActivationFunction.of("ReLU".equals(name) ? "relu" : "Softmax".equals(name) ? "softmax" : name);
    }

    private static Layer relu(Config c) {
        double slope = c.number("negative_slope", 0);
        double threshold = c.number("threshold", 0);
        if (threshold == 0 && !c.has("max_value")) {
            return slope == 0 ? Activation.relu() : LeakyReLU.of(slope);
        }
        if (threshold == 0 && slope == 0 && c.number("max_value", 0) == 6) {
            return Activation.of(ActivationFunction.RELU6);
        }
        throw c.error("max_value must be 6 or none, and the threshold 0");
    }

    private static ZeroPadding2D padding(Config c) {
        Object value = c.map().get("padding");
        if (value instanceof List<?> list && list.size() == 2 && list.getFirst() instanceof List) {
            var sides = new Config(c.where(), Map.of("rows", list.get(0), "columns", list.get(1)));
            int[] rows = sides.pair("rows", 1);
            int[] columns = sides.pair("columns", 1);
            return ZeroPadding2D.of(rows[0], rows[1], columns[0], columns[1]);
        }
        int[] both = c.pair("padding", 1);
        return ZeroPadding2D.of(both[0], both[1]);
    }

    private static int[] target(Config c, List<Shape> inputs) {
        List<?> list = c.list("target_shape");
        if (list.size() > 8) {
            throw c.error("cannot have " + list.size() + " axes");
        }
        var dims = new int[list.size()];
        int open = -1;
        long known = 1;
        for (int i = 0; i < dims.length; i++) {
            if (!(list.get(i) instanceof Long n && n >= -1 && n <= Integer.MAX_VALUE)) {
                throw c.error("cannot have the extent " + Config.text(list.get(i)));
            }
            dims[i] = n.intValue();
            if (n == -1) {
                open = i;
            } else {
                known = Math.min(known * n, Integer.MAX_VALUE);
            }
        }
        if (open >= 0) {
            dims[open] = known == 0 ? 0 : (int) (inputs.getFirst().size() / known);
        }
        return dims;
    }
}
