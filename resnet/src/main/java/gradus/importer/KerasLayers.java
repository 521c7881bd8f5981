package gradus.importer;

import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Clip;
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
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What the configuration of a layer of Keras means: a layer here. */
final class KerasLayers {
    /** Between the name of a layer of Keras and a number, where several layers here do its work. */
    static final String PART = "_part";

    /** Types whose weights do not learn in Keras. */
    static final Set<String> FIXED = Set.of("Rescaling", "Normalization");

    /** Types for which the order of a picture's axes matters, channels last unless they say otherwise. */
    static final Set<String> SPATIAL = Set.of(
            "Conv2D",
            "DepthwiseConv2D",
            "SeparableConv2D",
            "ZeroPadding2D",
            "MaxPooling2D",
            "AveragePooling2D",
            "GlobalMaxPooling2D",
            "GlobalAveragePooling2D");

    /** Where {@link KerasTopology} says that a convolution only adds channels of zeros, and how many. */
    static final String CHANNEL_PADDING = "gradus_channel_padding";

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

    /**
     * The layer, or several in a row that do its work, without names.
     *
     * @param channelsFirst whether all of the model's pictures are (c, h, w) in Keras; {@code inputs} are (h, w, c)
     */
    static List<Layer> layers(Keras.LayerConfig given, List<Shape> inputs, boolean channelsFirst) {
        Keras.LayerConfig l = channelsFirst ? channelsLast(given, inputs) : given;
        Config c = l.config();
        if ("channels_first".equals(c.map().get("data_format"))) {
            throw c.error("has its channels first, as not all layers have; convert the model to channels_last");
        }
        if (l.whole().has(CHANNEL_PADDING)) {
            int[] added = l.whole().pair(CHANNEL_PADDING, 0);
            Layer padding = ChannelPadding.of(added[0], added[1]);
            int channels = padding.output(inputs).dim(2);
            if (channels != c.integer("filters", 0)) {
                throw c.error("must have as many filters as it has channels with those added, " + channels);
            }
            return List.of(padding);
        }
        return switch (l.type()) {
            case "ReLU" -> relu(c, inputs);
            case "SeparableConv2D", "SeparableConvolution2D" ->
                List.of(
                        depthwise(c, inputs).bias(false).activation(ActivationFunction.LINEAR),
                        Conv2D.of(c.integer("filters"), 1)
                                .bias(c.flag("use_bias", true))
                                .activation(activation(c, "activation")));
            case "Rescaling" -> List.of(affine(values(c, "scale", 1, inputs), values(c, "offset", 0, inputs)));
            case "Normalization" -> List.of(normalization(c, inputs));
            default -> List.of(layer(l, inputs));
        };
    }

    /** What Keras calls weights of such a layer, by what stands behind the layer's name here. */
    static Map<String, String> weights(String type) {
        return switch (type) {
            case "SeparableConv2D", "SeparableConvolution2D" ->
                Map.of(PART + "0/kernel", "depthwise_kernel", "/kernel", "pointwise_kernel");
            case "Normalization" -> Map.of("/moving_mean", "mean", "/moving_variance", "variance");
            default -> Map.of();
        };
    }

    private static Layer layer(Keras.LayerConfig l, List<Shape> inputs) {
        Config c = l.config();
        return switch (l.type()) {
            case "Conv2D", "Convolution2D" -> convolution(c, c.integer("filters"), c.integer("groups", 1));
            case "DepthwiseConv2D" -> depthwise(c, inputs);
            case "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization" ->
                batchNormalization(c);
            case "Dense" ->
                Dense.of(c.integer("units")).bias(c.flag("use_bias", true)).activation(activation(c, "activation"));
            case "Activation" -> Activation.of(activation(c, "activation"));
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
            // changes and noise of training, nothing in prediction
            case "SpatialDropout2D",
                    "GaussianNoise",
                    "GaussianDropout",
                    "AlphaDropout",
                    "ActivityRegularization",
                    "Identity",
                    "RandomFlip",
                    "RandomRotation",
                    "RandomZoom",
                    "RandomContrast",
                    "RandomBrightness",
                    "RandomTranslation" -> Activation.of(ActivationFunction.LINEAR);
            case "Resizing", "CenterCrop", "RandomCrop" ->
                unchanged(c, inputs, c.integer("height"), c.integer("width"));
            case "Cropping2D" -> {
                int[] sides = sides(c, "cropping", 0);
                Shape x = inputs.getFirst();
                if (x.rank() != 3) {
                    throw c.error("takes one picture, not " + inputs);
                }
                yield unchanged(c, inputs, x.dim(0) - sides[0] - sides[1], x.dim(1) - sides[2] - sides[3]);
            }
            case "Permute" -> {
                List<?> dims = c.list("dims");
                for (int i = 0; i < dims.size(); i++) {
                    if (!Long.valueOf(i + 1).equals(dims.get(i))) {
                        throw c.error("axes are not exchanged here; dims must be in order, not " + Config.text(dims));
                    }
                }
                yield Activation.of(ActivationFunction.LINEAR);
            }
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
                "Dropout",
                "SeparableConv2D",
                "Rescaling",
                "Normalization",
                "layers of augmentation");
    }

    /** Layers that change the size of pictures are read where they change nothing. */
    private static Layer unchanged(Config c, List<Shape> inputs, int height, int width) {
        Shape x = inputs.getFirst();
        if (x.rank() != 3 || x.dim(0) != height || x.dim(1) != width) {
            throw c.error("would make pictures of " + height + " x " + width + " of " + x + ", which is not done here;"
                    + " give the model pictures of that size (--input where it takes any), or leave the layer out");
        }
        return Activation.of(ActivationFunction.LINEAR);
    }

    private static Conv2D depthwise(Config c, List<Shape> inputs) {
        if (inputs.size() != 1 || inputs.getFirst().rank() != 3) {
            throw c.error("takes one picture, not " + inputs);
        }
        int channels = inputs.getFirst().dim(2);
        long filters = (long) channels * c.integer("depth_multiplier", 1);
        if (filters != (int) filters) {
            throw c.error("has " + filters + " filters");
        }
        return convolution(c, (int) filters, channels);
    }

    // ---- arithmetic with constants: a batch norm that is never trained ----

    /** x scale + offset. */
    private static BatchNormalization affine(List<Double> scale, List<Double> offset) {
        return BatchNormalization.of()
                .epsilon(0)
                .gammaInitializer(new Fixed(scale))
                .betaInitializer(new Fixed(offset))
                .movingInitializers(new Fixed(List.of(0.0)), new Fixed(List.of(1.0)));
    }

    /** (x - mean) / max(sqrt(variance), 1e-7), of the configuration or of tensors. */
    private static BatchNormalization normalization(Config c, List<Shape> inputs) {
        if (c.flag("invert", false)) {
            throw c.error("invert is not known here");
        }
        Object axis = c.has("axis") ? axis(c) : Long.valueOf(-1);
        if (axis instanceof Long n && n != -1 && n != inputs.getFirst().rank()) {
            throw c.error("'axis' must be the last one, not " + n);
        }
        BatchNormalization norm =
                BatchNormalization.of().epsilon(1e-14).center(false).scale(false);
        return c.has("mean")
                ? norm.movingInitializers(
                        new Fixed(values(c, "mean", 0, inputs)), new Fixed(values(c, "variance", 1, inputs)))
                : norm;
    }

    /** One number, or one for each channel, however deep in lists. */
    private static List<Double> values(Config c, String key, double otherwise, List<Shape> inputs) {
        Object value = c.has(key) ? c.map().get(key) : Double.valueOf(otherwise);
        if (value instanceof Map<?, ?> map && map.get("config") instanceof Map<?, ?> array) {
            value = array.get("value"); // a NumPy array
        }
        while (value instanceof List<?> list && list.size() == 1) {
            value = list.getFirst();
        }
        List<?> list = value instanceof List<?> several ? several : Collections.singletonList(value);
        Shape x = inputs.getFirst();
        if (list.size() != 1 && (x.rank() == 0 || list.size() != x.dim(-1))) {
            throw c.error(
                    "'" + key + "' must have one number or one for each channel of " + x + ", not " + list.size());
        }
        return list.stream()
                .map(v -> {
                    if (v instanceof Number n) {
                        return n.doubleValue();
                    }
                    throw c.error("'" + key + "' must be of numbers, not " + Config.text(v));
                })
                .toList();
    }

    // ---- pictures with their channels first ----

    /** The same layer for channels last. */
    private static Keras.LayerConfig channelsLast(Keras.LayerConfig l, List<Shape> inputs) {
        Config c = l.config();
        var map = new LinkedHashMap<Object, Object>(c.map());
        map.remove("data_format");
        if (inputs.getFirst().rank() == 3) {
            switch (l.type()) {
                case "BatchNormalization",
                        "BatchNormalizationV1",
                        "BatchNormalizationV2",
                        "SyncBatchNormalization",
                        "Concatenate" -> {
                    Object axis = axis(c);
                    if (!(axis instanceof Long n && (n == 1 || n == -3))) {
                        throw c.error("'axis' must be 1 in a model with its channels first, not " + axis);
                    }
                    map.put("axis", -1L);
                }
                case "Dense", "Softmax", "Reshape", "Permute", "Normalization", "Rescaling" -> {
                    if (!(l.type().equals("Rescaling") && c.map().get("scale") instanceof Number)) {
                        throw c.error("is not known for pictures with their channels first; convert the model to"
                                + " channels_last");
                    }
                }
                default -> {
                    if (c.has("activation")
                            && activation(c, "activation").toString().endsWith("softmax")) {
                        throw c.error("softmax is not known for pictures with their channels first");
                    }
                }
            }
        } else if (l.type().equals("Reshape") && c.list("target_shape").size() == 3) {
            throw c.error("is not known for pictures with their channels first; convert the model to channels_last");
        }
        return new Keras.LayerConfig(l.type(), l.name(), new Config(c.where(), map), l.whole());
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
        Object axis = axis(c);
        return BatchNormalization.of()
                .axis(axis == null ? -1 : ((Long) axis).intValue())
                .momentum(c.number("momentum", 0.99))
                .epsilon(c.number("epsilon", 1e-3))
                .center(c.flag("center", true))
                .scale(c.flag("scale", true));
    }

    /** An integer, or null. */
    private static Object axis(Config c) {
        Object axis = c.map().get("axis");
        if (axis instanceof List<?> list && list.size() == 1) {
            axis = list.getFirst();
        }
        if (axis != null && !(axis instanceof Long n && n == n.intValue())) {
            throw c.error("'axis' must be one axis, not " + Config.text(axis));
        }
        return axis;
    }

    /** By name, or as Keras 3 writes functions and layers: an object with the name inside. */
    private static ActivationFunction activation(Config c, String key) {
        Object value = c.map().get(key);
        if (value instanceof Map<?, ?> map) {
            value = "function".equals(map.get("class_name")) ? map.get("config") : map.get("class_name");
            if ("ReLU".equals(value) && map.get("config") instanceof Map<?, ?> relu) {
                return plainRelu(new Config(c.where(), relu));
            }
        }
        if (value != null && !(value instanceof String)) {
            throw c.error("'" + key + "' must be a name, not " + Config.text(value));
        }
        String name = (String) value;
        boolean layer = name != null
                && Set.of("ReLU", "Softmax", "Linear", "Sigmoid", "Tanh").contains(name);
        return ActivationFunction.of(layer ? name.toLowerCase(Locale.ROOT) : name);
    }

    /** As a layer of its own or as another layer's activation. */
    private static ActivationFunction plainRelu(Config c) {
        boolean limited = c.has("max_value");
        if (c.number("threshold", 0) != 0
                || c.number("negative_slope", 0) != 0
                || limited && c.number("max_value", 0) != 6) {
            throw c.error("as an activation ReLU must have max_value 6 or none, negative_slope 0 and threshold 0");
        }
        return limited ? ActivationFunction.RELU6 : ActivationFunction.RELU;
    }

    private static List<Layer> relu(Config c, List<Shape> inputs) {
        double slope = c.number("negative_slope", 0);
        double threshold = c.number("threshold", 0);
        if (threshold == 0 && !c.has("max_value")) {
            return List.of(slope == 0 ? Activation.relu() : LeakyReLU.of(slope));
        }
        double most = c.number("max_value", 0);
        if (threshold != 0 || slope != 0 || !(most > 0) || inputs.getFirst().rank() == 0) {
            throw c.error("with a max_value ReLU must have a negative_slope of 0, and in any case the threshold 0");
        }
        return List.of(most == 6 ? Activation.of(ActivationFunction.RELU6) : Clip.of(0, most));
    }

    private static ZeroPadding2D padding(Config c) {
        int[] p = sides(c, "padding", 1);
        return ZeroPadding2D.of(p[0], p[1], p[2], p[3]);
    }

    /** Top, bottom, left, right: all in one, as rows and columns, or each. */
    private static int[] sides(Config c, String key, int otherwise) {
        Object value = c.map().get(key);
        if (value instanceof List<?> list && list.size() == 2 && list.getFirst() instanceof List) {
            var sides = new Config(c.where(), Map.of("rows", list.get(0), "columns", list.get(1)));
            int[] rows = sides.pair("rows", otherwise);
            int[] columns = sides.pair("columns", otherwise);
            return new int[] {rows[0], rows[1], columns[0], columns[1]};
        }
        int[] both = c.pair(key, otherwise);
        return new int[] {both[0], both[0], both[1], both[1]};
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
