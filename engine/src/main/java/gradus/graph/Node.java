package gradus.graph;

import gradus.op.Op;
import gradus.op.Value;
import java.util.List;

/**
 * One line of a program: {@code output = op(inputs)}.
 *
 * @param scope the layer this line comes from, or "" if none; for listings and error messages
 */
public record Node(Op op, List<Value> inputs, Value output, String scope) {
    public Node {
        inputs = List.copyOf(inputs);
    }

    public List<gradus.tensor.Shape> inputShapes() {
        return inputs.stream().map(Value::shape).toList();
    }
}
