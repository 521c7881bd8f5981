package gradus.benchmarks;

import gradus.op.Conv2D;
import gradus.op.Sliding;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.regex.Pattern;

/**
 * A convolution of ResNet-50, written {@code kernel x kernel / stride : channels - filters @ side}: {@code
 * 1x1/2:256-128@56} is a 1 x 1 convolution of stride 2 from 256 channels of 56 x 56 pixels to 128.
 */
public record Layer(int kernel, int stride, int channels, int filters, int side) {
    private static final Pattern FORM = Pattern.compile("(\\d+)x\\1/(\\d+):(\\d+)-(\\d+)@(\\d+)");

    /** @throws GradusException if it is not written as above */
    public static Layer of(String text) {
        var m = FORM.matcher(text);
        if (!m.matches()) {
            throw new GradusException("a layer is written like 3x3/1:64-64@56, not '" + text + "'");
        }
        return new Layer(
                number(m.group(1)), number(m.group(2)), number(m.group(3)), number(m.group(4)), number(m.group(5)));
    }

    private static int number(String digits) {
        return Integer.parseInt(digits);
    }

    /** What is padded, is padded by half the kernel on every side: the first layer of the network, and its 3 x 3. */
    public Conv2D conv() {
        int pad = kernel / 2;
        return new Conv2D(new Sliding(stride, stride, 1, 1, pad, pad, pad, pad), 1);
    }

    public Shape input(int batch) {
        return Shape.of(batch, side, side, channels);
    }

    public Shape kernelShape() {
        return Shape.of(kernel, kernel, channels, filters);
    }

    @Override
    public String toString() {
        return kernel + "x" + kernel + "/" + stride + ":" + channels + "-" + filters + "@" + side;
    }
}
