package gradus.classifier;

import gradus.backend.Backend;
import gradus.data.ImageInput;
import gradus.data.ImageNet;
import gradus.data.Picture;
import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Format;
import gradus.importer.ImportOptions;
import gradus.importer.Imported;
import gradus.importer.Importer;
import gradus.io.FileException;
import gradus.layers.Model;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A trained network as one object: picture in, names and probabilities out.
 *
 * <pre>
 * var classifier = Classifier.load(Path.of("model.safetensors"));
 * for (Prediction p : classifier.classify(Path.of("cat.jpg"), 3)) {
 *     System.out.println(p.label() + " " + p.probability());
 * }
 * </pre>
 *
 * <p>For use by any number of threads: pictures are decoded and resized side by side, the network computes one picture (or
 * batch) after the other, each on all processors, because that is the fastest way to use them and needs weights and
 * intermediate results only once. The same picture gives the same bits, whoever else is predicting and alone or in a batch.
 *
 * <p>Closing is optional. All classifiers of a JVM share the threads they compute with, which are daemons; the last
 * classifier that is closed ends them.
 */
public final class Classifier implements AutoCloseable {
    /** Pictures that {@link #classifyAll} computes together. */
    private static final int BATCH = 8;

    private final Model model;
    private final List<String> labels;
    private final Pictures pictures;
    private final Session<?> session;

    private Classifier(Model model, List<String> labels, Pictures pictures, Session<?> session) {
        this.model = model;
        this.labels = labels;
        this.pictures = pictures;
        this.session = session;
    }

    // ---- making one ----

    /**
     * The classifier in a file or folder of any format that {@link Importer} reads.
     *
     * @throws gradus.io.FileException if the file cannot be read
     * @throws gradus.io.FormatException if it is damaged or of no known format, or a picture would take more than 256 MiB and
     *     16 times the weights between the layers
     * @throws GradusException if it is no network of pictures, or does not say how pictures become its inputs
     */
    public static Classifier load(Path path) {
        return load(path, ImportOptions.none());
    }

    /**
     * The same with what the file leaves unsaid: {@code ImportOptions.none().preprocess(Preprocess.CAFFE)} for a ResNet-50
     * of Keras.
     */
    public static Classifier load(Path path, ImportOptions options) {
        return of(path.toString(), Importer.load(path, options));
    }

    /**
     * The same from a resource of a jar, or wherever else bytes come from; the formats of one file.
     *
     * @param model read to its end, not closed
     */
    public static Classifier load(InputStream model) {
        if (model == null) {
            throw new GradusException(
                    "no stream to load a classifier from: getResourceAsStream gives null if there is no"
                            + " resource of that name, or if its package is not open to the class that asks");
        }
        try {
            return load("the model", model.readAllBytes(), ImportOptions.none());
        } catch (IOException e) {
            throw new FileException("cannot read the model: " + e.getMessage(), e);
        }
    }

    /** The same from memory; {@code source} is used in messages. */
    public static Classifier load(String source, byte[] model, ImportOptions options) {
        return of(source, Importer.load(source, model, options));
    }

    private static Classifier of(String source, Imported found) {
        Pictures pictures = found.pictures().orElseGet(() -> {
            if (found.format() == Format.GRADUS) {
                return Pictures.of(found.model(), Preprocess.UNIT);
            }
            throw new GradusException(
                    source + " does not say how the bytes of a picture become inputs; say it with"
                            + " ImportOptions.none().preprocess(...): CAFFE for most networks of Keras, TORCH for those of PyTorch");
        });
        return of(
                found.model(),
                found.labels(),
                pictures,
                Session.shared(found.model(), !found.labels().isEmpty(), source));
    }

    /**
     * A classifier of a model with its present weights.
     *
     * @param labels names of the classes; empty for ImageNet's if there are 1000 classes, for numbers otherwise
     * @throws GradusException if model, labels and pictures do not fit together
     */
    public static Classifier of(Model model, List<String> labels, Pictures pictures) {
        return of(model, labels, pictures, Session.shared(model, !labels.isEmpty()));
    }

    /** The same on a backend of the caller's, which {@link #close} leaves open. */
    public static Classifier of(Model model, List<String> labels, Pictures pictures, Backend<?> backend) {
        return of(model, labels, pictures, Session.on(model, !labels.isEmpty(), backend));
    }

    private static Classifier of(Model model, List<String> labels, Pictures pictures, Session<?> session) {
        try {
            Shape input = Shape.of(pictures.height(), pictures.width(), pictures.channels());
            if (!model.inputShapes().equals(List.of(input))) {
                throw new ShapeException("a classifier of pictures " + input + " cannot be made of model '"
                        + model.name() + "' " + model.inputShapes() + " -> " + model.outputShapes());
            }
            return new Classifier(model, labels(model, labels), pictures, session.prepare());
        } catch (Throwable failure) {
            session.close();
            throw failure;
        }
    }

    private static List<String> labels(Model model, List<String> labels) {
        Shape output = model.outputShapes().getFirst();
        int classes = output.size();
        if (model.outputs().size() != 1) {
            return List.copyOf(labels); // of whichever
        }
        if (output.rank() == 1 && labels.isEmpty()) {
            return classes == ImageNet.names().size()
                    ? ImageNet.names()
                    : IntStream.range(0, classes).mapToObj(Integer::toString).toList();
        }
        if (!labels.isEmpty() && labels.size() != classes) {
            throw new GradusException("model '" + model.name() + "' has " + classes + " outputs, but there are "
                    + labels.size() + " labels");
        }
        return List.copyOf(labels);
    }

    // ---- classifying ----

    /**
     * Says what a picture shows.
     *
     * @param topK how many classes to name, at least 1
     * @return in falling order of probability; among equals the class of lower number comes first
     * @throws gradus.data.DataException naming the file, if it cannot be read
     * @throws GradusException if the model does not end in classes
     * @throws IllegalStateException after {@link #close}
     */
    public List<Prediction> classify(Path file, int topK) {
        return classify(ImageInput.read(file), topK);
    }

    /** As {@link #classify(Path, int)}, for a picture of the JDK's. */
    public List<Prediction> classify(BufferedImage image, int topK) {
        return classify(ImageInput.of(image), topK);
    }

    /** As {@link #classify(Path, int)}, for a picture that {@link ImageInput#read(byte[], String)} decoded. */
    public List<Prediction> classify(Picture picture, int topK) {
        return classify(input(picture), topK);
    }

    /**
     * As {@link #classify(Path, int)}, for numbers as the network takes them, preprocessed.
     *
     * @param input (height, width, channels), row by row, channels innermost
     * @throws ShapeException for another length
     */
    public List<Prediction> classify(float[] input, int topK) {
        if (input.length != pictures.size()) {
            throw new ShapeException("an input of model '" + model.name() + "' has " + pictures.size() + " numbers "
                    + model.inputShapes().getFirst() + ", not " + input.length);
        }
        return classifyBatch(input, topK).getFirst();
    }

    /** As {@link #classify(Path, int)} for many pictures, of which a few at a time are in memory. */
    public List<List<Prediction>> classifyAll(List<Path> files, int topK) {
        var all = new ArrayList<List<Prediction>>();
        for (int from = 0; from < files.size(); from += BATCH) {
            List<Path> part = files.subList(from, Math.min(files.size(), from + BATCH));
            var inputs = new float[part.size() * pictures.size()];
            for (int i = 0; i < part.size(); i++) {
                pictures.convert(ImageInput.read(part.get(i)), inputs, i * pictures.size());
            }
            all.addAll(classifyBatch(inputs, topK));
        }
        return all;
    }

    /**
     * As {@link #classify(float[], int)} for several pictures one behind the other.
     *
     * @throws ShapeException unless the length is a multiple of one picture's
     */
    public List<List<Prediction>> classifyBatch(float[] inputs, int topK) {
        if (topK < 1) {
            throw new GradusException("topK must be at least 1, not " + topK);
        }
        session.checkClasses();
        int size = pictures.size();
        if (inputs.length % size != 0) {
            throw new ShapeException("inputs of model '" + model.name() + "' have " + size + " numbers each "
                    + model.inputShapes().getFirst() + ", which " + inputs.length + " is no multiple of");
        }
        int n = inputs.length / size;
        var all = new ArrayList<List<Prediction>>();
        for (int at = 0; at < n; ) { // whole batches, then one by one: no more than two plans are ever needed
            int batch = n - at >= BATCH ? BATCH : 1;
            Tensor x = Tensor.of(
                    model.inputShapes().getFirst().prepend(batch),
                    Arrays.copyOfRange(inputs, at * size, (at + batch) * size));
            Tensor p = session.probabilities(x);
            for (int row = 0; row < batch; row++) {
                all.add(best(p, row, topK));
            }
            at += batch;
        }
        return all;
    }

    private List<Prediction> best(Tensor probabilities, int row, int topK) {
        int from = row * labels.size();
        return IntStream.range(0, labels.size())
                .boxed()
                .sorted((a, b) -> Double.compare(probabilities.get(from + b), probabilities.get(from + a)))
                .limit(topK)
                .map(i -> prediction(i, probabilities.get(from + i)))
                .toList();
    }

    private Prediction prediction(int index, double probability) {
        return new Prediction(labels.get(index), index, probability);
    }

    /** What the network is given for a picture: {@link Pictures#convert}. */
    public float[] input(Picture picture) {
        var x = new float[pictures.size()];
        pictures.convert(picture, x, 0);
        return x;
    }

    // ---- looking inside ----

    /**
     * The layer whose output describes a picture: what the last Dense layer is given, and the output of a model without one.
     *
     * @throws GradusException if the model has several outputs
     */
    public String featureLayer() {
        return session.featureLayer();
    }

    /** As {@link #features(Picture)}. */
    public float[] features(Path file) {
        return features(ImageInput.read(file));
    }

    /**
     * A picture as numbers that are similar for similar pictures (an embedding): the output of {@link #featureLayer}. Of a
     * layer that is called several times it is the call that the last Dense layer reads, or that the model ends in.
     *
     * @throws GradusException if the model has several outputs
     */
    public float[] features(Picture picture) {
        return session.features(batchOfOne(picture));
    }

    /**
     * The output of a layer for a picture, flattened. Of a layer that is called several times it is what the last call
     * yields; Keras's {@code layer.output} refuses to choose.
     *
     * @param layer one of {@code model().layerNames()}; a layer of a model that is a layer is {@code outer/inner}
     * @throws GradusException if there is no such layer
     */
    public float[] features(Picture picture, String layer) {
        return session.features(batchOfOne(picture), layer);
    }

    /**
     * The layer {@link #explain} looks at by default: the last one that still knows where in the picture things are; never an
     * Input.
     *
     * @throws GradusException if there is none
     */
    public String spatialLayer() {
        return session.spatialLayer();
    }

    /** Where in a picture the evidence for its most probable class is. */
    public HeatMap explain(Path file) {
        return explain(ImageInput.read(file), -1, spatialLayer());
    }

    /**
     * Where in a picture the evidence for a class is: Grad-CAM (Selvaraju et al. 2017). With A the layer's output
     * {@code (h, w, k)} and y the class's score before softmax,
     *
     * <pre>
     * alpha[k] = 1 / (h w) sum over i, j of dy / dA[i, j, k]
     * map[i, j] = max(0, sum over k of alpha[k] A[i, j, k])
     * </pre>
     *
     * scaled so that its largest value is 1.
     *
     * @param index the class, or -1 for the most probable one
     * @param layer one whose output is (height, width, channels) and leads to the model's output, named as for
     *     {@link #features(Picture, String)}
     * @throws GradusException if there is no such class or layer
     */
    public HeatMap explain(Picture picture, int index, String layer) {
        session.checkClasses();
        if (index < -1 || index >= labels.size()) {
            throw new GradusException("there is no class " + index + ", they are numbered 0 to " + (labels.size() - 1));
        }
        Tensor x = batchOfOne(picture);
        int shown = index >= 0
                ? index
                : best(session.probabilities(x), 0, 1).getFirst().index();
        Session.Evidence evidence = session.explain(x, shown, layer);
        Shape shape = evidence.map().shape();
        return HeatMap.of(
                prediction(shown, evidence.probability()),
                layer,
                shape.dim(0),
                shape.dim(1),
                evidence.map().floats());
    }

    private Tensor batchOfOne(Picture picture) {
        return Tensor.of(model.inputShapes().getFirst().prepend(1), input(picture));
    }

    // ---- what it is ----

    /** Names of the classes by number. */
    public List<String> labels() {
        return labels;
    }

    /** How pictures become the network's inputs. */
    public Pictures pictures() {
        return pictures;
    }

    /** The network. Changes of its weights do not reach this classifier. */
    public Model model() {
        return model;
    }

    /** What computes, and if that is not the fast backend, what to do about it. */
    public String backend() {
        return session.description();
    }

    /**
     * Bytes of heap that weights, intermediate results and what was derived from the weights take, as long as pictures are
     * classified one at a time; known before the first of them. Decoded pictures come on top, {@link #classifyAll},
     * {@link #features(Picture, String)} and {@link #explain} need more, which is counted once they were used.
     */
    public long peakBytes() {
        return session.peakBytes();
    }

    /** Waits for predictions under way and frees the memory; later calls fail with an IllegalStateException. */
    @Override
    public void close() {
        session.close();
    }
}
