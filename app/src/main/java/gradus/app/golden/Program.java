package gradus.app.golden;

import gradus.backend.Backend;
import gradus.graph.Fuse;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A graph together with what is fed to it: first the forward part with its outputs, then at most once derivatives, then
 * it is run and read by name.
 */
final class Program {
    private final Engine engine;
    private final Map<String, Tensor> fed = new LinkedHashMap<>();
    private final Map<String, Tensor> known = new LinkedHashMap<>();
    private Graph graph = new Graph();

    Program(Engine engine) {
        this.engine = engine;
    }

    Graph graph() {
        return graph;
    }

    /** A graph input that will be fed with this tensor. */
    Value input(String name, Tensor tensor) {
        fed.put(name, tensor);
        return graph.input(name, tensor.shape());
    }

    /** Tensor {@code name} of a case as a graph input of the same name. */
    Value input(GoldenCase c, String name) {
        return input(name, c.tensor(name));
    }

    void output(String name, Value value) {
        graph.output(name, value);
    }

    /**
     * Outputs the derivatives of sum(y dy) under the given names; zeros where y does not depend on a value. y must be
     * an output. The forward part is fused first, if the engine does so.
     */
    void gradients(Value y, Value dy, Map<String, Value> with) {
        if (engine.fused()) {
            graph = Fuse.of(graph);
        }
        var names = new ArrayList<>(with.keySet());
        List<Value> derivatives = Gradient.append(
                graph,
                graph::scope,
                List.copyOf(graph.nodes()),
                Map.of(y, dy),
                names.stream().map(with::get).toList());
        for (int i = 0; i < names.size(); i++) {
            Value d = derivatives.get(i);
            if (d != null) {
                graph.output(names.get(i), d);
            } else {
                known.put(
                        names.get(i),
                        Tensor.zeros(DType.F64, with.get(names.get(i)).shape()));
            }
        }
    }

    /** Runs everything once and reads all outputs. */
    Map<String, Tensor> run() {
        return run(engine.backend(), Map.of());
    }

    /** The same with values for the graph's parameters. */
    Map<String, Tensor> run(Map<String, Tensor> parameters) {
        return run(engine.backend(), parameters);
    }

    private <B> Map<String, Tensor> run(Backend<B> backend, Map<String, Tensor> values) {
        var parameters = new Parameters<>(backend);
        parameters.setAll(values);
        var plan = Plan.of(graph, parameters);
        fed.forEach(plan::feed);
        plan.run();
        var results = new LinkedHashMap<>(known);
        graph.outputs().keySet().forEach(name -> results.put(name, plan.output(name)));
        return results;
    }
}
