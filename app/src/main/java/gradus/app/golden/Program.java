package gradus.app.golden;

import gradus.backend.Backend;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A graph together with what is fed to it: built, run once, read by name. */
final class Program {
    final Graph graph = new Graph();
    private final Map<String, Tensor> fed = new LinkedHashMap<>();
    private final Map<String, Tensor> known = new LinkedHashMap<>();

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

    /** Outputs the derivatives of sum(y dy) under the given names; zeros where y does not depend on a value. */
    void gradients(Value y, Value dy, Map<String, Value> with) {
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
                known.put(names.get(i), Tensor.zeros(DType.F64, with.get(names.get(i)).shape()));
            }
        }
    }

    /** Runs everything once and reads all outputs. */
    Map<String, Tensor> run(Engine engine) {
        return run(engine.backend());
    }

    private <B> Map<String, Tensor> run(Backend<B> backend) {
        var plan = Plan.of(graph, backend);
        fed.forEach(plan::feed);
        plan.run();
        var results = new LinkedHashMap<>(known);
        graph.outputs().keySet().forEach(name -> results.put(name, plan.output(name)));
        return results;
    }
}
