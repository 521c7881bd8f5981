package gradus.importer;

import gradus.layers.AveragePooling2D;
import gradus.layers.Border;
import gradus.layers.Conv2D;
import gradus.layers.Layer;
import gradus.layers.MaxPooling2D;
import gradus.layers.Padding;
import gradus.layers.Size;
import gradus.layers.ZeroPadding2D;
import java.util.Arrays;

/** The operators that slide a window over pictures, convolution and pooling, and what padding becomes there. */
abstract class OnnxWindows extends OnnxAxes {
    OnnxWindows(String source, OnnxFile file, OnnxConstants constants) {
        super(source, file, constants);
    }

    final void convolution() {
        Value x = picture(0);
        OnnxArray kernel = weight(1);
        if (kernel.dims.length != 4) {
            throw error("has a kernel of " + kernel.dims.length + " axes; only pictures can be read");
        }
        int[] size = {kernel.dims[2], kernel.dims[3]};
        int[] strides = pair("strides");
        int[] dilation = pair("dilations");
        Window window = window(x, size, strides, dilation, true);
        OnnxFile.Node sum = has(2) ? null : biasBehind(kernel.dims[0], true);
        OnnxArray bias = sum != null ? constantOf(sum) : has(2) ? weight(2) : null;
        Conv2D conv = Conv2D.of(kernel.dims[0], size[0], size[1])
                .strides(strides[0], strides[1])
                .dilation(dilation[0], dilation[1])
                .groups(Math.clamp(node.integer("group", 1), 0, Integer.MAX_VALUE))
                .padding(window.padding)
                .bias(bias != null);
        String name = name();
        link(name, "kernel", kernel, Weights.Layout.OIHW);
        link(name, "bias", bias, Weights.Layout.RESHAPED);
        result(sum, new Value(conv.named(name).apply(window.x.x()), true, false));
    }

    /** The Add that is the only reader of this node and adds a constant for each channel: a bias written apart. */
    final OnnxFile.Node biasBehind(int channels, boolean picture) {
        OnnxFile.Node next = onlyReader(node);
        OnnxArray bias = next != null && next.op().equals("Add") ? constantOf(next) : null;
        if (bias == null || bias.size() != channels) {
            return null;
        }
        int axis = picture ? bias.dims.length - 3 : bias.dims.length - 1; // (c, 1, 1) or (c)
        if (axis < 0 || bias.dims[axis] != channels) {
            return null;
        }
        done(next);
        return next;
    }

    final void pool() {
        Value x = picture(0);
        boolean max = node.op().equals("MaxPool");
        int[] size = pair("kernel_shape");
        int[] strides = pair("strides");
        int[] dilation = pair("dilations");
        if (dilation[0] != 1 || dilation[1] != 1) {
            throw error("has a dilation of " + dilation[0] + " x " + dilation[1] + ", which cannot be read");
        }
        boolean padded = max ? x.nonNegative() : node.integer("count_include_pad", 0) != 0;
        Window window = window(x, size, strides, dilation, padded);
        Layer layer = max
                ? new MaxPooling2D(
                        new Size(size[0], size[1]),
                        new Size(strides[0], strides[1]),
                        window.padding,
                        window.border,
                        name())
                : new AveragePooling2D(
                        new Size(size[0], size[1]),
                        new Size(strides[0], strides[1]),
                        window.padding,
                        window.border,
                        name());
        result(new Value(layer.apply(window.x.x()), true, x.nonNegative()));
    }

    /**
     * A picture with the padding that is left for the layer that slides over it.
     *
     * @param border if that is neither of the two that have names, otherwise null
     */
    private record Window(Value x, Padding padding, Border border) {}

    /** @param zeros whether what is around the picture may be made of zeros */
    private Window window(Value x, int[] kernel, int[] strides, int[] dilation, boolean zeros) {
        boolean convolves = node.op().equals("Conv");
        boolean max = node.op().equals("MaxPool");
        int[] in = {x.shape().dim(0), x.shape().dim(1)};
        var same = new long[4]; // top, left, bottom, right
        var pads = new long[4];
        String auto = node.text("auto_pad", "NOTSET");
        for (int k = 0; k < 2; k++) {
            if (kernel[k] < 1 || strides[k] < 1 || dilation[k] < 1) {
                throw error("has a kernel, stride or dilation below 1");
            }
            long extent = (kernel[k] - 1L) * dilation[k] + 1;
            long total = Math.max(((in[k] + strides[k] - 1L) / strides[k] - 1) * strides[k] + extent - in[k], 0);
            same[k] = total / 2;
            same[k + 2] = total - total / 2;
        }
        switch (auto) {
            case "NOTSET" -> {
                long[] given = node.ints("pads");
                if (given.length == 4) {
                    pads = given.clone();
                } else if (given.length != 0) {
                    throw error("needs 4 pads, not " + given.length);
                }
            }
            case "VALID" -> {}
            case "SAME_UPPER" -> pads = same.clone();
            case "SAME_LOWER" -> pads = new long[] {same[2], same[3], same[0], same[1]};
            default -> throw error("has the unknown auto_pad " + auto);
        }
        for (int k = 0; k < 2; k++) {
            long slack = in[k] + pads[k] + pads[k + 2] - ((kernel[k] - 1L) * dilation[k] + 1);
            if (pads[k] < 0 || pads[k + 2] < 0 || pads[k] > 1 << 20 || pads[k + 2] > 1 << 20) {
                throw error("cannot have the pads " + Arrays.toString(pads));
            }
            long over = slack % strides[k];
            if (node.integer("ceil_mode", 0) != 0 && slack > 0 && over != 0) {
                long begin = slack - over + strides[k] - pads[k]; // of the window that ends beyond the picture
                if (!convolves && !max && zeros) {
                    throw error(
                            "rounds sizes up (ceil_mode) and counts padding (count_include_pad); that cannot be read");
                }
                if (begin < in[k]) {
                    pads[k + 2] += strides[k] - over;
                }
            }
        }
        if (Arrays.equals(pads, new long[4])) {
            return new Window(x, Padding.VALID, null);
        }
        if (Arrays.equals(pads, same) && (convolves || max || !zeros)) {
            return new Window(x, Padding.SAME, null);
        }
        if (!zeros) {
            return new Window(x, Padding.VALID, new Border((int) pads[0], (int) pads[2], (int) pads[1], (int) pads[3]));
        }
        Layer border = ZeroPadding2D.of((int) pads[0], (int) pads[2], (int) pads[1], (int) pads[3]);
        return new Window(
                new Value(border.named(unique(name(node) + "_pad")).apply(x.x()), true, x.nonNegative()),
                Padding.VALID,
                null);
    }

    final void global(Layer layer) {
        Value x = picture(0);
        result(new Value(layer.named(name()).apply(x.x()), true, x.nonNegative()));
    }
}
