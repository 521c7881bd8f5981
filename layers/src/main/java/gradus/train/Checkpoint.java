package gradus.train;

import gradus.backend.Backend;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.layers.Model;
import gradus.layers.config.Fields;
import gradus.tensor.GradusException;
import gradus.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A model, and perhaps a training of it, as one safetensors file. Prediction needs nothing else, and a training that
 * goes on from it takes the very steps an uninterrupted one would have taken. It holds nothing that depends on time or
 * machine: equal trainings have equal files. Reading one runs nothing that the file says; all of it is checked first.
 *
 * <p>Tensors: the weights by name ({@code conv_1/kernel}); the optimizer's state ({@code optimizer/m/conv_1/kernel});
 * where it averages weights, those under training ({@code optimizer/raw/conv_1/kernel}), the plain names being the
 * averages.
 *
 * <p>Metadata, each entry JSON but the first:
 *
 * <pre>
 * format          gradus-model-1
 * architecture    the model's configuration
 * labels          ["zero", "one", ...], optional
 * preprocessing   how pictures become inputs, optional; written and read by gradus.data
 * model_seed      what Model.initialize was given: dropout draws from it
 * seed            the seed of the data's order, optional
 * optimizer, loss, metrics      settings, as records
 * position        epoch, step, and the sums of an epoch under way
 * learning_rate_factor          what callbacks have multiplied the schedule by
 * history         [{"epoch": 0, "loss": 1.2, ...}, ...]
 * </pre>
 *
 * Other entries are kept as they are.
 */
public final class Checkpoint {
    public static final String FORMAT = "format";
    public static final String ARCHITECTURE = "architecture";
    public static final String LABELS = "labels";
    public static final String PREPROCESSING = "preprocessing";
    public static final String SEED = "seed";
    public static final String HISTORY = "history";

    /** What {@link #FORMAT} says of such a file. */
    public static final String VERSION = "gradus-model-1";

    private static final String OPTIMIZER = "optimizer";
    private static final String LOSS = "loss";
    private static final String METRICS = "metrics";
    private static final String POSITION = "position";
    private static final String MODEL_SEED = "model_seed";
    private static final String FACTOR = "learning_rate_factor";

    private final String source;
    private final Map<String, String> metadata;
    private final Map<String, Tensor> tensors;

    private Checkpoint(String source, Map<String, String> metadata, Map<String, Tensor> tensors) {
        this.source = source;
        this.metadata = Collections.unmodifiableMap(metadata);
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /** A model alone. */
    public static Checkpoint of(Model model) {
        var metadata = new LinkedHashMap<String, String>();
        metadata.put(FORMAT, VERSION);
        metadata.put(ARCHITECTURE, Json.write(model.config()));
        return new Checkpoint("model '" + model.name() + "'", metadata, new LinkedHashMap<>(model.weights()));
    }

    /** A training as it is now. A loss or metric of the caller's own is left out: {@link #resume} must be given it. */
    public static Checkpoint of(Training<?> training) {
        Checkpoint model = of(training.model());
        var metadata = new LinkedHashMap<>(model.metadata);
        metadata.put(OPTIMIZER, Json.write(RecordConfig.write(training.optimizer())));
        if (RecordConfig.knows(training.loss())) {
            metadata.put(LOSS, Json.write(RecordConfig.write(training.loss())));
        }
        if (training.metrics().stream().allMatch(RecordConfig::knows)) {
            metadata.put(METRICS, Json.write(RecordConfig.write(training.metrics())));
        }
        metadata.put(POSITION, Json.write(RecordConfig.write(training.position())));
        metadata.put(MODEL_SEED, Json.write(training.model().seed()));
        metadata.put(FACTOR, Json.write(training.learningRateFactor()));
        metadata.put(HISTORY, Json.write(write(training.history())));
        var tensors = new LinkedHashMap<>(training.weights());
        tensors.putAll(training.state());
        return new Checkpoint(model.source, metadata, tensors);
    }

    /** The same with a further entry, or another value of one. */
    public Checkpoint with(String key, String value) {
        return with(Map.of(key, value));
    }

    public Checkpoint with(Map<String, String> entries) {
        var all = new LinkedHashMap<>(metadata);
        all.putAll(entries);
        return new Checkpoint(source, all, tensors);
    }

    public Checkpoint withLabels(List<String> labels) {
        return with(LABELS, Json.write(labels));
    }

    /** For prediction alone: without what only a resumption needs, a third of the size with Adam. */
    public Checkpoint withoutTraining() {
        var rest = new LinkedHashMap<>(metadata);
        rest.keySet().removeAll(List.of(POSITION, FACTOR, MODEL_SEED, OPTIMIZER, LOSS, METRICS));
        var weights = new LinkedHashMap<>(tensors);
        weights.keySet().removeIf(name -> name.startsWith(Optimizer.PREFIX));
        return new Checkpoint(source, rest, weights);
    }

    /** Writes the file, atomically. @throws gradus.io.FileException if it cannot be written */
    public void save(Path file) {
        Safetensors.write(file, metadata, tensors);
    }

    /**
     * Reads and checks a file.
     *
     * @throws gradus.io.FileException if it cannot be read
     * @throws FormatException if it is not such a file; the message names file, entry or tensor
     */
    public static Checkpoint load(Path file) {
        Safetensors.Contents contents = Safetensors.read(file);
        var checkpoint = new Checkpoint(file.toString(), contents.metadata(), contents.tensors());
        String format = contents.metadata().get(FORMAT);
        if (!VERSION.equals(format)) {
            throw checkpoint.error(
                    FORMAT,
                    format == null
                            ? "is missing: the file has weights but no architecture; load it as weights into a model"
                            : "is '" + format + "', not " + VERSION + "; was it written by a later version?",
                    null);
        }
        checkpoint.model();
        checkpoint.labels();
        if (checkpoint.hasTraining()) {
            checkpoint.position();
            checkpoint.optimizer();
            checkpoint.history();
        }
        checkpoint.checkState();
        return checkpoint;
    }

    /** Optimizer state is named after a weight and has its shape. */
    private void checkState() {
        tensors.forEach((name, value) -> {
            if (name.startsWith(Optimizer.PREFIX)) {
                int end = name.indexOf('/', Optimizer.PREFIX.length());
                Tensor weight = end < 0 ? null : tensors.get(name.substring(end + 1));
                if (weight == null || !weight.shape().equals(value.shape())) {
                    throw new FormatException(
                            source + ": tensor '" + name + "' of shape " + value.shape() + " belongs to no weight"
                                    + (weight == null ? "" : "; the weight's shape is " + weight.shape()),
                            -1);
                }
            }
        });
    }

    /** Every entry of the file. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** Every tensor of the file: weights and optimizer state. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** A new model with the architecture and the weights. */
    public Model model() {
        Object config = json(ARCHITECTURE);
        if (!(config instanceof Map<?, ?> map)) {
            throw error(ARCHITECTURE, "must be an object", null);
        }
        Model model;
        try {
            model = Model.fromConfig(map);
        } catch (GradusException e) {
            throw error(ARCHITECTURE, "is not one of a model: " + e.getMessage(), e);
        }
        var weights = new LinkedHashMap<String, Tensor>(tensors);
        weights.keySet().removeIf(name -> name.startsWith(Optimizer.PREFIX));
        try {
            model.setWeights(weights);
        } catch (GradusException e) {
            throw new FormatException(source + ": " + e.getMessage(), -1, e);
        }
        return model;
    }

    /** The names of the classes; empty if the file does not say. */
    public List<String> labels() {
        if (!metadata.containsKey(LABELS)) {
            return List.of();
        }
        var labels = new ArrayList<String>();
        for (Object label : list(LABELS)) {
            if (!(label instanceof String text)) {
                throw error(LABELS, "must be a list of strings", null);
            }
            labels.add(text);
        }
        return labels;
    }

    /** Whether a training can go on from here. */
    public boolean hasTraining() {
        return metadata.containsKey(POSITION);
    }

    public Optimizer optimizer() {
        return record(OPTIMIZER, RecordConfig::optimizer);
    }

    public History history() {
        List<?> list = list(HISTORY);
        try {
            return new History(list.stream().map(Checkpoint::epoch).toList());
        } catch (FormatException e) {
            throw error(HISTORY, "cannot be read: " + e.getMessage(), e);
        }
    }

    private static History.Epoch epoch(Object data) {
        Map<?, ?> map = data instanceof Map<?, ?> m ? m : Map.of();
        var values = new LinkedHashMap<String, Double>();
        map.forEach((key, value) -> {
            if (!key.equals("epoch")) {
                values.put((String) key, RecordConfig.number(value, (String) key));
            }
        });
        return new History.Epoch((int) RecordConfig.integer(map.get("epoch"), Integer.MAX_VALUE, "epoch"), values);
    }

    private static List<Object> write(History history) {
        var epochs = new ArrayList<Object>();
        for (History.Epoch e : history.epochs()) {
            var map = new LinkedHashMap<String, Object>();
            map.put("epoch", (long) e.number());
            e.values().forEach((name, value) -> map.put(name, RecordConfig.write(value)));
            epochs.add(map);
        }
        return epochs;
    }

    private Position position() {
        return record(POSITION, RecordConfig::position);
    }

    /**
     * A training that goes on where this one was.
     *
     * @throws FormatException if the file has no training, or its loss or metrics are the caller's own
     */
    public <B> Training<B> resume(Backend<B> backend) {
        List<?> list = list(METRICS);
        List<Metric> metrics;
        try {
            metrics = list.stream()
                    .map(metric -> Fields.of(metric, METRICS).read(RecordConfig::metric))
                    .toList();
        } catch (FormatException e) {
            throw error(METRICS, "cannot be read: " + e.getMessage(), e);
        }
        return resume(record(LOSS, RecordConfig::loss), metrics, backend);
    }

    /** The same with a loss and metrics of the caller's own. */
    public <B> Training<B> resume(Loss loss, List<Metric> metrics, Backend<B> backend) {
        Model model = model();
        if (!(json(MODEL_SEED) instanceof Long seed)) {
            throw error(MODEL_SEED, "must be an integer", null);
        }
        Map<String, Tensor> weights = model.weights();
        model.initialize(seed, model.dtype()); // for the seed alone
        model.setWeights(weights);
        Training<B> training = Training.compile(model, optimizer(), loss, metrics, backend);
        if (position().metricSums().size() != metrics.size()) {
            throw error(
                    POSITION,
                    "is of a training with " + position().metricSums().size() + " metrics, not " + metrics.size(),
                    null);
        }
        var state = new LinkedHashMap<>(tensors);
        state.keySet().removeIf(name -> !name.startsWith(Optimizer.PREFIX));
        if (!(json(FACTOR) instanceof Double factor)) {
            throw error(FACTOR, "must be a number", null);
        }
        training.restore(state, position(), history(), factor);
        return training;
    }

    private Object json(String key) {
        String text = metadata.get(key);
        if (text == null) {
            throw error(key, "is missing", null);
        }
        try {
            return Json.parse(text);
        } catch (FormatException e) {
            throw error(key, "is not JSON: " + e.getMessage(), e);
        }
    }

    private List<?> list(String key) {
        if (!(json(key) instanceof List<?> list)) {
            throw error(key, "must be a list", null);
        }
        return list;
    }

    private <T> T record(String key, Function<Fields, T> reader) {
        Object data = json(key);
        try {
            return Fields.of(data, key).read(reader);
        } catch (FormatException e) {
            throw error(key, "cannot be read: " + e.getMessage(), e);
        }
    }

    private FormatException error(String key, String what, Throwable cause) {
        return new FormatException(source + ": metadata entry '" + key + "' " + what, -1, cause);
    }
}
