package gradus.data;

import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The 1000 classes of ILSVRC 2012 that networks pretrained "on ImageNet" know, numbered as in Keras, torchvision and Caffe:
 * WordNet ids in ascending order.
 */
public final class ImageNet {
    private static final List<String> LINES = lines();
    private static final List<String> WORDNET_IDS =
            LINES.stream().map(line -> line.substring(0, line.indexOf(' '))).toList();
    private static final List<String> NAMES =
            LINES.stream().map(line -> line.substring(line.indexOf(' ') + 1)).toList();

    private ImageNet() {}

    /**
     * One guess.
     *
     * @param wordNetId such as {@code n02123159}; the two classes {@code crane} and the two {@code maillot} are told apart by it
     * @param name such as {@code tiger_cat}
     */
    public record Prediction(int index, String wordNetId, String name, double probability) {}

    private static List<String> lines() {
        try (InputStream in = ImageNet.class.getResourceAsStream("imagenet.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("the jar of gradus.resnet is damaged: imagenet.txt", e);
        }
    }

    /** Names by class number, words joined by underscores: {@code tench}, {@code goldfish}, {@code great_white_shark}. */
    public static List<String> names() {
        return NAMES;
    }

    /** WordNet ids by class number: {@code n01440764}. */
    public static List<String> wordNetIds() {
        return WORDNET_IDS;
    }

    /**
     * Names the most probable classes, as Keras's {@code decode_predictions} does.
     *
     * @param probabilities (n, 1000)
     * @param top how many classes to name, 5 in Keras
     * @return for each row the classes in falling order of probability, the lower number first among equals
     * @throws ShapeException if the shape is another one
     */
    public static List<List<Prediction>> decodePredictions(Tensor probabilities, int top) {
        Shape shape = probabilities.shape();
        int classes = NAMES.size();
        if (shape.rank() != 2 || shape.dim(1) != classes) {
            throw new ShapeException("decodePredictions takes (n, " + classes + "), not " + shape);
        }
        var all = new ArrayList<List<Prediction>>();
        for (int row = 0; row < shape.dim(0); row++) {
            int from = row * classes;
            all.add(IntStream.range(0, classes)
                    .boxed()
                    .sorted((a, b) -> Double.compare(probabilities.get(from + b), probabilities.get(from + a)))
                    .limit(Math.max(0, top))
                    .map(i -> new Prediction(i, WORDNET_IDS.get(i), NAMES.get(i), probabilities.get(from + i)))
                    .toList());
        }
        return all;
    }
}
