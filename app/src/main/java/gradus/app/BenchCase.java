package gradus.app;

import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Batch;
import gradus.train.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What {@code gradus bench} times: ResNet-50 on pictures of a size, in batches, as in {@code infer224_b16}. */
record BenchCase(String name, int side, int batch, boolean train) {
    private static final int CLASSES = 1000;
    private static final int CHANNELS = 3;
    private static final String COLD_START = "cold_start";
    private static final Pattern NAME = Pattern.compile("(?:[A-D]_)?(infer|train)(224|64)_b([1-9]\\d{0,4})");

    /** @throws UsageException if that is no case */
    static BenchCase of(String name) {
        if (name.equals(COLD_START)) {
            return new BenchCase(name, 224, 1, false);
        }
        Matcher m = NAME.matcher(name);
        if (!m.matches()) {
            throw new UsageException("no case '" + name + "'; 'gradus bench --help' lists them");
        }
        int side = Integer.parseInt(m.group(2));
        int batch = Integer.parseInt(m.group(3));
        int most = Integer.MAX_VALUE / (side * side * CHANNELS);
        if (batch > most) {
            throw new UsageException(
                    "case '" + name + "': an array holds at most " + most + " pictures of " + side + " x " + side);
        }
        return new BenchCase(name, side, batch, m.group(1).equals("train"));
    }

    boolean isColdStart() {
        return name.equals(COLD_START);
    }

    BenchCase withBatch(int size) {
        return new BenchCase(name, side, size, train);
    }

    /**
     * 10^9 operations of a step, of which convolutions and dense layers do 3.858 (pictures of 224 x 224) or 0.3082
     * multiply-adds a picture in the forward pass; a multiply-add is two, the backward pass costs twice the forward pass.
     */
    double gflop() {
        return (side == 224 ? 3.858 : 0.3082) * (train ? 6 : 2) * batch;
    }

    /** With random weights. */
    Model model() {
        Model model =
                (side == 224 ? ResNets.byName("resnet50-224").classes(CLASSES) : ResNets.byName("resnet50")).build();
        model.initialize(1, DType.F32);
        return model;
    }

    /** Uniform numbers; what is in the pictures makes no difference to the time. */
    Tensor pictures() {
        var random = new SplittableRandom(1);
        var x = new float[batch * side * side * CHANNELS];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextFloat();
        }
        return Tensor.of(Shape.of(batch, side, side, CHANNELS), x);
    }

    /** The pictures, labelled. */
    Batch labelled() {
        var y = new float[batch];
        for (int i = 0; i < y.length; i++) {
            y[i] = i % 6;
        }
        return new Batch(pictures(), Tensor.of(Shape.of(batch), y), null);
    }

    /** Where {@link #write} puts the model. */
    Path file(Path folder) {
        return folder.resolve("resnet50-" + side + ".safetensors");
    }

    /** Writes the model for inference, unless it is there already. */
    void write(Path folder) {
        if (!train && !Files.exists(file(folder))) {
            Checkpoint.of(model()).save(file(folder));
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
