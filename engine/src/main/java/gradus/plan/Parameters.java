package gradus.plan;

import gradus.backend.Backend;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Named arrays in a backend's memory that live from run to run: weights, moving statistics, optimizer state. Several plans
 * (training, validation) can share one, and then see each other's updates.
 *
 * @param <B> memory of the backend
 */
public final class Parameters<B> {
    private final Backend<B> backend;
    private final Map<String, B> memory = new LinkedHashMap<>();
    private final Map<String, Shape> shapes = new LinkedHashMap<>();
    private long version;

    public Parameters(Backend<B> backend) {
        this.backend = backend;
    }

    public Backend<B> backend() {
        return backend;
    }

    /** The memory of that name; zeros when it is asked for the first time. */
    B memory(String name, Shape shape) {
        Shape old = shapes.putIfAbsent(name, shape);
        if (old != null && !old.equals(shape)) {
            throw new ShapeException("parameter '" + name + "' has shape " + old + ", the plan needs " + shape);
        }
        return memory.computeIfAbsent(name, n -> backend.allocate(shape.size()));
    }

    /** Sets a parameter, making it if there is none of that name. */
    public void set(String name, Tensor value) {
        B b = memory(name, value.shape());
        synchronized (backend) {
            backend.write(value, b);
            version++;
        }
    }

    /** Counts changes, so that a plan knows when what it derived from parameters is out of date. */
    long version() {
        return version;
    }

    void changed() {
        version++;
    }

    public void setAll(Map<String, Tensor> values) {
        values.forEach(this::set);
    }

    /** A copy of a parameter's present value. */
    public Tensor get(String name) {
        B b = memory.get(name);
        if (b == null) {
            throw new GradusException("no parameter '" + name + "'; there are " + memory.keySet());
        }
        synchronized (backend) {
            return backend.read(b, shapes.get(name));
        }
    }

    public boolean has(String name) {
        return memory.containsKey(name);
    }

    /** Copies of all parameters, in the order in which they were made. */
    public Map<String, Tensor> all() {
        var all = new LinkedHashMap<String, Tensor>();
        memory.keySet().forEach(name -> all.put(name, get(name)));
        return all;
    }

    /** Bytes of all parameters. */
    public long bytes() {
        return shapes.values().stream().mapToLong(Shape::size).sum() * backend.elementBytes();
    }

    /** The type in which {@link #get} gives values. */
    public DType dtype() {
        return backend.elementBytes() == 4 ? DType.F32 : DType.F64;
    }
}
