package gradus.cuda;

import gradus.backend.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The text of a module of kernels for one target, and what it says of itself.
 *
 * @param name file name of the resource
 * @param version of the PTX language, 10 major + minor
 * @param signatures of each kernel, a letter for every parameter: {@code i} 32-bit number, {@code f} float, {@code l}
 *     64-bit number or address; a struct as its number of bytes in brackets
 */
record Ptx(String name, String text, int version, Map<String, String> signatures) {
    private static final Pattern VERSION = Pattern.compile("^\\.version\\s+(\\d+)\\.(\\d+)", Pattern.MULTILINE);
    private static final Pattern ENTRY = Pattern.compile("\\.entry\\s+(\\w+)\\s*\\(([^)]*)\\)");
    private static final Pattern PARAMETER =
            Pattern.compile("\\.param\\s+(?:\\.align\\s+\\d+\\s+)?\\.(\\w+)[^,\\[]*(?:\\[(\\d+)])?");
    private static final int[] CAPABILITIES = {120, 110, 103, 100, 90, 89, 86, 80, 75};

    static Ptx parse(String name, String text) {
        Matcher version = VERSION.matcher(text);
        if (!version.find()) {
            throw new BackendException("cuda backend: " + name + " is no PTX; the jar is damaged, reinstall it");
        }
        var signatures = new HashMap<String, String>();
        Matcher entry = ENTRY.matcher(text);
        while (entry.find()) {
            signatures.put(entry.group(1), signature(name, entry.group(2)));
        }
        return new Ptx(
                name,
                text,
                10 * Integer.parseInt(version.group(1)) + Integer.parseInt(version.group(2)),
                Map.copyOf(signatures));
    }

    private static String signature(String name, String parameters) {
        var letters = new StringBuilder();
        Matcher p = PARAMETER.matcher(parameters);
        while (p.find()) {
            letters.append(
                    switch (p.group(1)) {
                        case "u32", "s32", "b32" -> "i";
                        case "f32" -> "f";
                        case "u64", "s64", "b64" -> "l";
                        case "b8" -> "[" + p.group(2) + "]";
                        default ->
                            throw new BackendException(
                                    "cuda backend: " + name + " has a parameter of type " + p.group(1));
                    });
        }
        return letters.toString();
    }

    /**
     * The module for a device: of the targets there are the largest that it can run. Code for 9.0a runs on 9.0 alone.
     *
     * @param capability of the device, 10 major + minor
     * @return null if there is none
     */
    static Ptx load(String module, int capability) {
        Ptx exact = capability == 90 ? resource(module + ".sm_90a.ptx") : null;
        if (exact != null) {
            return exact;
        }
        for (int target : CAPABILITIES) {
            Ptx ptx = target <= capability ? resource(module + ".compute_" + target + ".ptx") : null;
            if (ptx != null) {
                return ptx;
            }
        }
        return null;
    }

    /** The resource of that name, or null. */
    static Ptx resource(String name) {
        try (InputStream in = Ptx.class.getResourceAsStream("ptx/" + name)) {
            return in == null ? null : parse(name, new String(in.readAllBytes(), StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new BackendException("cuda backend: cannot read " + name + ": " + e, e);
        }
    }

    /** The CUDA version, 1000 major + 10 minor, whose driver is the first to read this version of the language. */
    int driverNeeded() {
        int major = version / 10;
        int minor = version % 10;
        if (major >= 9) {
            return (major + 4) * 1000 + minor * 10;
        }
        if (major == 8) { // 8.0 to 8.5 came with 12.0 to 12.5, 8.6 with 12.7
            return 12_000 + (minor <= 5 ? minor : minor + 1) * 10;
        }
        return 11_080;
    }
}
