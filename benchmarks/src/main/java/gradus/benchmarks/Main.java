package gradus.benchmarks;

import gradus.benchmarks.ladder.Chapter;
import gradus.benchmarks.peers.Peers;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.NoBenchmarksException;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** {@code ./gradus jmh}: runs the benchmarks and prints a line for each. */
public final class Main {
    private static final String USAGE = """
            usage: ./gradus jmh --short [--threads LIST] [--bits LIST]
                   ./gradus jmh --ladder [matrix|convolution|roofline] [JMH's options]
                   ./gradus jmh --peers [--help]
                   ./gradus jmh --figures [--help]
                   ./gradus jmh --render
                   ./gradus jmh [--threads LIST] [--bits LIST] [--batch LIST] [JMH's options] [NAME...]
              --short         one of each kind, in less than three minutes
              --ladder        measure the ladders and write docs/ladder.md and its pictures
              --peers         compare with other engines and write docs/performance.md
              --figures       run the commands whose figures README.md shows and write its table
              --render        write all tables and pictures from docs/results again, and measure nothing
              --threads 1,2   threads to compute with, 0 for all processors (default: 1,0; with --short: 0)
              --bits 256,512  bits of a vector: 128, 256, 512; 0 for the widest (default)
              --batch 1,8     pictures, where there are any
              NAME            a regular expression; ./gradus jmh -l lists the benchmarks
            JMH's options: -p layer=3x3/1:64-64@56 for one value of a parameter, -f 1 -wi 2 -i 3 -r 500ms for forks,
            warm-up, iterations and their length, -rf json -rff FILE for the results; ./gradus jmh -h explains all.
            """;

    private static final Pattern NUMBERS = Pattern.compile("\\d{1,4}(,\\d{1,4})*");

    /** Enough to see that everything works and how fast it roughly is. */
    private static final String QUICKLY = " -f 1 -wi 2 -w 500ms -i 3 -r 300ms";

    private static final List<String> SHORT = List.of(
            "benchmarks.Convolution -p layer=7x7/2:3-64@224,1x1/1:256-64@56,3x3/1:128-128@28 -p batch=1",
            "benchmarks.MatrixProduct -p size=1024x1024x1024 -p form=NN",
            "benchmarks.Normalization -p layer=256@56 -p batch=1",
            "benchmarks.Pooling -p batch=1",
            "benchmarks.SoftmaxRows -p size=256x1000",
            "benchmarks.Network -p side=64 -p batch=8");

    /** The rungs; those that know about threads on all processors too. */
    private static final List<String> LADDER = List.of(
            "MatrixLadder -p threads=1",
            "MatrixLadder -p threads=0 -p rung=PARALLEL,ENGINE,ENGINE_PREPARED",
            "ConvolutionLadder -p threads=1");

    private Main() {}

    public static void main(String[] args) {
        System.exit(run(args));
    }

    static int run(String... args) {
        if (args.length > 0 && args[0].equals("--peers")) {
            return Peers.run(Arrays.copyOfRange(args, 1, args.length), root());
        }
        if (args.length > 0 && args[0].equals("--ladder")) {
            return ladder(List.of(args).subList(1, args.length));
        }
        if (args.length > 0 && args[0].equals("--figures")) {
            return Figures.run(List.of(args).subList(1, args.length), root());
        }
        if (args.length == 1 && args[0].equals("--render")) {
            return Figures.attempt("--render", () -> {
                List<String> changed = Documents.write(root());
                System.out.println(
                        changed.isEmpty() ? "nothing has changed" : "written: " + String.join(", ", changed));
                return 0;
            });
        }
        var rest = new ArrayList<String>();
        boolean quick = false;
        String bits = "0";
        String threads = null;
        for (int i = 0; i < args.length; i++) {
            boolean ours = List.of("--threads", "--bits", "--batch").contains(args[i]);
            if (ours && (i + 1 == args.length || !NUMBERS.matcher(args[i + 1]).matches())) {
                return mistake(args[i] + " needs a list of numbers such as 1,2"
                        + (i + 1 == args.length ? "" : ", not '" + args[i + 1] + "'"));
            }
            switch (args[i]) {
                case "--help" -> {
                    System.out.print(USAGE);
                    return 0;
                }
                case "--short" -> quick = true;
                case "--bits" -> bits = args[++i];
                case "--threads" -> threads = args[++i];
                case "--batch" -> rest.addAll(List.of("-p", "batch=" + args[++i]));
                default -> rest.add(args[i]);
            }
        }
        if (quick && !rest.isEmpty()) {
            return mistake("--short takes --threads and --bits alone, not " + String.join(" ", rest));
        }
        if (threads != null || quick) {
            rest.addAll(List.of("-p", "threads=" + (threads == null ? "0" : threads)));
        }
        return run(rest, quick, bits.split(","));
    }

    private static int run(List<String> rest, boolean quick, String[] bits) {
        var report = new Report(System.out, System.err);
        List<String> names = List.of();
        try {
            var asked = new CommandLineOptions(rest.toArray(String[]::new));
            names = asked.getIncludes();
            if (asked.shouldHelp()) {
                asked.showHelp();
                return 0;
            }
            if (asked.shouldList()) {
                new Runner(asked).list();
                return 0;
            }
            report.header();
            for (String width : bits) {
                for (String part : quick ? SHORT : List.of("")) {
                    var all = new ArrayList<>(rest);
                    if (quick) {
                        all.addAll(List.of((part + QUICKLY).split(" ")));
                    }
                    run(all, width, report);
                }
            }
            report.legend();
            return 0;
        } catch (CommandLineOptionException | IOException e) {
            return mistake(e.getMessage());
        } catch (NoBenchmarksException e) {
            return mistake("no benchmark matches " + String.join(" or ", names) + "; './gradus jmh -l' lists them");
        } catch (RunnerException e) {
            System.err.println("gradus: " + e.getMessage());
            return 1;
        }
    }

    /** Folder of the project, as the script gives it. */
    private static Path root() {
        return Path.of(System.getProperty("gradus.home", ".")).toAbsolutePath().normalize();
    }

    /** All of it, or the part that the first option names. */
    private static int ladder(List<String> options) {
        List<String> parts = List.of("matrix", "convolution", "roofline");
        boolean some = !options.isEmpty() && !options.get(0).startsWith("-");
        String wanted = some ? options.get(0) : "";
        if (some && !parts.contains(wanted)) {
            return mistake("--ladder has the parts " + String.join(", ", parts) + ", not '" + wanted + "'");
        }
        options = options.subList(some ? 1 : 0, options.size());
        var report = new Report(System.out, System.err);
        report.header();
        try {
            var results = new ArrayList<RunResult>();
            for (String part : LADDER.stream()
                    .filter(p -> p.toLowerCase(Locale.ROOT).startsWith(wanted))
                    .toList()) {
                var all = new ArrayList<>(options);
                all.addAll(List.of(part.split(" ")));
                results.addAll(run(all, "0", report));
            }
            report.legend();
            Chapter.keep(results, root());
            if (!some || wanted.equals("roofline")) {
                Roofline.measure(root());
            }
            Documents.write(root());
            return 0;
        } catch (CommandLineOptionException e) {
            return mistake(e.getMessage());
        } catch (RunnerException | GradusException e) {
            System.err.println("gradus: " + e.getMessage());
            return 1;
        }
    }

    /** A constant by its name. @throws IllegalArgumentException that lists those that there are */
    public static <E extends Enum<E>> E named(Class<E> type, String name) {
        E[] all = type.getEnumConstants();
        return Arrays.stream(all)
                .filter(e -> e.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("'" + name + "' is none of "
                        + Arrays.stream(all).map(Enum::name).collect(Collectors.joining(", "))));
    }

    /** Runs what JMH's options say, with vectors of so many bits. */
    static Collection<RunResult> run(List<String> options, String bits, Report report)
            throws CommandLineOptionException, RunnerException {
        var builder = new OptionsBuilder()
                .parent(new CommandLineOptions(options.toArray(String[]::new)))
                .param("bits", bits)
                .addProfiler(GCProfiler.class)
                .addProfiler(MachineLimit.class)
                .shouldFailOnError(true);
        if (!bits.equals("0")) {
            builder.jvmArgsAppend("-Dgradus.simd.bits=" + bits);
        }
        return new Runner(builder.build(), report).run();
    }

    private static int mistake(String what) {
        System.err.println("gradus: jmh: " + what + "; './gradus jmh --help' explains");
        return 2;
    }
}
