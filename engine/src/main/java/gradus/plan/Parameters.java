package gradus.plan;

import gradus.backend.Backend;
import gradus.op.Op;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Named arrays that live from run to run: weights, moving statistics, optimizer state. Several plans (training, validation)
 * can share one, and then see each other's updates; what they derive from parameters alone, such as kernels in the form that
 * a backend reads fastest, they share as well.
 *
 * <p>A parameter that is set is borrowed: the {@link Tensor} itself is kept, which nobody may write to, until a plan reads
 * the parameter in every run or changes it. Only then it is copied to the backend's memory.
 *
 * @param <B> memory of the backend
 */
public final class Parameters<B> {
    private final Backend<B> backend;
    private final Map<String, Shape> shapes = new LinkedHashMap<>();
    private final Map<String, B> memory = new HashMap<>();
    private final Map<String, Tensor> borrowed = new HashMap<>(); // of those that are not in memory
    private final Map<Formula, WeakReference<Derived<B>>> derived = new HashMap<>();
    private long version;

    /**
     * How a value comes about.
     *
     * @param operands names of parameters, tensors that are constants, or what they themselves were derived from
     */
    record Formula(Op op, List<Object> operands) {
        /** Not of the op's settings: they seldom tell apart what operands do not, and are many. */
        @Override
        public int hashCode() {
            return 31 * op.getClass().hashCode() + operands.hashCode();
        }
    }

    /** A value that follows from parameters and constants alone. It lives as long as a plan has it. */
    static final class Derived<B> {
        final Shape shape;

        /** Whether no parameter is among what it follows from. */
        final boolean constant;

        /** Null if it is only needed on the way to others. */
        B memory;

        private long version = -1;

        private Derived(Shape shape, boolean constant) {
            this.shape = shape;
            this.constant = constant;
        }
    }

    public Parameters(Backend<B> backend) {
        this.backend = backend;
    }

    public Backend<B> backend() {
        return backend;
    }

    /** Makes a parameter if there is none of that name; its value is zero until it is set. */
    void declare(String name, Shape shape) {
        Shape old = shapes.putIfAbsent(name, shape);
        if (old != null && !old.equals(shape)) {
            throw new ShapeException("parameter '" + name + "' has shape " + old + ", the plan needs " + shape);
        }
    }

    /** The memory of a declared parameter, which from now on holds its value. */
    B memory(String name) {
        B b = memory.get(name);
        if (b == null) {
            b = backend.allocate(shapes.get(name).size());
            load(name, b);
            memory.put(name, b);
            borrowed.remove(name);
        }
        return b;
    }

    boolean inMemory(String name) {
        return memory.containsKey(name);
    }

    /** Copies the present value of a declared parameter to y. */
    void load(String name, B y) {
        Tensor value = borrowed.get(name);
        int n = shapes.get(name).size();
        synchronized (backend) {
            if (memory.containsKey(name)) {
                Plan.copy(backend, n, memory.get(name), y);
            } else if (value != null) {
                backend.write(value, y);
            } else {
                backend.fill(n, 0, y);
            }
        }
    }

    /** Forgets derived values that no plan has any more. */
    void purge() {
        derived.values().removeIf(r -> r.get() == null);
    }

    /** The value with this formula, the same for all plans that have it at a time. */
    Derived<B> derived(Op op, List<Object> operands, Shape shape) {
        var formula = new Formula(op, operands);
        WeakReference<Derived<B>> known = derived.get(formula);
        Derived<B> value = known == null ? null : known.get();
        if (value == null) {
            boolean constant =
                    operands.stream().allMatch(o -> o instanceof Tensor || o instanceof Derived<?> d && d.constant);
            value = new Derived<>(shape, constant);
            derived.put(formula, new WeakReference<>(value));
        }
        return value;
    }

    /** Whether a derived value is in memory and that of the parameters as they are now. */
    boolean isFresh(Derived<B> value) {
        return value.memory != null && (value.version == version || value.constant && value.version >= 0);
    }

    void madeFresh(Derived<B> value) {
        value.version = version;
    }

    /** Sets a parameter, making it if there is none of that name. The tensor is kept or copied. */
    public void set(String name, Tensor value) {
        declare(name, value.shape());
        synchronized (backend) {
            B b = memory.get(name);
            if (b != null) {
                backend.write(value, b);
            } else {
                borrowed.put(name, value);
            }
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
        Shape shape = shapes.get(name);
        if (shape == null) {
            throw new GradusException("no parameter '" + name + "'; there are " + shapes.keySet());
        }
        synchronized (backend) {
            B b = memory.get(name);
            if (b == null) { // through the backend, which gives it its precision
                b = backend.allocate(shape.size());
                load(name, b);
            }
            return backend.read(b, shape);
        }
    }

    public boolean has(String name) {
        return shapes.containsKey(name);
    }

    /** Copies of all parameters, in the order in which they were made. */
    public Map<String, Tensor> all() {
        var all = new LinkedHashMap<String, Tensor>();
        shapes.keySet().forEach(name -> all.put(name, get(name)));
        return all;
    }

    /** Bytes of the backend's memory that parameters occupy; what is borrowed is not counted. */
    public long bytes() {
        return memory.keySet().stream()
                        .mapToLong(name -> shapes.get(name).size())
                        .sum()
                * backend.elementBytes();
    }

    /** The type in which {@link #get} gives values. */
    public DType dtype() {
        return backend.elementBytes() == 4 ? DType.F32 : DType.F64;
    }
}
