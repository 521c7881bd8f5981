package gradus.importer;

/** The kinds of files that hold a network. */
public enum Format {
    /** Gradus's own: safetensors whose metadata holds architecture, labels and preprocessing. */
    GRADUS("gradus"),
    /** Weights named as torchvision names them ({@code layer1.0.conv1.weight}), or as the CIFAR ResNets do. */
    TORCHVISION("torchvision"),
    /** Weights in safetensors with Keras's names and no architecture. */
    SAFETENSORS("safetensors"),
    /** A folder with {@code model.json} and binary shards, as TensorFlow.js's converter writes it. */
    KERAS_LAYERS("keras"),
    /** HDF5: Keras's {@code .h5}, {@code .weights.h5}, and the {@code .keras} archive around it. */
    KERAS_HDF5("h5"),
    /** Open Neural Network Exchange. */
    ONNX("onnx");

    private final String name;

    Format(String name) {
        this.name = name;
    }

    /** As the command line calls it. */
    @Override
    public String toString() {
        return name;
    }
}
