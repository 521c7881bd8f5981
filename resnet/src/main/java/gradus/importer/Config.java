package gradus.importer;

import gradus.io.FormatException;
import java.util.List;
import java.util.Map;

/**
 * Settings of one thing in a file, read with checks.
 *
 * @param where what error messages call it: file and layer
 */
record Config(String where, Map<?, ?> map) {
    FormatException error(String what) {
        return new FormatException(where + ": " + what, -1);
    }

    boolean has(String key) {
        return map.get(key) != null;
    }

    /** Text of a value in an error message: short, whatever the file holds. */
    static String text(Object value) {
        String s;
        if (value instanceof Map || value instanceof List) {
            s = value instanceof Map
                    ? "an object"
                    : value instanceof List<?> l && l.size() > 8 ? "a long list" : "a list " + value;
        } else {
            s = String.valueOf(value);
        }
        return s.length() > 100 ? s.substring(0, 100) + "..." : s;
    }

    String string(String key) {
        if (map.get(key) instanceof String s) {
            return s;
        }
        throw error("'" + key + "' must be a string, not " + text(map.get(key)));
    }

    String string(String key, String otherwise) {
        return has(key) ? string(key) : otherwise;
    }

    int integer(String key) {
        return integer(key, map.get(key));
    }

    int integer(String key, int otherwise) {
        return has(key) ? integer(key) : otherwise;
    }

    private int integer(String key, Object value) {
        if (value instanceof Number n && n.doubleValue() == n.intValue()) {
            return n.intValue();
        }
        throw error("'" + key + "' must be an integer, not " + text(value));
    }

    double number(String key, double otherwise) {
        Object value = map.get(key);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Number n) {
            return n.doubleValue();
        }
        throw error("'" + key + "' must be a number, not " + text(value));
    }

    boolean flag(String key, boolean otherwise) {
        Object value = map.get(key);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Boolean b) {
            return b;
        }
        throw error("'" + key + "' must be true or false, not " + text(value));
    }

    List<?> list(String key) {
        if (map.get(key) instanceof List<?> list) {
            return list;
        }
        throw error("'" + key + "' must be a list, not " + text(map.get(key)));
    }

    Config object(String key) {
        if (map.get(key) instanceof Map<?, ?> object) {
            return new Config(where, object);
        }
        throw error("'" + key + "' must be an object, not " + text(map.get(key)));
    }

    /** Height and width: one integer for both, or a list of two; from 0 to a million. */
    int[] pair(String key, int otherwise) {
        Object value = map.get(key);
        if (value instanceof List<?> list && list.size() == 2) {
            return new int[] {extent(key, list.get(0)), extent(key, list.get(1))};
        }
        int both = value == null ? otherwise : extent(key, value);
        return new int[] {both, both};
    }

    private int extent(String key, Object value) {
        int extent = integer(key, value);
        if (extent < 0 || extent > 1_000_000) {
            throw error("'" + key + "' cannot be " + extent);
        }
        return extent;
    }
}
