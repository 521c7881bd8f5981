package example;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;

/**
 * Something to try {@link Classify} on, {@code MakeFiles MODEL PICTURE}: an untrained ResNet-20 and a disk. The disk is dark:
 * logits grow with brightness, as there are no biases yet, and one class would get all of the probability.
 */
class MakeFiles {
    private static final List<String> LABELS =
            List.of("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck");

    public static void main(String[] args) throws IOException {
        var model = ResNets.cifar(20).build();
        model.initialize(1, DType.F32);
        Exporter.write(model, LABELS, Pictures.of(model, Preprocess.UNIT), Format.GRADUS, Path.of(args[0]));

        var picture = new BufferedImage(80, 60, BufferedImage.TYPE_INT_RGB);
        var pen = picture.createGraphics();
        pen.setColor(new Color(24, 12, 0));
        pen.fillOval(20, 10, 40, 40);
        pen.dispose();
        ImageIO.write(picture, "png", Path.of(args[1]).toFile());
    }
}
