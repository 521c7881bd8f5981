package gradus.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void readsEveryKindOfValue() {
        var object = (Map<?, ?>) Json.parse(" {\"b\": [1, -2.5, 1e3, true, false, null], \"a\": {}, \"c\": \"x\"}\n");
        assertEquals(List.of("b", "a", "c"), List.copyOf(object.keySet()));
        assertEquals(Arrays.asList(1L, -2.5, 1000.0, true, false, null), object.get("b"));
        assertEquals(Map.of(), object.get("a"));
        assertEquals("x", object.get("c"));
    }

    @Test
    void integersAreLongsWhileTheyFit() {
        assertEquals(Long.MAX_VALUE, Json.parse("9223372036854775807"));
        assertEquals(Long.MIN_VALUE, Json.parse("-9223372036854775808"));
        assertEquals(9223372036854775808.0, Json.parse("9223372036854775808"));
        assertEquals(0L, Json.parse("0"));
        assertEquals(-0.0, Json.parse("-0"));
        assertEquals(1.0, Json.parse("1.0"));
    }

    /** Python's writer has words that JSON has not. */
    @Test
    void whatPythonWritesIsReadOnlyIfAskedFor() {
        String text = "[NaN, Infinity, -Infinity, -1, {\"a\": NaN}]";
        var list = (List<?>) Json.parsePython(text.getBytes(StandardCharsets.UTF_8));
        assertEquals(Arrays.asList(null, null, null, -1L), list.subList(0, 4));
        assertTrue(((Map<?, ?>) list.get(4)).containsKey("a"));
        for (String word : List.of("NaN", "Infinity", "-Infinity")) {
            assertThrows(FormatException.class, () -> Json.parse(word));
            assertThrows(FormatException.class, () -> Json.parsePython(word + "s"));
        }
        assertThrows(FormatException.class, () -> Json.parsePython("nan"));
    }

    @Test
    void readsEscapesAndSurrogates() {
        assertEquals("\"\\/\b\f\n\r\té😀", Json.parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83d\\ude00\""));
        assertEquals("é😀", Json.parse("\"é😀\"".getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "{",
                "[",
                "[1",
                "[1,",
                "[1,]",
                "[,1]",
                "{\"a\"",
                "{\"a\":",
                "{\"a\":1",
                "{\"a\":1,",
                "{\"a\":1,}",
                "{a:1}",
                "{1:1}",
                "{'a':1}",
                "[1 2]",
                "{\"a\" 1}",
                "1 2",
                "[]]",
                "nul",
                "True",
                "NaN",
                "Infinity",
                "-",
                "+1",
                "01",
                "-01",
                "1.",
                ".5",
                "1e",
                "1e+",
                "0x1",
                "1e999",
                "-1e999",
                "\"",
                "\"\\",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u12g4\"",
                "\"\n\"",
                "\"\u0000\"",
                "\"\\ud800\"",
                "\"\\ud800x\"",
                "\"\\udc00\"",
                "\"\\udc00\\ud800\"",
                "\"\\ud800\\ud800\\udc00\"",
                "{\"a\":1,\"a\":1}",
                "{\"a\":1,\"\\u0061\":2}",
                "\uFEFF1",
                "[1]//",
                "\u00a01"
            })
    void refusesWhatIsNotJson(String text) {
        var e = assertThrows(FormatException.class, () -> Json.parse(text));
        assertTrue(e.position() >= 0 && e.position() <= text.length(), e.getMessage());
    }

    @Test
    void saysWhere() {
        var e = assertThrows(FormatException.class, () -> Json.parse("{\n  \"a\": 1,\n  \"a\": 2}"));
        assertEquals("JSON, line 3, column 3: key 'a' occurs twice in one object", e.getMessage());
        assertEquals(14, e.position());
    }

    @Test
    void refusesBytesThatAreNotUtf8() {
        assertThrows(FormatException.class, () -> Json.parse(new byte[] {'"', (byte) 0xC3, '"'}));
        assertThrows(FormatException.class, () -> Json.parse(new byte[] {'"', (byte) 0xC0, (byte) 0x80, '"'}));
        assertThrows(FormatException.class, () -> Json.parse(new byte[] {(byte) 0xFE, (byte) 0xFF, 0, '1'}));
    }

    @Test
    void nestingHasALimit() {
        assertEquals(nested(Json.MAX_DEPTH), Json.parse(Json.write(nested(Json.MAX_DEPTH))));
        assertThrows(FormatException.class, () -> Json.write(nested(Json.MAX_DEPTH + 1)));
        assertThrows(FormatException.class, () -> Json.parse("[".repeat(Json.MAX_DEPTH + 1) + "]".repeat(65)));
        assertThrows(FormatException.class, () -> Json.parse("[".repeat(1_000_000)));
        assertThrows(FormatException.class, () -> Json.parse("{\"a\":".repeat(1_000_000)));
    }

    private static Object nested(int depth) {
        Object value = List.of();
        for (int i = 1; i < depth; i++) {
            value = List.of(value);
        }
        return value;
    }

    @Test
    void writesWithoutSpacesInOrder() {
        var object = new LinkedHashMap<String, Object>();
        object.put("z", Arrays.asList(1, 2L, 0.5, null, true));
        object.put("a\"\\\n\u0001é😀", Map.of());
        assertEquals("{\"z\":[1,2,0.5,null,true],\"a\\\"\\\\\\n\\u0001é😀\":{}}", Json.write(object));
    }

    @Test
    void refusesToWriteWhatJsonCannotSay() {
        for (Object value : List.of(Double.NaN, Double.POSITIVE_INFINITY, 'c', 1f, Map.of(1, 2), "\ud800", "\udc00x")) {
            assertThrows(FormatException.class, () -> Json.write(value), value.toString());
        }
        var cyclic = new ArrayList<Object>();
        cyclic.add(cyclic);
        assertThrows(FormatException.class, () -> Json.write(cyclic));
    }

    @Test
    void roundTripsRandomValues() {
        var random = new Random(1);
        for (int i = 0; i < 2000; i++) {
            Object value = randomValue(random, 5);
            String text = Json.write(value);
            assertEquals(value, Json.parse(text), text);
            assertEquals(value, Json.parse(text.getBytes(StandardCharsets.UTF_8)), text);
        }
    }

    private static Object randomValue(Random random, int depth) {
        return switch (random.nextInt(depth == 0 ? 5 : 7)) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> random.nextLong() >> random.nextInt(64);
            case 3 -> {
                double d = Double.longBitsToDouble(random.nextLong());
                yield Double.isFinite(d) ? d : 0.1;
            }
            case 4 -> randomString(random);
            case 5 -> {
                var list = new ArrayList<Object>();
                for (int n = random.nextInt(4); n > 0; n--) {
                    list.add(randomValue(random, depth - 1));
                }
                yield list;
            }
            default -> {
                var map = new LinkedHashMap<String, Object>();
                for (int n = random.nextInt(4); n > 0; n--) {
                    map.put(randomString(random), randomValue(random, depth - 1));
                }
                yield map;
            }
        };
    }

    private static String randomString(Random random) {
        var s = new StringBuilder();
        for (int n = random.nextInt(6); n > 0; n--) {
            int c = random.nextInt(random.nextBoolean() ? 128 : 0x110000);
            s.appendCodePoint(c >= 0xD800 && c < 0xE000 ? 'x' : c);
        }
        return s.toString();
    }

    /** Whatever is read, either a value or the documented exception comes out. */
    @Test
    void survivesMutations() {
        var random = new Random(2);
        byte[] good = "{\"a\": [1, -2.5e-3, \"\\u00e9\\ud83d\\ude00\", {\"b\": null}], \"c\": true}"
                .getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 5000; i++) {
            byte[] bad = Mutation.of(good, random);
            try {
                Json.write(Json.parse(bad));
            } catch (FormatException e) {
                assertTrue(e.getMessage().startsWith("JSON"), e.getMessage());
            }
        }
    }
}
