package gradus.app.golden;

import gradus.backend.Backend;
import gradus.graph.FoldBatchNorm;
import gradus.graph.Fuse;
import gradus.graph.FuseGradient;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.layers.Lowered;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Optimizer;
import gradus.train.SparseCategoricalCrossentropy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The whole ResNet-50: inference, training mode with all gradients, moving statistics, and three steps each of Adam and
 * SGD. Weights, pictures and the directions on which gradients are projected follow from {@link Formula}.
 */
final class NetworkCases<B> {
    private static final int PICTURES = 10_000;
    private static final int DIRECTIONS = 5_000;
    private static final int STEPS = 3;

    private final GoldenCase c;
    private final Engine engine;
    private final Backend<B> backend;
    private final long seed;
    private final boolean damped;
    private final ResNet network;
    private final Model model;
    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private final List<String> trainable;
    private final Tensor x;
    private final Map<String, Tensor> results = new LinkedHashMap<>();

    private NetworkCases(GoldenCase c, Engine engine, Backend<B> backend) {
        this.c = c;
        this.engine = engine;
        this.backend = backend;
        seed = (long) c.number("base_seed");
        damped = c.flag("damped", false);
        network = network(c);
        model = probes(network, false);
        int k = 0;
        for (Object parameter : c.list("parameters")) {
            if (!(parameter instanceof List<?> pair && pair.getFirst() instanceof String name)) {
                throw new GoldenException("attribute parameters must be a list of [name, shape]");
            }
            Shape shape = Shape.of(c.integers(pair.get(1), "parameters"));
            weights.put(modelName(name), Formula.parameter(seed, k++, name, shape, damped));
        }
        trainable = c.texts("trainable").stream().map(this::modelName).toList();
        List<String> own = model.weightList().stream().map(ModelWeight::name).toList();
        if (!own.equals(List.copyOf(weights.keySet()))) {
            throw new GoldenException("the model's weights " + own + " are not those of the file " + weights.keySet());
        }
        x = Formula.uniform(seed, PICTURES, Shape.of(c.integers("input_shape")), 0, 1);
    }

    static List<Check> run(GoldenCase c, Manifest manifest, Engine engine) {
        return run(c, engine, engine.backend());
    }

    private static <B> List<Check> run(GoldenCase c, Engine engine, Backend<B> backend) {
        var cases = new NetworkCases<>(c, engine, backend);
        int[] sizes = cases.trainable.stream()
                .mapToInt(name -> cases.weights.get(name).size())
                .toArray();
        boolean[] zero = NetworkRules.zeroGradients(cases.trainable, cases.weights);
        var rules = new NetworkRules(c, engine.isDouble(), cases.damped, zero, sizes);
        cases.inference();
        cases.gradients(rules.judgesTraining());
        if (rules.judgesTraining()) {
            if (engine.isDouble()) {
                cases.movingStatistics(false);
                cases.movingStatistics(true);
            }
            for (String optimizer : List.of("adam", "sgd")) {
                cases.steps(optimizer);
            }
        }
        return cases.compare(rules);
    }

    private List<Check> compare(NetworkRules rules) {
        var checks = new ArrayList<Check>();
        for (String name : c.expected()) {
            Tolerance tolerance = rules.of(name);
            if (tolerance != null) {
                Tensor result = results.get(name);
                if (result == null) {
                    throw new GoldenException("do not know how to compute tensor " + name);
                }
                checks.add(new Check(name, c.truth(name), result, tolerance));
            }
        }
        return checks;
    }

    // ---- the network ----

    private static ResNet network(GoldenCase c) {
        String arch = c.text("arch");
        ResNet base = switch (arch) {
            case "course" -> ResNets.course();
            case "nb001" -> ResNets.secondNotebook();
            default -> throw OpCases.unknown(arch, "course, nb001");
        };
        int[] in = c.integers("input_shape");
        return base.input(in[1], in[2], in[3])
                .classes(c.integer("classes"))
                .logits(true)
                .blocks(base.blocks().epsilon(c.number("epsilon")).momentum(c.number("momentum")));
    }

    /** The network with its stages' results as further outputs in front of the logits. */
    private static Model probes(ResNet network, boolean unbiased) {
        Model whole = network.blocks(network.blocks().unbiased(unbiased)).build();
        var layers = new ArrayList<String>(List.of("max_pool"));
        for (int i = 0; i < network.stages().size(); i++) {
            layers.add("relu_" + (i + 2) + (char) ('a' + network.stages().get(i).blocks() - 1));
        }
        layers.add(whole.layerNames().getLast());
        return whole.upTo(layers.toArray(String[]::new));
    }

    /** The files call the classifier fc, the model fc6. */
    private String modelName(String parameter) {
        return parameter.startsWith("fc/") ? model.layerNames().getLast() + parameter.substring(2) : parameter;
    }

    private Parameters<B> parameters() {
        var parameters = new Parameters<>(backend);
        parameters.setAll(weights);
        return parameters;
    }

    /** Forward and loss as a graph, with stages, logits and loss as outputs. */
    private Graph forward(Model of, boolean training) {
        var graph = new Graph();
        Value in = graph.input("x", x.shape());
        Lowered lowered = of.lower(graph, training, List.of(in));
        List<Value> outputs = lowered.outputs();
        String mode = training ? "train." : "infer.";
        for (int i = 0; i < outputs.size() - 1; i++) {
            graph.output(mode + "stage" + (i + 1) + ".summary", outputs.get(i));
        }
        Value logits = outputs.getLast();
        graph.output(mode + "logits", logits);
        Value labels = graph.input("labels", c.tensor("labels").shape());
        graph.output(
                mode + "loss",
                graph.mean(SparseCategoricalCrossentropy.of().fromLogits().perSample(graph, logits, labels)));
        if (!training) {
            graph.output("infer.probs", graph.apply(new Softmax(), logits));
        }
        lowered.updates().forEach(graph::update);
        return engine.fused() ? FoldBatchNorm.of(Fuse.of(graph), backend) : graph;
    }

    /** A graph with derivatives, as training runs it. */
    private Graph fused(Graph graph) {
        return engine.fused() ? FuseGradient.of(graph, backend) : graph;
    }

    private Plan<B> plan(Graph graph, Parameters<B> parameters) {
        var plan = Plan.of(graph, parameters);
        plan.feed("x", x);
        plan.feed("labels", c.tensor("labels"));
        return plan;
    }

    private void read(Plan<B> plan, Graph graph) {
        for (String name : graph.outputs().keySet()) {
            if (name.startsWith("train.") || name.startsWith("infer.")) {
                Tensor value = plan.output(name);
                results.put(name, name.endsWith(".summary") ? summary(value) : value);
            }
        }
    }

    /** Mean, length, maximum, first 8 values. */
    private static Tensor summary(Tensor t) {
        var s = new double[11];
        s[0] = IntStream.range(0, t.size()).mapToDouble(t::get).sum() / t.size();
        s[1] = norm(t);
        s[2] = IntStream.range(0, t.size()).mapToDouble(t::get).max().orElse(Double.NaN);
        for (int i = 0; i < 8; i++) {
            s[3 + i] = t.get(i);
        }
        return Tensor.of(Shape.of(11), s);
    }

    private static double norm(Tensor t) {
        return Math.sqrt(IntStream.range(0, t.size())
                .mapToDouble(i -> t.get(i) * t.get(i))
                .sum());
    }

    // ---- what is computed ----

    private void inference() {
        Graph graph = forward(model, false);
        var plan = plan(graph, parameters());
        plan.run();
        read(plan, graph);
    }

    /** Training mode, and the gradients of all weights and of the pictures if asked for. */
    private void gradients(boolean wanted) {
        Graph forward = forward(model, true);
        if (!wanted) {
            var plan = plan(forward, parameters());
            plan.run();
            read(plan, forward);
            return;
        }
        var with = new ArrayList<Value>();
        trainable.forEach(name -> with.add(forward.parameters().get(name)));
        with.add(forward.inputs().get("x"));
        Gradient.Result result = Gradient.of(forward, forward.outputs().get("train.loss"), with);
        Graph graph = result.graph();
        for (int i = 0; i < trainable.size(); i++) {
            graph.output("d_" + trainable.get(i), result.derivatives().get(i));
        }
        graph.output("d_x", result.derivatives().getLast());
        graph = fused(graph);
        var plan = plan(graph, parameters());
        plan.run();
        read(plan, graph);
        int n = trainable.size();
        var norms = new double[n];
        var projections = new double[n];
        var first = new double[n * 4];
        for (int i = 0; i < n; i++) {
            Tensor d = plan.output("d_" + trainable.get(i));
            Tensor direction = Formula.uniform(seed, DIRECTIONS + i, d.shape(), -1, 1);
            norms[i] = norm(d);
            projections[i] = IntStream.range(0, d.size())
                    .mapToDouble(e -> d.get(e) * direction.get(e))
                    .sum();
            for (int e = 0; e < Math.min(4, d.size()); e++) {
                first[4 * i + e] = d.get(e);
            }
        }
        results.put("train.grad_norm", Tensor.of(Shape.of(n), norms));
        results.put("train.grad_projection", Tensor.of(Shape.of(n), projections));
        results.put("train.grad_first4", Tensor.of(Shape.of(n, 4), first));
        results.put("train.d_x_norm", Tensor.scalar(norm(plan.output("d_x"))));
    }

    /** Lengths of the moving statistics after one step. */
    private void movingStatistics(boolean unbiased) {
        var parameters = parameters();
        plan(forward(unbiased ? probes(network, true) : model, true), parameters)
                .run();
        List<String> norms = c.texts("batch_norms");
        var mean = new double[norms.size()];
        var variance = new double[norms.size()];
        for (int i = 0; i < mean.length; i++) {
            mean[i] = norm(parameters.get(norms.get(i) + "/moving_mean"));
            variance[i] = norm(parameters.get(norms.get(i) + "/moving_variance"));
        }
        results.put("train.moving_mean_norm_after1", Tensor.of(Shape.of(mean.length), mean));
        results.put(
                "train.moving_variance_norm_after1_" + (unbiased ? "unbiased" : "biased"),
                Tensor.of(Shape.of(mean.length), variance));
    }

    /** The training-mode loss before each step and after the last. */
    private void steps(String name) {
        Optimizer optimizer = OptimizerCases.optimizer(c.part(name), name);
        Graph forward = forward(model, true);
        List<Value> with = trainable.stream().map(forward.parameters()::get).toList();
        Gradient.Result result = Gradient.of(forward, forward.outputs().get("train.loss"), with);
        var gradients = new LinkedHashMap<String, Value>();
        for (int i = 0; i < trainable.size(); i++) {
            gradients.put(trainable.get(i), result.derivatives().get(i));
        }
        Graph graph = result.graph();
        optimizer.update(graph, gradients).forEach(graph::update);
        var parameters = parameters();
        var plan = plan(fused(graph), parameters);
        var losses = new double[STEPS + 1];
        for (int t = 0; t < STEPS; t++) {
            OptimizerCases.scalars(optimizer, t).forEach((scalar, value) -> {
                if (graph.inputs().containsKey(scalar)) {
                    plan.feed(scalar, value);
                }
            });
            plan.run();
            losses[t] = plan.output("train.loss").item();
        }
        var last = plan(forward, parameters);
        last.run();
        losses[STEPS] = last.output("train.loss").item();
        results.put("train." + name + "_losses", Tensor.of(Shape.of(STEPS + 1), losses));
    }
}
