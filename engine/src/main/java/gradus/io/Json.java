package gradus.io;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON (RFC 8259) as plain Java values: an object is a {@code Map<String, Object>} in the order of the text, an array a
 * {@code List<Object>}, a number a {@code Long} if it is written as an integer and fits, else a {@code Double};
 * strings, {@code Boolean} and {@code null} are themselves.
 *
 * <p>Strict, because what it reads may come from anywhere: an object with two equal keys, a lone surrogate, a number
 * that overflows, nesting deeper than {@value #MAX_DEPTH} and anything after the value are errors. So is a text of so many
 * small values that they would take more than 8 MiB beyond its length.
 */
public final class Json {
    /** Deepest nesting of arrays and objects that is read or written. */
    public static final int MAX_DEPTH = 64;

    /** What Java decodes malformed bytes to. */
    private static final char REPLACEMENT = '\uFFFD';

    /** What a text may become beyond its own length, in bytes of memory. */
    private static final int MEMORY = 8 << 20;

    private final String text;
    private final boolean python;
    private int at;
    private int depth;
    private long memory;

    private Json(String text, boolean python) {
        this.text = text;
        this.python = python;
        this.memory = MEMORY + (long) text.length();
    }

    /**
     * The value that a text in UTF-8 stands for.
     *
     * @throws FormatException if the bytes are not UTF-8 or not one JSON value
     */
    public static Object parse(byte[] utf8) {
        return parse(text(utf8));
    }

    /** As {@link #parsePython(String)}. */
    public static Object parsePython(byte[] utf8) {
        return parsePython(text(utf8));
    }

    private static String text(byte[] utf8) {
        var text = new String(utf8, StandardCharsets.UTF_8);
        if (text.indexOf(REPLACEMENT) >= 0) { // in the text itself, or in place of bytes that are no character
            try {
                StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8));
            } catch (CharacterCodingException e) {
                throw new FormatException("JSON text is not UTF-8", -1, e);
            }
        }
        return text;
    }

    /**
     * The value that a text stands for.
     *
     * @throws FormatException if the text is not one JSON value; the message says at which line and column
     */
    public static Object parse(String text) {
        return parse(text, false);
    }

    /** As {@link #parse(String)} for what Python writes: NaN, Infinity and -Infinity are allowed, and null. */
    public static Object parsePython(String text) {
        return parse(text, true);
    }

    private static Object parse(String text, boolean python) {
        var json = new Json(text, python);
        Object value = json.value();
        json.skipSpace();
        if (json.at < text.length()) {
            throw json.error("the text goes on after the value");
        }
        return value;
    }

    // ---- reading: one method per production of the grammar; each starts at its first character and ends after its
    // last

    private Object value() {
        skipSpace();
        return switch (peek()) {
            case '{' -> object();
            case '[' -> array();
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> python && skipNoNumber() ? null : number();
        };
    }

    private Map<String, Object> object() {
        enter();
        var object = new LinkedHashMap<String, Object>();
        if (!closes('}')) {
            do {
                skipSpace();
                int start = at;
                String key = string();
                take(120);
                skipSpace();
                expect(':');
                Object value = value();
                if (object.containsKey(key)) {
                    at = start;
                    throw error("key '" + key + "' occurs twice in one object");
                }
                object.put(key, value);
            } while (goesOn('}'));
        }
        depth--;
        return object;
    }

    private List<Object> array() {
        enter();
        var array = new ArrayList<Object>();
        if (!closes(']')) {
            do {
                take(12);
                array.add(value());
            } while (goesOn(']'));
        }
        depth--;
        return array;
    }

    private void enter() {
        if (++depth > MAX_DEPTH) {
            throw error("nested deeper than " + MAX_DEPTH);
        }
        take(80);
        at++;
    }

    /** Counts memory that a value is about to take; how much, is what HotSpot's objects have. */
    private void take(int bytes) {
        memory -= bytes;
        if (memory < 0) {
            throw error("too many values for a text of " + text.length() + " characters");
        }
    }

    /** Whether an array or object ends right after it began. */
    private boolean closes(char end) {
        skipSpace();
        if (peek() != end) {
            return false;
        }
        at++;
        return true;
    }

    /** After an element: true at a comma, false at the end. */
    private boolean goesOn(char end) {
        skipSpace();
        if (peek() == ',') {
            at++;
            return true;
        }
        expect(end);
        return false;
    }

    private String string() {
        expect('"');
        take(48);
        int plainEnd = at;
        while (plainEnd < text.length() && isPlain(text.charAt(plainEnd))) {
            plainEnd++;
        }
        if (plainEnd < text.length() && text.charAt(plainEnd) == '"') { // nearly all strings
            String plain = text.substring(at, plainEnd);
            at = plainEnd + 1;
            return plain;
        }
        var s = new StringBuilder();
        while (true) {
            char c = peek();
            if (c < ' ') {
                throw error(at < text.length() ? "control character in a string" : "the text ends inside a string");
            }
            boolean afterHigh = !s.isEmpty() && Character.isHighSurrogate(s.charAt(s.length() - 1));
            boolean end = c == '"';
            at++;
            if (c == '\\') {
                c = escape();
            }
            if (Character.isLowSurrogate(c) != afterHigh) {
                throw error("half of a surrogate pair in a string");
            }
            if (end) {
                return s.toString();
            }
            s.append(c);
        }
    }

    private static boolean isPlain(char c) {
        return c >= ' ' && c != '"' && c != '\\' && !Character.isSurrogate(c);
    }

    /** The character that an escape stands for; the backslash has been read. */
    private char escape() {
        char c = peek();
        at++;
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                int code = 0;
                for (int i = 0; i < 4; i++, at++) {
                    int digit = peek() < 128 ? Character.digit(peek(), 16) : -1;
                    if (digit < 0) {
                        throw error("\\u needs four hexadecimal digits");
                    }
                    code = 16 * code + digit;
                }
                yield (char) code;
            }
            default -> {
                at--;
                throw error("unknown escape in a string");
            }
        };
    }

    private <T> T word(String word, T value) {
        if (!text.startsWith(word, at)) {
            throw error("a value was expected here");
        }
        at += word.length();
        return value;
    }

    private boolean skipNoNumber() {
        int length = text.startsWith("NaN", at)
                ? 3
                : text.startsWith("Infinity", at) ? 8 : text.startsWith("-Infinity", at) ? 9 : 0;
        at += length;
        return length > 0;
    }

    /** -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
    private Number number() {
        take(24);
        int start = at;
        skip('-');
        if (!isDigit(peek())) {
            throw error(at < text.length() ? "a value was expected here" : "the text ends where a value was expected");
        }
        if (!skip('0')) {
            digits();
        } else if (isDigit(peek())) {
            throw error("a number must not start with 0");
        }
        boolean integer = true;
        if (skip('.')) {
            integer = false;
            digits();
        }
        if (skip('e') || skip('E')) {
            integer = false;
            if (!skip('+')) {
                skip('-');
            }
            digits();
        }
        String number = text.substring(start, at);
        if (integer && !number.equals("-0")) {
            try {
                return Long.valueOf(number);
            } catch (NumberFormatException e) {
                // more than 64 bits: the nearest double, as everywhere in JSON
            }
        }
        double value = Double.parseDouble(number);
        if (Double.isInfinite(value)) {
            at = start;
            throw error("number too large");
        }
        return value;
    }

    private void digits() {
        if (!isDigit(peek())) {
            throw error("a digit was expected here");
        }
        while (isDigit(peek())) {
            at++;
        }
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private boolean skip(char c) {
        boolean there = peek() == c;
        at += there ? 1 : 0;
        return there;
    }

    private void expect(char c) {
        if (peek() != c) {
            throw error(
                    at < text.length()
                            ? "'" + c + "' was expected here"
                            : "the text ends where '" + c + "' was expected");
        }
        at++;
    }

    private void skipSpace() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') {
            at++;
        }
    }

    /** The next character; 0, which no production accepts, at the end. */
    private char peek() {
        return at < text.length() ? text.charAt(at) : 0;
    }

    private FormatException error(String what) {
        int position = Math.min(at, text.length());
        int line = 1;
        int lineStart = 0;
        for (int i = 0; i < position; i++) {
            if (text.charAt(i) == '\n') {
                line++;
                lineStart = i + 1;
            }
        }
        return new FormatException(
                "JSON, line " + line + ", column " + (position - lineStart + 1) + ": " + what, position);
    }

    // ---- writing

    /**
     * The value as a text without spaces; what {@link #parse} gives back is equal to it. Maps are written in their own
     * order.
     *
     * @throws FormatException for what JSON cannot say: NaN, infinities, lone surrogates, other types, or nesting
     * deeper than {@value #MAX_DEPTH}
     */
    public static String write(Object value) {
        var out = new StringBuilder();
        write(value, 0, out);
        return out.toString();
    }

    private static void write(Object value, int depth, StringBuilder out) {
        if (depth == MAX_DEPTH && (value instanceof Map || value instanceof List)) {
            throw new FormatException("cannot write JSON nested deeper than " + MAX_DEPTH, -1);
        }
        switch (value) {
            case null -> out.append("null");
            case Boolean b -> out.append(b);
            case String s -> write(s, out);
            case Long n -> out.append(n);
            case Integer n -> out.append(n);
            case Double d when Double.isFinite(d) -> out.append(d);
            case Map<?, ?> map -> {
                out.append('{');
                String separator = "";
                for (var entry : map.entrySet()) {
                    if (!(entry.getKey() instanceof String key)) {
                        throw new FormatException("a key in JSON is a string, not " + entry.getKey(), -1);
                    }
                    out.append(separator);
                    write(key, out);
                    out.append(':');
                    write(entry.getValue(), depth + 1, out);
                    separator = ",";
                }
                out.append('}');
            }
            case List<?> list -> {
                out.append('[');
                String separator = "";
                for (Object element : list) {
                    out.append(separator);
                    write(element, depth + 1, out);
                    separator = ",";
                }
                out.append(']');
            }
            default ->
                throw new FormatException(
                        "JSON has no value for " + value + " ("
                                + value.getClass().getName() + ")",
                        -1);
        }
    }

    private static void write(String s, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < s.length(); ) {
            int c = s.codePointAt(i);
            i += Character.charCount(c);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c < ' ') {
                        out.append(String.format("\\u%04x", c));
                    } else if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
                        throw new FormatException("a string with half of a surrogate pair cannot be written", -1);
                    } else {
                        out.appendCodePoint(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
