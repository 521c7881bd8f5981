package gradus.importer;

import gradus.data.Pictures;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.tensor.GradusException;
import gradus.train.Checkpoint;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes a network as a file that other programs read. */
public final class Exporter {
    private Exporter() {}

    /**
     * Writes a model with its weights. A file appears whole or not at all.
     *
     * @param labels names of the classes, kept where the format has a place for them; may be empty
     * @param pictures how pictures become inputs, likewise; may be null
     * @param format {@link Format#GRADUS}, {@link Format#ONNX}, {@link Format#KERAS_LAYERS} (a folder), or {@link
     *     Format#TORCHVISION}
     *     ; {@link Format#KERAS_HDF5}, which {@link KerasTopology} is for, is left to the application
     * @throws gradus.io.FileException if the file cannot be written, or the folder exists and is not empty
     * @throws GradusException if the format has no word for a layer, which the message names
     */
    public static void write(Model model, List<String> labels, Pictures pictures, Format format, Path out) {
        Map<String, String> metadata = metadata(labels, pictures);
        switch (format) {
            case GRADUS -> Checkpoint.of(model).with(metadata).save(out);
            case ONNX -> OnnxWriter.write(model, metadata, out);
            case KERAS_LAYERS -> LayersModelWriter.write(model, metadata, out);
            case TORCHVISION -> Torchvision.write(model, metadata, out);
            default -> throw new GradusException("files of format " + format + " are not written here");
        }
    }

    /**
     * What a file says beside the network, by the names that {@link Checkpoint} gives it, as JSON.
     *
     * @param labels may be empty
     * @param pictures may be null
     */
    public static Map<String, String> metadata(List<String> labels, Pictures pictures) {
        var metadata = new LinkedHashMap<String, String>();
        if (!labels.isEmpty()) {
            metadata.put(Checkpoint.LABELS, Json.write(labels));
        }
        if (pictures != null) {
            metadata.put(Checkpoint.PREPROCESSING, pictures.json());
        }
        return metadata;
    }
}
