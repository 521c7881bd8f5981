package gradus.importer;

import gradus.data.ImageNet;
import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.MappedFile;
import gradus.io.Safetensors;
import gradus.layers.Model;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;

/** Reads a network from a file or folder of any known format, which is recognized by its content. */
public final class Importer {
    /** The file in a folder that {@code gradus train} leaves. */
    private static final String OWN = "model.safetensors";

    private static final String KERAS = "model.json";

    private Importer() {}

    /** As {@link #load(Path, ImportOptions)} for a file that says everything itself. */
    public static Imported load(Path path) {
        return load(path, ImportOptions.none());
    }

    /**
     * The network in a file, or in a folder: one with {@code model.json} or {@code model.safetensors}. Large weights of a
     * safetensors file stay in it until they are needed, as {@link Safetensors#map} says: replace such a file, do not write
     * over it, while the network is in use.
     *
     * @throws gradus.io.FileException if the file cannot be read
     * @throws FormatException if it is of no known format or damaged, or a tensor is missing or of another shape; the
     *     message names file and tensor
     * @throws gradus.tensor.GradusException if the options do not fit the file
     */
    public static Imported load(Path path, ImportOptions options) {
        return open(path, new Use<Imported>() {
            @Override
            public boolean keeps() {
                return true;
            }

            @Override
            public Imported of(FormatReader reader, Path file) {
                return reader.read(file, options);
            }

            @Override
            public Imported of(String source, Safetensors file) {
                return safetensors(source, file, options);
            }

            @Override
            public Imported ofLayersModel(Path file) {
                return LayersModel.read(file, options);
            }

            @Override
            public Imported of(String source, ByteBuffer onnx, Path folder) {
                return OnnxReader.read(source, onnx, folder, options);
            }
        });
    }

    /**
     * What a file says and holds, without making a network of it.
     *
     * @throws gradus.io.FileException if the file cannot be read
     * @throws FormatException if it is of no known format or damaged
     */
    public static Contents inspect(Path path) {
        return open(path, new Use<Contents>() {
            @Override
            public Contents of(FormatReader reader, Path file) {
                return reader.inspect(file);
            }

            @Override
            public Contents of(String source, Safetensors file) {
                Format format = file.metadata().containsKey(Checkpoint.ARCHITECTURE)
                        ? Format.GRADUS
                        : Torchvision.recognizes(file.names()) ? Format.TORCHVISION : Format.SAFETENSORS;
                return Contents.of(format, file.metadata(), tensors(file));
            }

            @Override
            public Contents ofLayersModel(Path file) {
                return LayersModel.inspect(file);
            }

            @Override
            public Contents of(String source, ByteBuffer onnx, Path folder) {
                try (var external = new ExternalData(source, folder)) {
                    OnnxFile file = OnnxFile.read(source, onnx, external);
                    return Contents.of(Format.ONNX, file.metadata(), OnnxArray.source(file.initializers()));
                }
            }
        });
    }

    /** What is done with a file, by its format. */
    private interface Use<T> {
        /** Whether tensors are read later, when they are needed. */
        default boolean keeps() {
            return false;
        }

        T of(FormatReader reader, Path file);

        T of(String source, Safetensors file);

        T ofLayersModel(Path file);

        /** @param folder of the file */
        T of(String source, ByteBuffer onnx, Path folder);
    }

    private static <T> T open(Path path, Use<T> use) {
        Path file = locate(path);
        byte[] start = start(file);
        for (FormatReader reader : ServiceLoader.load(FormatReader.class, Importer.class.getClassLoader())) {
            if (reader.recognizes(file, start)) {
                return use.of(reader, file);
            }
        }
        if (isSafetensors(start)) {
            try (var opened = use.keeps() ? Safetensors.map(file) : Safetensors.open(file)) {
                return use.of(file.toString(), opened);
            }
        }
        if (start.length > 0 && start[0] == '{') {
            return use.ofLayersModel(file);
        }
        if (isOnnx(start) || file.toString().endsWith(".onnx")) {
            try (var mapped = MappedFile.open(file)) {
                if (mapped.size() > Integer.MAX_VALUE) {
                    throw new FormatException(
                            file + ": ONNX models of more than 2 GiB keep their tensors elsewhere", -1);
                }
                Path folder = file.toAbsolutePath().getParent();
                return mapped.read(0, (int) mapped.size(), bytes -> use.of(file.toString(), bytes, folder));
            }
        }
        throw unknown(file.toString(), start);
    }

    /**
     * The same for a file in memory, such as a resource of a jar: safetensors or ONNX.
     *
     * @param source what error messages call it
     * @throws FormatException as {@link #load(Path, ImportOptions)}
     */
    public static Imported load(String source, byte[] file, ImportOptions options) {
        if (isSafetensors(file)) {
            return safetensors(source, Safetensors.open(source, file), options);
        }
        if (isOnnx(file)) {
            return OnnxReader.read(source, ByteBuffer.wrap(file), null, options);
        }
        throw unknown(source, file);
    }

    private static Path locate(Path path) {
        if (!Files.isDirectory(path)) {
            return path;
        }
        for (String name : List.of(OWN, KERAS)) {
            if (Files.exists(path.resolve(name))) {
                return path.resolve(name);
            }
        }
        throw new FormatException("folder " + path + " has neither " + OWN + " nor " + KERAS, -1);
    }

    private static byte[] start(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(16);
        } catch (IOException e) {
            throw FileException.reading(file, e);
        }
    }

    /** Eight bytes with a length, then JSON. */
    private static boolean isSafetensors(byte[] start) {
        return start.length > 8 && start[8] == '{' && start[7] == 0 && start[6] == 0;
    }

    /** A version of the format, which writers put first. */
    private static boolean isOnnx(byte[] start) {
        return start.length > 1 && start[0] == 8 && start[1] > 0;
    }

    /**
     * A name out of a file, which must be that of a file in the same folder or below.
     *
     * @return null if it is not, or this system's encoding of file names has no such name
     */
    static Path beside(Path folder, String name) {
        if (name.isEmpty()
                || name.indexOf('\\') >= 0
                || name.startsWith("/")
                || name.contains("..")
                || name.contains(":")) {
            return null;
        }
        try {
            return folder.resolve(name);
        } catch (InvalidPathException e) {
            return null;
        }
    }

    private static FormatException unknown(String source, byte[] start) {
        boolean hdf5 = start.length > 4 && start[0] == (byte) 0x89 && start[1] == 'H' && start[2] == 'D';
        boolean zip = start.length > 4 && start[0] == 'P' && start[1] == 'K';
        return new FormatException(
                source + ": "
                        + (hdf5 || zip
                                ? "HDF5 and .keras files are read by the application alone; convert it with 'gradus convert'"
                                : "is no model known here: safetensors, ONNX, HDF5, or model.json of Keras"),
                0);
    }

    // ---- safetensors: our own, torchvision's, or weights of a named architecture ----

    private static TensorSource tensors(Safetensors file) {
        return new TensorSource() {
            @Override
            public Set<String> names() {
                return file.names();
            }

            @Override
            public Shape shape(String name) {
                return file.entry(name).shape();
            }

            @Override
            public String dtype(String name) {
                return file.entry(name).dtype();
            }

            @Override
            public Tensor read(String name) {
                return file.tensor(name);
            }
        };
    }

    private static Imported safetensors(String source, Safetensors file, ImportOptions options) {
        TensorSource tensors = tensors(file);
        if (file.metadata().containsKey(Checkpoint.ARCHITECTURE)) {
            return own(source, file, tensors, options);
        }
        if (Torchvision.recognizes(file.names())) {
            return Torchvision.read(source, tensors, file.metadata(), options);
        }
        return Keras.read(source, Format.SAFETENSORS, null, tensors, file.metadata(), options);
    }

    /** A model file of Gradus; of a training's state the weights alone are read. */
    private static Imported own(String source, Safetensors file, TensorSource tensors, ImportOptions options) {
        if (options.model() != null || options.height() != null) {
            throw new GradusException(source + " says itself what network it holds; leave --model and --input out");
        }
        if (!Checkpoint.VERSION.equals(file.metadata().get(Checkpoint.FORMAT))) {
            throw new FormatException(
                    source + ": metadata entry 'format' must be " + Checkpoint.VERSION + ", not "
                            + file.metadata().get(Checkpoint.FORMAT) + "; was it written by a later version?",
                    -1);
        }
        String text = file.metadata().get(Checkpoint.ARCHITECTURE);
        Model model;
        try {
            model = Json.parse(text) instanceof Map<?, ?> config ? Model.fromConfig(config) : null;
        } catch (GradusException e) {
            throw new FormatException(
                    source + ": metadata entry '" + Checkpoint.ARCHITECTURE + "' is not one of a model: "
                            + e.getMessage(),
                    -1,
                    e);
        }
        if (model == null) {
            throw new FormatException(
                    source + ": metadata entry '" + Checkpoint.ARCHITECTURE + "' must be an object", -1);
        }
        var links = new HashMap<String, Weights.Link>();
        model.weightList().forEach(w -> links.put(w.name(), new Weights.Link(w.name(), Weights.Layout.OWN)));
        var state = new LinkedHashSet<>(file.names());
        state.removeIf(name -> !name.startsWith("optimizer/"));
        Report report = Weights.assign(source, model, tensors, links, state);
        return imported(source, model, Format.GRADUS, file.metadata(), null, options, report);
    }

    // ---- what all formats share ----

    /** The network that the options name, for a file of weights alone. */
    static Model architecture(String source, ImportOptions options) {
        if (options.model() == null) {
            throw new FormatException(
                    source + ": holds weights but does not say of what network; name the architecture with --model",
                    -1);
        }
        ResNet network = ResNets.byName(options.model());
        if (options.height() != null) {
            network = network.input(
                    options.height(), options.width(), network.input().dim(2));
        }
        return network.build();
    }

    /**
     * Labels and preprocessing as options, file, or the format's custom say, in this order.
     *
     * @param custom how bytes become inputs in files of this format, or null if there is no custom
     */
    static Imported imported(
            String source,
            Model model,
            Format format,
            Map<String, String> metadata,
            Preprocess custom,
            ImportOptions options,
            Report report) {
        Pictures pictures = null;
        if (metadata.containsKey(Checkpoint.PREPROCESSING)) {
            pictures = Pictures.of(source, metadata, model);
        } else if (custom != null) {
            pictures = Pictures.standard(model, custom);
        }
        if (options.preprocess() != null) {
            pictures = pictures == null
                    ? Pictures.standard(model, options.preprocess())
                    : new Pictures(
                            pictures.height(),
                            pictures.width(),
                            pictures.channels(),
                            options.preprocess(),
                            pictures.shorter());
        }
        Shape output = model.outputShapes().getFirst();
        boolean classes = model.outputShapes().size() == 1 && output.rank() == 1;
        List<String> labels = options.labels() != null ? options.labels() : labels(source, metadata);
        if (labels.isEmpty() && classes && output.dim(0) == ImageNet.names().size()) {
            labels = ImageNet.names();
        }
        if (!labels.isEmpty() && !(classes && output.dim(0) == labels.size())) {
            throw new FormatException(
                    source + ": the model has outputs of shape " + output + ", but there are " + labels.size()
                            + " labels",
                    -1);
        }
        return new Imported(
                model, format, List.copyOf(labels), Optional.ofNullable(pictures), Map.copyOf(metadata), report);
    }

    private static List<String> labels(String source, Map<String, String> metadata) {
        String text = metadata.get(Checkpoint.LABELS);
        if (text == null) {
            return List.of();
        }
        var labels = new ArrayList<String>();
        try {
            if (Json.parse(text) instanceof List<?> list) {
                for (Object label : list) {
                    if (!(label instanceof String s)) {
                        throw new FormatException("one is not a string", -1);
                    }
                    labels.add(s);
                }
                return labels;
            }
            throw new FormatException("they are not a list", -1);
        } catch (FormatException e) {
            throw new FormatException(
                    source + ": metadata entry 'labels' must be a list of strings: " + e.getMessage(), -1, e);
        }
    }
}
