package gradus.app.golden;

import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * One file: inputs, expected results, and the attributes that say what is computed from the former to the latter.
 *
 * @param file path in the folder, with {@code /} on every system, as the manifest writes it
 * @param tensors inputs under their names, expected results under {@code NAME.f64} (the truth) and {@code NAME.f32}
 */
record GoldenCase(String file, String group, Map<String, Object> attributes, Map<String, Tensor> tensors) {
    static final String TRUTH = ".f64";

    boolean has(String tensor) {
        return tensors.containsKey(tensor);
    }

    /** @throws GoldenException if the file has no such tensor */
    Tensor tensor(String name) {
        Tensor t = tensors.get(name);
        if (t == null) {
            throw new GoldenException("the file has no tensor " + name + "; it has " + tensors.keySet());
        }
        return t;
    }

    /** The expected value of a result. */
    Tensor truth(String name) {
        return tensor(name + TRUTH);
    }

    /** Names of the results that are expected. */
    List<String> expected() {
        return tensors.keySet().stream()
                .filter(name -> name.endsWith(TRUTH))
                .map(name -> name.substring(0, name.length() - TRUTH.length()))
                .toList();
    }

    boolean hasAttribute(String name) {
        return attributes.containsKey(name);
    }

    String text(String name) {
        return attribute(name, String.class, "a string");
    }

    double number(String name) {
        return attribute(name, Number.class, "a number").doubleValue();
    }

    double number(String name, double otherwise) {
        return hasAttribute(name) ? number(name) : otherwise;
    }

    int integer(String name) {
        return attribute(name, Number.class, "a number").intValue();
    }

    boolean flag(String name) {
        return attribute(name, Boolean.class, "true or false");
    }

    boolean flag(String name, boolean otherwise) {
        return hasAttribute(name) ? flag(name) : otherwise;
    }

    List<?> list(String name) {
        return attribute(name, List.class, "a list");
    }

    int[] integers(String name) {
        return integers(list(name), name);
    }

    List<String> texts(String name) {
        return list(name).stream()
                .map(e -> as(e, String.class, name, "a list of strings"))
                .toList();
    }

    /** An attribute that holds attributes, as a case of its own over the same tensors. */
    GoldenCase part(String name) {
        @SuppressWarnings("unchecked") // JSON objects have string keys
        var inner = (Map<String, Object>) attribute(name, Map.class, "an object");
        return new GoldenCase(file, group, inner, tensors);
    }

    int[] integers(Object value, String name) {
        List<?> list = as(value, List.class, name, "a list of numbers");
        return list.stream()
                .mapToInt(e -> as(e, Number.class, name, "a list of numbers").intValue())
                .toArray();
    }

    private <T> T attribute(String name, Class<T> type, String kind) {
        Object value = attributes.get(name);
        if (value == null) {
            throw new GoldenException("the file has no attribute " + name + "; it has " + attributes.keySet());
        }
        return as(value, type, name, kind);
    }

    private static <T> T as(Object value, Class<T> type, String name, String kind) {
        if (!type.isInstance(value)) {
            throw new GoldenException("attribute " + name + " must be " + kind + ", it is " + value);
        }
        return type.cast(value);
    }
}
