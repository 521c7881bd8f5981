package gradus.train;

import gradus.backend.Backend;
import gradus.graph.FoldBatchNorm;
import gradus.graph.Fuse;
import gradus.graph.FuseGradient;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.graph.Recompute;
import gradus.layers.Lowered;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.layers.Predictor;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Keras's compile, fit, evaluate and predict.
 *
 * <p>A step is one graph: forward, loss, derivatives, optimizer, running statistics. There is one for each batch size,
 * as batch norm's statistics must be those of the true batch; all share their weights, which stay in the backend's
 * memory while training goes on and are copied to the {@link Model} at its end. With {@code fused(false)}, the graph is
 * as the layers wrote it: slower, and the oracle of the fused one.
 *
 * <p>Not for several threads at a time, but {@link #stop} may be called from any.
 *
 * @param <B> memory of the backend
 */
public final class Training<B> {
    private final Model model;
    private final Optimizer optimizer;
    private final Loss loss;
    private final List<Metric> metrics;
    private final Parameters<B> parameters;

    /** What evaluation reads: the same, or copies of the averages where the optimizer takes any. */
    private final Parameters<B> inference;

    private final Map<Key, Compiled<B>> compiled = new HashMap<>();
    private boolean fused = true;
    private boolean recompute;

    /** The model's tensors that {@link #parameters} are known to be equal to or more recent than. */
    private Map<String, Tensor> known = Map.of();

    private Position position;
    private History history = new History();
    private double learningRateFactor = 1;
    private double lastLoss;
    private double lastLearningRate;
    private boolean failed;
    private volatile boolean stop;

    /** @param target shape of the targets, null for prediction alone */
    private record Key(Shape x, Shape target, boolean training) {}

    private record Compiled<B>(Plan<B> plan, Set<String> inputs) {
        void feed(String name, Tensor value) {
            if (inputs.contains(name)) {
                plan.feed(name, value);
            }
        }
    }

    private Training(Model model, Optimizer optimizer, Loss loss, List<Metric> metrics, Backend<B> backend) {
        if (model.inputShapes().size() != 1 || model.outputShapes().size() != 1) {
            throw new TrainingException(
                    "model '" + model.name() + "' has " + model.inputShapes().size() + " inputs and "
                            + model.outputShapes().size() + " outputs; only models with one of each can be trained");
        }
        this.model = model;
        this.optimizer = optimizer;
        this.loss = loss;
        this.metrics = List.copyOf(metrics);
        parameters = new Parameters<>(backend);
        inference = optimizer.average() == 0 ? parameters : new Parameters<>(backend);
        position = Position.start(0, 0, metrics.size());
    }

    /** A model that is about to be trained, in the backend's precision. */
    public static <B> Training<B> compile(
            Model model, Optimizer optimizer, Loss loss, List<Metric> metrics, Backend<B> backend) {
        return new Training<>(model, optimizer, loss, metrics, backend);
    }

    /** Whether operations are joined where that saves memory traffic; true at first. */
    public Training<B> fused(boolean yes) {
        fused = yes;
        compiled.clear();
        return this;
    }

    /**
     * Whether the backward pass computes all normalised and activated values again instead of keeping them; false at first, when it
     * does so where that takes no time. Every number stays the same to the last bit; see {@link Recompute} for what it saves and costs.
     */
    public Training<B> recompute(boolean yes) {
        recompute = yes;
        compiled.clear();
        return this;
    }

    public Model model() {
        return model;
    }

    public Optimizer optimizer() {
        return optimizer;
    }

    public Loss loss() {
        return loss;
    }

    public List<Metric> metrics() {
        return metrics;
    }

    public History history() {
        return history;
    }

    /** The epoch that is under way or comes next, from 0. */
    public int epoch() {
        return position.epoch();
    }

    /** Steps taken in all epochs. */
    public long step() {
        return position.step();
    }

    Position position() {
        return position;
    }

    // ---- graphs ----

    /** Forward, loss, derivatives and updates for n samples; for listings and measurements. */
    public Graph trainingGraph(int n, Shape target) {
        return trainingGraph(batches(n), target);
    }

    private Shape batches(int n) {
        return model.inputShapes().get(0).prepend(n);
    }

    private Graph trainingGraph(Shape x, Shape target) {
        var graph = new Graph();
        Lowered lowered = lower(graph, x, true);
        Value total = loss(graph, lowered, x.dim(0), target);
        lowered.updates().forEach(graph::update);
        Graph forward = fused ? FoldBatchNorm.of(Fuse.of(graph), parameters.backend()) : graph;
        List<String> names = model.weightList().stream()
                .filter(ModelWeight::trainable)
                .map(ModelWeight::name)
                .filter(forward.parameters()::containsKey)
                .toList();
        List<Value> weights = names.stream().map(forward.parameters()::get).toList();
        Gradient.Result result = Gradient.of(forward, total, weights);
        var gradients = new LinkedHashMap<String, Value>();
        for (int i = 0; i < names.size(); i++) {
            if (result.derivatives().get(i) != null) {
                gradients.put(names.get(i), result.derivatives().get(i));
            }
        }
        if (gradients.isEmpty()) {
            throw new TrainingException("model '" + model.name() + "' has nothing to train: no trainable weight acts on"
                    + " the loss; call trainable(true), or compile after it");
        }
        Graph step = result.graph();
        Map<String, Value> updates = optimizer.update(step, gradients);
        if (optimizer.average() > 0) {
            var values = new LinkedHashMap<String, Value>();
            gradients.keySet().forEach(name -> values.put(name, updates.get(name)));
            values.putAll(lowered.updates());
            updates.putAll(optimizer.averages(step, values));
        }
        updates.forEach(step::update);
        step = fused ? FuseGradient.of(step, parameters.backend()) : step;
        if (recompute) {
            return Recompute.of(step, total);
        }
        return fused && parameters.backend().normalizesOnTheWay() ? Recompute.normalized(step, total) : step;
    }

    /** Prediction and, if {@code target} is not null, loss of n samples. */
    public Graph inferenceGraph(int n, Shape target) {
        return inferenceGraph(batches(n), target);
    }

    private Graph inferenceGraph(Shape x, Shape target) {
        var graph = new Graph();
        Lowered lowered = lower(graph, x, false);
        if (target != null) {
            loss(graph, lowered, x.dim(0), target);
        }
        return fused ? Fuse.of(graph) : graph;
    }

    private Lowered lower(Graph graph, Shape batch, boolean training) {
        Value x = graph.input("x", batch);
        Lowered lowered = model.lower(graph, training, List.of(x));
        graph.output("prediction", lowered.outputs().get(0));
        return lowered;
    }

    /** sum over i of w[i] l[i] / n + penalties. */
    private Value loss(Graph graph, Lowered lowered, int n, Shape target) {
        Value y = graph.input("y", target);
        Value weight = graph.input("weight", Shape.of(n));
        List<Value> penalties = model.penalties(graph);
        graph.scope("loss");
        Value prediction = lowered.outputs().get(0);
        Value logits = logits(graph, prediction);
        Loss onLogits = loss.fromLogits();
        Value each = logits == null || onLogits == loss
                ? loss.perSample(graph, prediction, y)
                : onLogits.perSample(graph, logits, y);
        Value total = graph.mean(graph.multiply(each, weight));
        for (Value penalty : penalties) {
            total = graph.add(total, penalty);
        }
        graph.scope("");
        graph.output("loss", total);
        return total;
    }

    /** What a softmax was taken of to give {@code prediction}, or null if that is not how it came about. */
    private static Value logits(Graph graph, Value prediction) {
        for (Node node : graph.nodes().reversed()) {
            if (node.output() == prediction) {
                return node.op() instanceof Softmax ? node.inputs().get(0) : null;
            }
        }
        return null;
    }

    private Compiled<B> compiled(Key key) {
        return compiled.computeIfAbsent(key, k -> {
            Graph graph = k.training ? trainingGraph(k.x, k.target) : inferenceGraph(k.x, k.target);
            Plan<B> plan = Plan.of(graph, k.training ? parameters : inference);
            return new Compiled<>(plan, Set.copyOf(graph.inputs().keySet()));
        });
    }

    /** The training step of n samples with class indices as targets, ready to run; for measurements. */
    public Plan<B> plan(int n) {
        upload();
        return compiled(new Key(batches(n), Shape.of(n), true)).plan;
    }

    // ---- weights ----

    /** Brings what changed in the model since the last time to the backend. */
    private void upload() {
        Map<String, Tensor> now = model.weights();
        now.forEach((name, value) -> {
            if (known.get(name) != value) {
                parameters.set(name, value);
                if (parameters.has(averageOf(name))) {
                    parameters.set(averageOf(name), value);
                }
            }
        });
        known = now;
    }

    /** Copies what was learned to the model. */
    private void download() {
        model.setWeights(weights());
        known = model.weights();
    }

    private static String averageOf(String weight) {
        return Optimizer.PREFIX + Optimizer.AVERAGE + "/" + weight;
    }

    private boolean averaged(String weight) {
        return position.step() > 0 && parameters.has(averageOf(weight));
    }

    /** Copies of the weights as they are now: what evaluation uses, so averages if the optimizer takes any. */
    public Map<String, Tensor> weights() {
        if (known.isEmpty()) {
            upload();
        }
        var weights = new LinkedHashMap<String, Tensor>();
        known.keySet().forEach(name -> weights.put(name, parameters.get(averaged(name) ? averageOf(name) : name)));
        return weights;
    }

    /** Sets weights of the model and of this training. */
    public void setWeights(Map<String, Tensor> weights) {
        model.setWeights(weights);
        upload();
    }

    /** Optimizer state by parameter name, and the weights under training where evaluation uses averages. */
    Map<String, Tensor> state() {
        var state = new LinkedHashMap<String, Tensor>();
        parameters.all().forEach((name, value) -> {
            if (name.startsWith(Optimizer.PREFIX) && !name.startsWith(Optimizer.PREFIX + Optimizer.AVERAGE + "/")) {
                state.put(name, value);
            }
        });
        for (String name : known.keySet()) {
            if (averaged(name)) {
                state.put(Optimizer.PREFIX + "raw/" + name, parameters.get(name));
            }
        }
        return state;
    }

    /** Puts back what {@link #state}, {@link #weights} and {@link #position} gave. */
    void restore(Map<String, Tensor> state, Position where, History past, double factor) {
        upload();
        String raw = Optimizer.PREFIX + "raw/";
        state.forEach((name, value) -> {
            if (name.startsWith(raw)) {
                String weight = name.substring(raw.length());
                parameters.set(averageOf(weight), parameters.get(weight));
                parameters.set(weight, value);
            } else {
                parameters.set(name, value);
            }
        });
        position = where;
        history = past;
        learningRateFactor = factor;
    }

    /** Readies the parameters that evaluation reads. */
    private void prepareInference() {
        upload();
        if (inference != parameters) {
            inference.setAll(weights());
        }
    }

    // ---- compile, fit, evaluate, predict ----

    /** The schedule's learning rate of a step, times {@link #learningRateFactor()}. */
    public double learningRate(long step) {
        return optimizer.learningRate().at(step) * learningRateFactor;
    }

    /** What callbacks have multiplied the schedule by; 1 at first. */
    public double learningRateFactor() {
        return learningRateFactor;
    }

    public void learningRateFactor(double factor) {
        learningRateFactor = factor;
    }

    /**
     * Lets {@link #fit} return after the step, or the batch of validation, that is under way. The training can then be
     * saved and goes on later as if nothing had been. Safe from any thread, also from a signal handler.
     */
    public void stop() {
        stop = true;
    }

    /** Whether {@link #stop} was called since {@link #fit} began. */
    public boolean stopRequested() {
        return stop;
    }

    /**
     * Trains until {@code options.epochs()} epochs are done. The model then has the trained weights.
     *
     * @param validation evaluated after each epoch, or null
     * @return all epochs so far, {@link #history()}
     * @throws TrainingException if the loss is not finite any more; the model keeps the weights it had before
     */
    public History fit(DataSource train, DataSource validation, FitOptions options) {
        begin();
        stop = false;
        if (options.initialEpoch() >= 0) {
            position = Position.start(options.initialEpoch(), position.step(), metrics.size());
        }
        history.stopped(false);
        options.callbacks().forEach(c -> c.onTrainBegin(this, history));
        while (position.epoch() < options.epochs() && !stop) {
            options.callbacks().forEach(c -> c.onEpochBegin(this, position.epoch()));
            trainEpoch(train, options);
            Evaluation evaluation = stop || validation == null ? null : evaluateWhile(validation, true);
            if (stop) {
                break; // this epoch is not over: its last batches or its validation are still to come
            }
            history.add(new History.Epoch(position.epoch(), values(evaluation)));
            position = Position.start(position.epoch() + 1, position.step(), metrics.size());
            options.callbacks().forEach(c -> c.onEpochEnd(this, history));
        }
        history.stopped(stop);
        download();
        options.callbacks().forEach(c -> c.onTrainEnd(this, history));
        return history;
    }

    private void begin() {
        if (failed) {
            throw new TrainingException("the loss of this training is not finite any more; resume from a checkpoint, or"
                    + " compile the model again");
        }
        upload();
    }

    private Map<String, Double> values(Evaluation validation) {
        var values = new LinkedHashMap<String, Double>();
        values.put("loss", position.lossSum() / position.samples());
        values.putAll(means(position));
        if (validation != null) {
            values.put("val_loss", validation.loss());
            validation.metrics().forEach((name, v) -> values.put("val_" + name, v));
        }
        values.put("learning_rate", learningRate(position.step() - 1));
        return values;
    }

    private Map<String, Double> means(Position p) {
        var means = new LinkedHashMap<String, Double>();
        for (int i = 0; i < metrics.size(); i++) {
            means.put(metrics.get(i).name(), p.metricSums().get(i) / p.samples());
        }
        return means;
    }

    /** The batches of an epoch that are still to be done, until {@link #stop}. */
    private void trainEpoch(DataSource train, FitOptions options) {
        Iterator<Batch> batches = train.epoch(position.epoch()).iterator();
        try {
            for (int i = 0; i < position.batches() && batches.hasNext(); i++) {
                batches.next(); // done before this training was resumed
            }
            long start = System.nanoTime();
            long before = position.samples();
            long waited = 0;
            while (!stop) {
                long asked = System.nanoTime();
                Batch batch = batches.hasNext() ? batches.next() : null;
                waited += System.nanoTime() - asked;
                if (batch == null) {
                    break;
                }
                trainStep(batch, options);
                double seconds = (System.nanoTime() - start) * 1e-9;
                Position p = position;
                var progress = new Progress(
                        p.epoch(),
                        options.epochs(),
                        p.step(),
                        p.samples(),
                        train.size(),
                        p.lossSum() / p.samples(),
                        means(p),
                        lastLearningRate,
                        (p.samples() - before) / seconds,
                        waited * 1e-9);
                options.callbacks().forEach(c -> c.onBatchEnd(this, progress));
            }
        } finally {
            close(batches);
        }
        if (position.samples() == 0 && !stop) {
            throw new TrainingException("epoch " + position.epoch() + " has no samples");
        }
    }

    private static void close(Iterator<Batch> batches) {
        if (batches instanceof AutoCloseable closeable) {
            try {
                closeable.close();
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("closing the data source failed", e);
            }
        }
    }

    /**
     * One step on one batch, outside {@link #fit}: no callbacks, no metrics, weights stay in the backend until something
     * asks for them. The epoch that {@code fit} is in or comes to is none the shorter for it. Returns the loss before the update.
     *
     * @throws TrainingException if the loss is not finite
     */
    public double trainOnBatch(Batch batch) {
        begin();
        Position before = position;
        trainStep(batch, FitOptions.of(1));
        position = before.at(position.step());
        return lastLoss;
    }

    private void trainStep(Batch batch, FitOptions options) {
        Position p = position;
        check(batch, true);
        double rate = learningRate(p.step());
        Compiled<B> c = compiled(new Key(batch.x().shape(), batch.y().shape(), true));
        feed(c, batch, Targets.weights(batch, options.classWeights()));
        c.feed("step", Tensor.scalar(p.step()));
        c.feed("average_rate", Tensor.scalar(p.step() == 0 ? 1 : 1 - optimizer.average()));
        optimizer.scalars(p.step(), rate).forEach((name, value) -> c.feed(name, Tensor.scalar(value)));
        c.plan.run();
        double value = c.plan.output("loss").item();
        lastLoss = value;
        if (!Double.isFinite(value)) {
            fail(value, rate);
        }
        int n = batch.size();
        position = new Position(
                p.epoch(),
                p.step() + 1,
                p.batches() + 1,
                p.samples() + n,
                p.lossSum() + value * n,
                metricSums(p.metricSums(), c.plan, batch));
        lastLearningRate = rate;
    }

    private void fail(double value, double rate) {
        failed = true;
        parameters.setAll(known);
        throw new TrainingException(
                "epoch " + (position.epoch() + 1) + ", batch " + (position.batches() + 1) + " (step "
                        + (position.step() + 1) + "): the loss is " + value + " at learning rate " + rate
                        + ". Try a lower learning rate, a warm-up, or clipping of gradients, and look for NaN in the"
                        + " data. The model has the weights that it had when the training was last asked for them;"
                        + " checkpoints written since are good");
    }

    private List<Double> metricSums(List<Double> sums, Plan<B> plan, Batch batch) {
        if (metrics.isEmpty()) {
            return sums;
        }
        Tensor prediction = plan.output("prediction");
        var next = new ArrayList<Double>();
        for (int i = 0; i < metrics.size(); i++) {
            next.add(sums.get(i) + metrics.get(i).sum(prediction, batch.y()));
        }
        return next;
    }

    private static void feed(Compiled<?> c, Batch batch, Tensor weight) {
        c.feed("x", batch.x());
        c.feed("y", batch.y());
        c.feed("weight", weight != null ? weight : Tensor.full(DType.F32, Shape.of(batch.size()), 1));
    }

    /**
     * Finds mistakes in a batch that would otherwise show as an odd shape deep inside or as a loss of NaN.
     *
     * @param anySize whether pictures may be larger or smaller than the model's: if its layers can compute with them
     */
    private void check(Batch batch, boolean anySize) {
        if (batch.weight() != null && batch.weight().size() != batch.size()) {
            throw new TrainingException("a batch of " + batch.size() + " samples has "
                    + batch.weight().size() + " sample weights");
        }
        Shape sample = batch.x().shape().slice(1, batch.x().shape().rank());
        Shape input = model.inputShapes().get(0);
        boolean pictures = anySize && sample.rank() == 3 && input.rank() == 3 && sample.dim(2) == input.dim(2);
        if (!sample.equals(input) && !pictures) {
            throw new TrainingException(
                    "model '" + model.name() + "' takes samples of shape " + input + ", the data has " + sample);
        }
        boolean indices = loss instanceof CategoricalCrossentropy || loss instanceof SparseCategoricalCrossentropy;
        if (indices && batch.y().size() == batch.size()) {
            int classes = model.outputShapes().get(0).dim(-1);
            for (int i = 0; i < batch.size(); i++) {
                double label = batch.y().get(i);
                if (!(label >= 0 && label < classes && label == (int) label)) {
                    throw new TrainingException("label " + label + " of sample " + i + " of a batch: model '"
                            + model.name() + "' has classes 0 to " + (classes - 1));
                }
            }
        }
    }

    /** Loss and metrics over the first epoch of {@code data}, in inference mode. */
    public Evaluation evaluate(DataSource data) {
        return evaluateWhile(data, false);
    }

    /** @param stoppable whether {@link #stop} ends the evaluation, the result then being null */
    private Evaluation evaluateWhile(DataSource data, boolean stoppable) {
        prepareInference();
        var sums = new double[metrics.size()];
        Shape output = model.outputShapes().get(0);
        var confusion = output.rank() == 1 && output.dim(0) <= ConfusionMatrix.MOST_CLASSES
                ? new ConfusionMatrix(output.dim(0))
                : null;
        double lossSum = 0;
        long samples = 0;
        Iterator<Batch> batches = data.epoch(0).iterator();
        try {
            while (batches.hasNext()) {
                if (stoppable && stop) {
                    return null;
                }
                Batch batch = batches.next();
                check(batch, false);
                Compiled<B> c = compiled(new Key(batch.x().shape(), batch.y().shape(), false));
                feed(c, batch, batch.weight());
                c.plan.run();
                lossSum += c.plan.output("loss").item() * batch.size();
                samples += batch.size();
                Tensor prediction = c.plan.output("prediction");
                for (int i = 0; i < sums.length; i++) {
                    sums[i] += metrics.get(i).sum(prediction, batch.y());
                }
                if (confusion != null && !confusion.add(prediction, batch.y())) {
                    confusion = null; // what a loss of the caller's own takes as targets need not be classes
                }
            }
        } finally {
            close(batches);
        }
        if (samples == 0) {
            throw new TrainingException("there are no samples to evaluate");
        }
        var values = new LinkedHashMap<String, Double>();
        for (int i = 0; i < sums.length; i++) {
            values.put(metrics.get(i).name(), sums[i] / samples);
        }
        return new Evaluation(samples, lossSum / samples, values, confusion);
    }

    /** The model's output for each sample of x, {@code (n, ...)}; samples of another size than the model's if its layers can. */
    public Tensor predict(Tensor x) {
        prepareInference();
        int n = x.shape().dim(0);
        var parts = new ArrayList<Tensor>();
        for (int from = 0; from < n || parts.isEmpty(); from += Predictor.BATCH) {
            parts.add(predictBatch(x.rows(from, Math.min(n, from + Predictor.BATCH))));
        }
        return Tensor.joined(parts);
    }

    /** The model's output for each sample of the first epoch of {@code data}, in its order. */
    public Tensor predict(DataSource data) {
        prepareInference();
        var parts = new ArrayList<Tensor>();
        Iterator<Batch> batches = data.epoch(0).iterator();
        try {
            batches.forEachRemaining(batch -> parts.add(predictBatch(batch.x())));
        } finally {
            close(batches);
        }
        if (parts.isEmpty()) {
            throw new TrainingException("there are no samples to predict");
        }
        return Tensor.joined(parts);
    }

    private Tensor predictBatch(Tensor x) {
        Compiled<B> c = compiled(new Key(x.shape(), null, false));
        c.feed("x", x);
        c.plan.run();
        return c.plan.output("prediction");
    }
}
