package gradus.benchmarks.peers;

import gradus.benchmarks.Documents;
import gradus.benchmarks.Main;
import gradus.benchmarks.Results;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * {@code ./gradus jmh --peers}: runs every engine on every case. The engines of a case wait side by side, each in a process of
 * its own, and take turns of half a second ({@link Rounds}), {@value #PROCESSES} times in fresh processes; a second pass does all of that again.
 */
public final class Peers {
    private static final String USAGE = """
            usage: ./gradus jmh --peers [options], after ./mvnw -P peers -DskipTests package
              --engines A,B     of gradus, onnxruntime, pytorch, tensorflow, dl4j (default: all that are built)
              --cases A,B       of A_infer224_b1, A_infer224_b16, B_infer64_b32, C_train64_b32, D_train224_b8, cold_start
              --threads 1,2     (default: all processors)
              --passes N        how often everything is run (default 2)
              --seconds S       for a case: so long the engines take turns, three times in fresh processes a third each (default 60)
              --pass N          that pass alone: a long comparison in pieces, as --pass 1 --cases C_train64_b32
              --results FILE    keep the results there (default docs/results/peers.jsonl, from which docs/performance.md is
                                written; ./gradus jmh --render writes it again)
            """;

    /** Status of a process that a signal ended. */
    private static final int ABORTED = 134;

    private static final String COLD = "cold_start";
    private static final List<String> ALL = Stream.concat(
                    Stream.of(Case.values()).map(Case::name), Stream.of(COLD))
            .toList();

    /** Starts of each engine for its cold start. */
    private static final int STARTS = 5;

    /**
     * Processes of each engine for a case, one after the other: where its memory lies, and how threads were placed, differ from
     * one to the next for some engines by a tenth, and stay as they are in between.
     */
    private static final int PROCESSES = 3;

    /** Seconds to warm up. */
    private static final double WARM_UP = 10;

    /** Seconds of a turn. */
    private static final double SLICE = 0.5;

    /** Processor time of a waiting engine, in percent of a core, from which on it disturbs the others. */
    private static final double RESTLESS = 5;

    private final Path root;
    private final Path log;
    private Path results;
    private List<Engine> engines;
    private List<String> cases = ALL;
    private List<Integer> threads = List.of(Runtime.getRuntime().availableProcessors());
    private int firstPass = 1;
    private int passes = 2;
    private double seconds = 60;

    /** PyTorch's. On one virtual machine its oneDNN ended the process with SIGFPE in NHWC, why is not known. */
    private String layout = "nhwc";

    private Peers(Path root) {
        this.root = root;
        log = root.resolve("benchmarks/target/peers.log");
        results = PeerTables.file(root);
        engines = Stream.of(Engine.values()).filter(e -> e.isBuilt(root)).toList();
    }

    /** Returns the exit status. */
    public static int run(String[] args, Path root) {
        try {
            var peers = new Peers(root);
            for (int i = 0; i < args.length; i += 2) {
                if (args[i].equals("--help")) {
                    System.out.print(USAGE);
                    return 0;
                }
                try {
                    peers.option(args[i], i + 1 < args.length ? args[i + 1] : null);
                } catch (NumberFormatException e) {
                    throw new IllegalArgumentException(args[i] + " needs a number, not '" + args[i + 1] + "'", e);
                }
            }
            peers.measure();
            Documents.write(root);
            return 0;
        } catch (IOException | GradusException e) {
            System.err.println("gradus: jmh --peers: " + e.getMessage());
            return 1;
        } catch (InterruptedException e) {
            return 130;
        } catch (IllegalArgumentException e) {
            System.err.println("gradus: jmh --peers: " + e.getMessage() + "; './gradus jmh --peers --help' explains");
            return 2;
        }
    }

    private void option(String name, String value) {
        if (value == null) {
            throw new IllegalArgumentException(name + " needs a value, or is no option");
        }
        List<String> list = List.of(value.split(","));
        switch (name) {
            case "--engines" ->
                engines = list.stream().map(e -> Main.named(Engine.class, e)).toList();
            case "--cases" -> {
                cases = list;
                list.stream().filter(c -> !ALL.contains(c)).forEach(c -> {
                    throw new IllegalArgumentException("'" + c + "' is none of " + String.join(", ", ALL));
                });
            }
            case "--threads" -> threads = list.stream().map(Integer::valueOf).toList();
            case "--passes" -> passes = Integer.parseInt(value);
            case "--pass" -> {
                firstPass = Integer.parseInt(value);
                passes = firstPass;
            }
            case "--seconds" -> seconds = Double.parseDouble(value);
            case "--results" -> results = Path.of(value);
            default -> throw new IllegalArgumentException("no option " + name);
        }
    }

    private void measure() throws IOException, InterruptedException {
        Files.createDirectories(results.toAbsolutePath().getParent());
        for (int pass = firstPass; pass <= passes; pass++) {
            for (int count : threads) {
                for (String c : cases) {
                    if (c.equals(COLD)) {
                        coldStart(count, pass);
                    } else {
                        measure(Case.valueOf(c), count, pass);
                    }
                }
            }
        }
    }

    private void measure(Case c, int count, int pass) throws IOException, InterruptedException {
        List<Engine> able = engines.stream().filter(e -> e.computes(c)).toList();
        List<Map<String, Object>> figures = able.stream()
                .<Map<String, Object>>map(_ -> new LinkedHashMap<>())
                .toList();
        Rounds rounds = new Rounds(able.size());
        for (int process = 0; process < PROCESSES; process++) {
            var workers = new ArrayList<Worker>();
            try {
                for (Engine engine : able) {
                    workers.add(warm(engine, c, count));
                }
                rounds.add(Rounds.of(workers, SLICE, seconds / PROCESSES));
                for (int i = 0; i < able.size(); i++) {
                    Map<String, Object> line = figures.get(i);
                    if (rounds.complete(i)) {
                        workers.get(i).addTo(line);
                    } else if (!line.containsKey("failed")) {
                        line.put("failed", (long) failure(able.get(i), workers.get(i)));
                    }
                }
            } finally {
                workers.forEach(Worker::close);
            }
        }
        int ours = able.indexOf(Engine.gradus);
        for (int i = 0; i < able.size(); i++) {
            Map<String, Object> line = figures.get(i);
            if (rounds.complete(i)) {
                put(line, "ms", rounds.time(i));
                if (ours >= 0 && ours != i) {
                    put(line, "ratio", rounds.ratio(i, ours));
                    line.put(
                            "ratio_least",
                            Results.number(line, "least_ms") / Results.number(figures.get(ours), "least_ms"));
                }
                line.put("rounds", (long) rounds.count(i));
                line.put("slices_ms", rounds.times(i));
            }
            keep(able.get(i), c.name(), count, pass, line);
        }
    }

    /** Its process, ready for the first round, unless it ended before. */
    private Worker warm(Engine engine, Case c, int count) throws IOException, InterruptedException {
        var worker = new Worker(engine.process(c, false, count, layout, root, log));
        if (Double.isNaN(worker.first()) || Double.isNaN(worker.slice(WARM_UP))) {
            if (failure(engine, worker) == ABORTED && engine == Engine.pytorch && layout.equals("nhwc")) {
                System.out.println("PyTorch ends with an abort in NHWC here; going on in NCHW");
                layout = "nchw";
                return warm(engine, c, count);
            }
        }
        return worker;
    }

    /** The status with which it ended. */
    private int failure(Engine engine, Worker worker) throws InterruptedException {
        int status = worker.status();
        if (engine == Engine.gradus) {
            throw new GradusException("Gradus ended with status " + status + "; see " + log);
        }
        return status;
    }

    /** Once unmeasured: jars and models are then in the system's cache, for every engine. Then in turns. */
    private void coldStart(int count, int pass) throws IOException, InterruptedException {
        var starts = new EnumMap<Engine, Map<String, Object>>(Engine.class);
        var seconds = new double[Engine.values().length][STARTS];
        for (int start = -1; start < STARTS; start++) {
            for (Engine engine : start % 2 == 0 ? engines : engines.reversed()) {
                try (var worker = new Worker(engine.process(Case.A_infer224_b1, true, count, layout, root, log))) {
                    double first = worker.first();
                    var figures = new LinkedHashMap<String, Object>(worker.ask(0));
                    if (figures.isEmpty()) {
                        figures.put("failed", (long) failure(engine, worker));
                    }
                    starts.put(engine, figures);
                    seconds[engine.ordinal()][Math.max(0, start)] = first;
                }
            }
        }
        for (Engine engine : engines) {
            Map<String, Object> figures = starts.get(engine);
            if (!figures.containsKey("failed")) {
                put(figures, "first_seconds", Spread.of(seconds[engine.ordinal()]));
            }
            keep(engine, COLD, count, pass, figures);
        }
    }

    private static void put(Map<String, Object> figures, String name, Spread spread) {
        figures.put(name, spread.median());
        figures.put(name + "_q1", spread.q1());
        figures.put(name + "_q3", spread.q3());
    }

    /** Puts a line among the results and prints what it says. */
    private void keep(Engine engine, String c, int count, int pass, Map<String, Object> figures) throws IOException {
        var line = new LinkedHashMap<String, Object>();
        line.put("engine", engine.title());
        line.put("case", c);
        line.put("threads", (long) count);
        line.put("pass", (long) pass);
        line.put("jar_bytes", engine.jarBytes(root));
        line.putAll(figures);
        Results.put(results, line, "engine", "case", "threads", "pass");
        System.out.printf(
                Locale.ROOT, "pass %d  %-15s %d threads  %-12s %s%n", pass, c, count, engine.title(), outcome(figures));
    }

    private static String outcome(Map<String, Object> figures) {
        if (figures.containsKey("failed")) {
            return "failed with status " + figures.get("failed");
        }
        var text = new StringBuilder();
        if (figures.containsKey("first_seconds")) {
            text.append(PeerTables.spread(figures, "first_seconds", "%.2f")).append(" s to the first prediction");
        } else {
            text.append(PeerTables.spread(figures, "ms", "%.2f")).append(" ms");
            if (figures.containsKey("ratio")) {
                text.append(", ")
                        .append(PeerTables.spread(figures, "ratio", "%.3f"))
                        .append(" times Gradus");
                text.append(String.format(
                        Locale.ROOT, ", %.3f of the fastest steps", Results.number(figures, "ratio_least")));
            }
            double waiting = Results.number(figures, "waiting_percent");
            text.append(String.format(
                    Locale.ROOT, ", %s rounds, %.1f %% of a core while waiting", figures.get("rounds"), waiting));
            text.append(waiting > RESTLESS ? " (it disturbs the others)" : "");
        }
        return text + ", " + figures.get("peak_mib") + " MiB";
    }
}
