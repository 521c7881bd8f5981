package gradus.benchmarks;

import gradus.benchmarks.peers.PeerTables;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * {@code ./gradus jmh --figures}: runs commands of {@code ./gradus}, keeps what they print of figures in {@link Results},
 * and writes the tables made from it: README's, and those of docs/performance.md that show Gradus alone.
 */
final class Figures {
    static final String USAGE = """
            usage: ./gradus jmh --figures [--signs DIR] [--golden DIR] [--cifar TRAIN,TEST] [NAME...]
              runs the commands whose figures README.md and docs/performance.md show, or those of these names, one after the
              other, and writes the tables; a row that needs a folder or files which are not given stays as it is
              NAME: train, evaluate, train_signs, train_cifar, golden, golden_exact, golden_reference, bench_A_b1, bench_A_b16,
                    bench_B, bench_C, bench_C_recompute, bench_D, cold_start, kernels_1, kernels_all, profile_A, profile_C
            """;

    private static final String BENCH =
            "img_per_s=([\\d.]+) p50_ms=([\\d.]+) .*gflops=([\\d.]+) vmhwm_mib=(-?\\d+).*percent_of_peak=(\\d+)";
    private static final String BENCH_TEXT =
            "{2} ms a step, {1} pictures a second, {3} GFLOP/s counted as if direct ({5} % of the peak), {4} MiB resident";
    private static final String ACCURACY = "accuracy ([\\d.]+) % of (\\d+)";
    private static final String PASSED = "(\\d+) passed, (\\d+) failed";
    private static final String KERNEL =
            "case=(\\S+) threads=(\\d+) batch=\\d+ gflops=([\\d.]+) p50_ms=([\\d.]+) .*percent_of_peak=([\\d.]+)";
    private static final String STEPS =
            "(?m)^ *([\\d.]+) +([\\d.]+) +([\\d.]+) +(\\d+) +([\\d.]+) +(\\d+)  (\\S+) (\\d+) steps$";

    /** Options that give folders or files, and what stands for these in commands. */
    private static final Map<String, String> GIVEN =
            Map.of("--signs", "DIR", "--golden", "GOLDEN", "--cifar", "TRAIN,TEST");

    private static final String FILE = "figures.jsonl";
    private static final String PERFORMANCE = "docs/performance.md";

    /** A command, what of its output is kept, and for README a text in which {n} is the n-th of that. */
    private enum Figure {
        train("train", ACCURACY, "{time}; {1} % of {2} unseen generated signs"),
        evaluate(
                "evaluate runs/generated --data signs:DIR",
                ACCURACY,
                "after it: {1} % of the {2} real test photographs of SIGNS; none was trained on, but variants of the"
                        + " generator and of the recipe were compared by this figure"),
        train_signs(
                "train --data signs:DIR",
                ACCURACY,
                "{time}; {1} % of the {2} test photographs of SIGNS (12 of them are copies of training photographs: the"
                        + " data set is like that; recipes were compared by this figure)"),
        train_cifar(
                "train --data cifar10:TRAIN,TEST",
                ACCURACY,
                "{time}; {1} % of {2} test pictures of CIFAR-10, ResNet-20, after the first 5000 training pictures, of"
                        + " which 501 were only watched"),
        golden("golden GOLDEN", PASSED, "{1} passed, {2} failed"),
        golden_exact("golden GOLDEN --exact", PASSED, "{1} passed, {2} failed"),
        golden_reference("golden GOLDEN --backend reference --precision float64", PASSED, "{1} passed, {2} failed"),
        bench_A_b1("bench A_infer224_b1", BENCH, "ResNet-50, a picture of 224 x 224: " + BENCH_TEXT),
        bench_A_b16("bench A_infer224_b16", BENCH, "16 of them: " + BENCH_TEXT),
        bench_B("bench B_infer64_b32", BENCH, "the notebooks' ResNet-50, 32 pictures of 64 x 64: " + BENCH_TEXT),
        bench_C("bench C_train64_b32", BENCH, "its training step: " + BENCH_TEXT),
        bench_C_recompute(
                "bench C_train64_b32 --recompute", BENCH, "the same, activations computed twice: " + BENCH_TEXT),
        bench_D("bench D_train224_b8", BENCH, "the training step of 8 pictures of 224 x 224: " + BENCH_TEXT),
        cold_start(
                "bench cold_start",
                "seconds=([\\d.]+) vmhwm_mib=(-?\\d+)",
                "{1} s from the start of the process to the first prediction, {2} MiB resident"),
        kernels_1("bench --kernels --threads 1", KERNEL, null),
        kernels_all("bench --kernels", KERNEL, null),
        profile_A("bench A_infer224_b1 --profile", STEPS, null),
        profile_C("bench C_train64_b32 --profile", STEPS, null);

        private final String command;
        private final Pattern pattern;
        private final String text;

        Figure(String command, String pattern, String text) {
            this.command = command;
            this.pattern = Pattern.compile(pattern);
            this.text = text;
        }

        /** The command as it is run: kernels on all processors, where README leaves out what is the default. */
        List<String> arguments(Map<String, String> folders) {
            var words = new ArrayList<String>();
            for (String word : command.split(" ")) {
                for (var given : GIVEN.entrySet()) {
                    word = word.replace(given.getValue(), String.valueOf(folders.get(given.getKey())));
                }
                words.add(word);
            }
            if (this == kernels_all) {
                words.addAll(List.of(
                        "--threads", Integer.toString(Runtime.getRuntime().availableProcessors())));
            }
            return words;
        }

        String missing(Map<String, String> folders) {
            return GIVEN.keySet().stream()
                    .filter(option -> command.contains(GIVEN.get(option)) && !folders.containsKey(option))
                    .findFirst()
                    .orElse(null);
        }
    }

    private Figures() {}

    /** Returns the exit status. */
    static int run(List<String> arguments, Path root) {
        if (arguments.contains("--help")) {
            System.out.print(USAGE);
            return 0;
        }
        var folders = new LinkedHashMap<String, String>();
        var wanted = new ArrayList<Figure>();
        try {
            for (int i = 0; i < arguments.size(); i++) {
                String a = arguments.get(i);
                if (GIVEN.containsKey(a)) {
                    if (i + 1 == arguments.size()) {
                        throw new IllegalArgumentException(a + " needs " + GIVEN.get(a));
                    }
                    folders.put(
                            a,
                            Arrays.stream(arguments.get(++i).split(","))
                                    .map(file -> Path.of(file).toAbsolutePath().toString())
                                    .collect(Collectors.joining(",")));
                } else {
                    wanted.add(Main.named(Figure.class, a));
                }
            }
        } catch (IllegalArgumentException e) {
            System.err.println(
                    "gradus: jmh --figures: " + e.getMessage() + "; './gradus jmh --figures --help' explains");
            return 2;
        }
        return attempt("--figures", () -> {
            for (Figure f : wanted.isEmpty() ? Arrays.asList(Figure.values()) : wanted) {
                if (f.missing(folders) != null) {
                    System.out.println(f + ": left as it is; it needs " + f.missing(folders));
                } else {
                    measure(f, folders, root);
                }
            }
            Documents.write(root);
            return 0;
        });
    }

    /** Does it, and says in one line what went wrong. */
    static int attempt(String option, Callable<Integer> work) {
        try {
            return work.call();
        } catch (InterruptedException e) {
            return 130;
        } catch (Exception e) {
            System.err.println("gradus: jmh " + option + ": " + e.getMessage());
            return 1;
        }
    }

    private static void measure(Figure f, Map<String, String> folders, Path root)
            throws IOException, InterruptedException {
        var command = new ArrayList<String>(List.of(root.resolve("gradus").toString()));
        command.addAll(f.arguments(folders));
        System.out.println(f + ": " + String.join(" ", command.subList(1, command.size())));
        long start = System.nanoTime();
        Process process = new ProcessBuilder(command)
                .directory(root.toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        double seconds = (System.nanoTime() - start) * 1e-9;
        var found = new ArrayList<Object>();
        Matcher m = f.pattern.matcher(out);
        while (m.find()) {
            var groups = new ArrayList<Object>();
            for (int i = 1; i <= m.groupCount(); i++) {
                groups.add(m.group(i));
            }
            found.add(groups);
        }
        if (status != 0 || found.isEmpty()) {
            throw new GradusException("'" + f.command + "' ended with status " + status
                    + (found.isEmpty() ? " and printed no figures:\n" + out : ""));
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("name", f.name());
        line.put("seconds", seconds);
        line.put("found", found);
        Results.put(Results.folder(root).resolve(FILE), line, "name");
        System.out.println("  " + found);
    }

    /** Adds what the results hold to README and docs/performance.md. */
    static void render(Documents documents, Path root) {
        var lines = new LinkedHashMap<String, Map<?, ?>>();
        Results.read(Results.folder(root).resolve(FILE)).forEach(l -> lines.put((String) l.get("name"), l));
        var readme = new StringBuilder("| command | result | where and when |\n|---|---|---|\n");
        for (Figure f : Figure.values()) {
            Map<?, ?> line = lines.get(f.name());
            if (f.text != null && line != null) {
                readme.append(format(
                        "| `./gradus %s` | %s | %s |\n",
                        f.command.replace("GOLDEN", "DIR"), filled(f.text, line), Results.origin(line)));
            }
        }
        readme.append(PeerTables.rows(root));
        documents.section("README.md", "figures", readme.toString());
        documents.section(PERFORMANCE, "kernels", kernels(lines));
        documents.section(PERFORMANCE, "profiles", profile(Figure.profile_A, lines) + profile(Figure.profile_C, lines));
    }

    private static String filled(String text, Map<?, ?> line) {
        List<?> groups = (List<?>) ((List<?>) line.get("found")).getLast();
        double seconds = Results.number(line, "seconds");
        String filled = text.replace("{time}", format("%.0f min %02.0f s", Math.floor(seconds / 60), seconds % 60));
        for (int i = 0; i < groups.size(); i++) {
            filled = filled.replace("{" + (i + 1) + "}", groups.get(i).toString());
        }
        return filled;
    }

    private static String kernels(Map<String, Map<?, ?>> lines) {
        var text = new StringBuilder();
        for (Figure f : List.of(Figure.kernels_1, Figure.kernels_all)) {
            Map<?, ?> line = lines.get(f.name());
            if (line != null) {
                var rows = (List<?>) line.get("found");
                text.append(format(
                        "\n`./gradus %s`, %s thread%s (%s):\n\n| kernel | ms | GFLOP/s | %% of peak |\n|---|---|---|---|\n",
                        f.command,
                        ((List<?>) rows.get(0)).get(1),
                        ((List<?>) rows.get(0)).get(1).equals("1") ? "" : "s",
                        Results.origin(line)));
                for (Object o : rows) {
                    List<?> g = (List<?>) o;
                    text.append(format("| %s | %s | %s | %s |\n", g.get(0), g.get(3), g.get(2), g.get(4)));
                }
            }
        }
        return text.toString();
    }

    private static String profile(Figure f, Map<String, Map<?, ?>> lines) {
        Map<?, ?> line = lines.get(f.name());
        if (line == null) {
            return "";
        }
        var text = new StringBuilder(format(
                "\n`./gradus %s`, the sums of its steps by operation (%s):\n\n"
                        + "| operation | steps | ms | %% of the time | GFLOP/s | %% of peak | GB/s | %% of memory |\n"
                        + "|---|---|---|---|---|---|---|---|\n",
                f.command, Results.origin(line)));
        for (Object o : (List<?>) line.get("found")) {
            List<?> g = (List<?>) o;
            text.append(format(
                    "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
                    g.get(6), g.get(7), g.get(0), g.get(1), g.get(2), g.get(3), g.get(4), g.get(5)));
        }
        return text.toString();
    }

    private static String format(String form, Object... arguments) {
        return String.format(Locale.ROOT, form, arguments);
    }
}
