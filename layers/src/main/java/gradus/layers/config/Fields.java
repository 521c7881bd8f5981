package gradus.layers.config;

import gradus.io.FormatException;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * The settings of a map, asked for one by one. Each must be of its kind, and at the end of {@link #read} none may be
 * left that nobody has asked for. Every error is a {@link FormatException} that names the place: {@code 'conv.filters'}.
 */
public final class Fields {
    private final Map<?, ?> data;
    private final String path;
    private final Set<String> asked = new HashSet<>();

    private Fields(Map<?, ?> data, String path) {
        this.data = data;
        this.path = path;
    }

    /** @throws FormatException if the data is not a map */
    public static Fields of(Object data, String path) {
        if (data instanceof Map<?, ?> map) {
            return new Fields(map, path);
        }
        throw error(path, "must be a map of settings, not " + data);
    }

    /** What a reader makes of all settings; what a constructor refuses is a mistake of the data. */
    public <T> T read(Function<Fields, T> reader) {
        T made;
        try {
            made = reader.apply(this);
        } catch (FormatException e) {
            throw e; // it knows its place better
        } catch (GradusException e) {
            throw new FormatException("'" + path + "' " + e.getMessage(), -1, e);
        }
        for (Object key : data.keySet()) {
            if (!asked.contains(key)) {
                throw error("has an unknown setting '" + key + "'");
            }
        }
        return made;
    }

    public Object get(String key) {
        asked.add(key);
        return data.get(key);
    }

    /** Where a setting stands, for errors. */
    public String path(String key) {
        return path + "." + key;
    }

    public Fields fields(String key) {
        return of(get(key), path(key));
    }

    public List<?> list(String key) {
        if (get(key) instanceof List<?> list) {
            return list;
        }
        throw wrong(key, "a list");
    }

    public String text(String key) {
        if (get(key) instanceof String text) {
            return text;
        }
        throw wrong(key, "a text");
    }

    public List<String> texts(String key) {
        var texts = new ArrayList<String>();
        for (Object element : list(key)) {
            if (!(element instanceof String text)) {
                throw wrong(key, "a list of texts");
            }
            texts.add(text);
        }
        return texts;
    }

    public boolean flag(String key) {
        if (get(key) instanceof Boolean flag) {
            return flag;
        }
        throw wrong(key, "true or false");
    }

    public double number(String key) {
        if (get(key) instanceof Number n) {
            return n.doubleValue();
        }
        throw wrong(key, "a number");
    }

    public int integer(String key) {
        if (get(key) instanceof Number n && n.doubleValue() == n.intValue()) {
            return n.intValue();
        }
        throw wrong(key, "an integer");
    }

    /** An integer, or null if there is none. */
    public Long integerOrNull(String key) {
        Object value = get(key);
        if (value == null) {
            return null;
        }
        if (value instanceof Number n && n.doubleValue() == n.longValue()) {
            return n.longValue();
        }
        throw wrong(key, "an integer");
    }

    public Shape shape(String key) {
        List<?> list = list(key);
        var dims = new int[list.size()];
        for (int i = 0; i < dims.length; i++) {
            if (!(list.get(i) instanceof Number n) || n.doubleValue() != n.intValue()) {
                throw wrong(key, "a list of extents");
            }
            dims[i] = n.intValue();
        }
        return Shape.of(dims);
    }

    /** The constant whose {@link #word} it is. */
    public <E extends Enum<E>> E choice(String key, E[] constants) {
        Object value = get(key);
        for (E constant : constants) {
            if (word(constant).equals(value)) {
                return constant;
            }
        }
        throw wrong(key, "one of " + Arrays.toString(constants).toLowerCase(Locale.ROOT));
    }

    /** As data names a constant: {@code truncated_normal}. */
    public static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** For a {@code type} that the reader does not know. */
    public FormatException unknownType() {
        return error("has the unknown type '" + data.get("type") + "'; was it written by a later version?");
    }

    private FormatException wrong(String key, String expected) {
        return error(path(key), "must be " + expected + ", not " + data.get(key));
    }

    public FormatException error(String what) {
        return error(path, what);
    }

    public static FormatException error(String path, String what) {
        return new FormatException("'" + path + "' " + what, -1);
    }
}
