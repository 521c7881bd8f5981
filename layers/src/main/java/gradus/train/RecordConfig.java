package gradus.train;

import gradus.io.FormatException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Settings as plain data and back: a record becomes a map of its components, with its simple name as {@code type}.
 * Reading knows the records listed here and no others: a file can choose among them, not name a class.
 */
final class RecordConfig {
    private static final String TYPE = "type";

    private static final Map<String, Class<? extends Record>> RECORDS = Stream.<Class<? extends Record>>of(
                    Sgd.class,
                    RmsProp.class,
                    Adam.class,
                    AdamW.class,
                    WeightDecay.class,
                    Clipping.None.class,
                    Clipping.ByValue.class,
                    Clipping.ByNorm.class,
                    Clipping.ByGlobalNorm.class,
                    Schedule.Constant.class,
                    Schedule.Steps.class,
                    Schedule.Exponential.class,
                    Schedule.Cosine.class,
                    Schedule.OneCycle.class,
                    Schedule.WarmUp.class,
                    Schedule.Sequence.class,
                    Schedule.Scaled.class,
                    CategoricalCrossentropy.class,
                    SparseCategoricalCrossentropy.class,
                    Metric.Accuracy.class,
                    Metric.TopK.class,
                    Position.class)
            .collect(Collectors.toMap(Class::getSimpleName, Function.identity()));

    private RecordConfig() {}

    /** Whether {@link #write} accepts the object. */
    static boolean knows(Object record) {
        return record != null && RECORDS.get(record.getClass().getSimpleName()) == record.getClass();
    }

    /** @throws TrainingException for a record that is not listed */
    static Object write(Object value) {
        return switch (value) {
            case Record r
            when knows(r) -> {
                var map = new LinkedHashMap<String, Object>();
                map.put(TYPE, r.getClass().getSimpleName());
                for (RecordComponent c : r.getClass().getRecordComponents()) {
                    map.put(c.getName(), write(get(r, c)));
                }
                yield map;
            }
            case Double d when !Double.isFinite(d) -> d.toString();
            case Number n -> n;
            case Boolean b -> b;
            case String s -> s;
            case List<?> list -> list.stream().map(RecordConfig::write).toList();
            default -> throw new TrainingException(value.getClass().getName() + " cannot be written to a model file");
        };
    }

    private static Object get(Record r, RecordComponent c) {
        try {
            return c.getAccessor().invoke(r);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e); // the records are of this package
        }
    }

    /** @throws FormatException if the data is not a {@code type} */
    static <T> T read(Object data, Class<T> type) {
        return type.cast(value(data, type, type.getSimpleName()));
    }

    private static Object value(Object data, Type type, String where) {
        if (type instanceof ParameterizedType list) {
            if (!(data instanceof List<?> values)) {
                throw error(where, "must be a list, not " + data);
            }
            var result = new ArrayList<Object>();
            for (Object v : values) {
                result.add(value(v, list.getActualTypeArguments()[0], where));
            }
            return result;
        }
        if (type == double.class || type == Double.class) {
            return number(data, where);
        }
        if (type == boolean.class && data instanceof Boolean || type == String.class && data instanceof String) {
            return data;
        }
        if (type == long.class || type == Long.class) {
            return integer(data, Long.MAX_VALUE, where);
        }
        if (type == int.class) {
            return (int) integer(data, Integer.MAX_VALUE, where);
        }
        if (data instanceof Map<?, ?> map && map.get(TYPE) instanceof String name) {
            Class<? extends Record> c = RECORDS.get(name);
            if (c != null && ((Class<?>) type).isAssignableFrom(c)) {
                return record(map, c, where);
            }
            throw error(where, "has the unknown type '" + name + "'; was it written by a later version?");
        }
        throw error(where, "must be " + ((Class<?>) type).getSimpleName() + ", not " + data);
    }

    static double number(Object data, String where) {
        return switch (data) {
            case Number n -> n.doubleValue();
            case String s
            when s.equals("NaN") || s.equals("Infinity") || s.equals("-Infinity") -> Double.parseDouble(s);
            case null, default -> throw error(where, "must be a number, not " + data);
        };
    }

    static long integer(Object data, long max, String where) {
        if (data instanceof Long n && n >= 0 && n <= max) {
            return n;
        }
        throw error(where, "must be an integer from 0 to " + max + ", not " + data);
    }

    private static Record record(Map<?, ?> map, Class<? extends Record> c, String where) {
        RecordComponent[] components = c.getRecordComponents();
        var types = new Class<?>[components.length];
        var values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            String name = components[i].getName();
            types[i] = components[i].getType();
            values[i] = value(map.get(name), components[i].getGenericType(), where + "." + name);
        }
        if (map.size() != components.length + 1) {
            throw error(where, "has unknown parts: " + map.keySet());
        }
        try {
            return c.getDeclaredConstructor(types).newInstance(values);
        } catch (InvocationTargetException e) {
            throw error(where, String.valueOf(e.getCause().getMessage()));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e); // the records are of this package
        }
    }

    private static FormatException error(String where, String what) {
        return new FormatException(where + " " + what, -1);
    }
}
