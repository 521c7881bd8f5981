package gradus.app;

import gradus.tensor.GradusException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** {@code gradus}: the command line. */
@Command(
        name = "gradus",
        description = "Trains and runs residual networks with an engine written from scratch in Java.",
        mixinStandardHelpOptions = true,
        version = "gradus 0.1.0",
        scope = ScopeType.INHERIT,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:done",
            "1:golden: some cases differ; bench --compare: slower than before",
            "2:a mistake in what was asked or given: option, file, picture, shape; nothing was half written",
            "70:a mistake in gradus itself",
            "130:interrupted with Ctrl-C (train leaves a model that --resume goes on from)",
            "143:asked to end by the system, likewise"
        })
public final class Main implements Runnable {
    /** A command is called as its class is. */
    private static final List<Class<?>> COMMANDS = List.of(
            Train.class,
            Evaluate.class,
            Predict.class,
            Features.class,
            Explain.class,
            Convert.class,
            Inspect.class,
            Summary.class,
            Plot.class,
            Listing.class,
            Golden.class,
            Bench.class,
            Doctor.class);

    /** What the script that starts this does itself. */
    private static final String[] SCRIPT = {
        "%nThe script ./gradus knows two more:",
        "  jmh           Benchmarks of single kernels: './gradus jmh --help'.",
        "  --java-home   Prints the folder of the JDK that it found.%n"
    };

    @Spec
    CommandSpec spec;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "show the stack trace of an error")
    boolean debug;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "say what to do: 'gradus --help' lists the commands");
    }

    public static void main(String[] args) {
        System.setProperty("java.awt.headless", "true"); // pictures are decoded and drawn, never shown
        var err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        int status = run(new FileOutputStream(FileDescriptor.out), err, args); // System.out hides exceptions
        err.flush();
        System.exit(status);
    }

    /** Runs one command line; done is only what could also be printed. */
    static int run(OutputStream out, PrintWriter err, String... args) {
        var output = new StandardOutput(out);
        var writer = new PrintWriter(output, false, StandardCharsets.UTF_8);
        int status = run(writer, err, args);
        if (writer.checkError() && status == Exit.OK && !output.readerLeft()) {
            var failure = output.failure();
            report(err, "cannot write to standard output: " + failure.getMessage(), failure, false);
            return Exit.USAGE;
        }
        return status;
    }

    /** Runs one command line and returns its exit status. Prints to the given writers only. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        var main = new Main();
        var line = new CommandLine(main);
        addCommands(line, args); // before the writers, which commands get as they are set
        line.getCommandSpec().usageMessage().footer(SCRIPT); // after them, who would get it too
        line.setOut(out).setErr(err);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler((e, a) -> {
            report(err, explain(e), e, main.debug);
            return Exit.USAGE;
        });
        line.setExecutionExceptionHandler((e, command, parsed) -> switch (e) {
            case ParameterException p -> {
                report(err, p.getMessage(), p, main.debug);
                yield Exit.USAGE;
            }
            case GradusException g -> {
                report(err, g.getMessage(), g, main.debug);
                yield Exit.USAGE;
            }
            default -> unexpected(err, e, main.debug);
        });
        try {
            return line.execute(args);
        } catch (Throwable e) { // picocli passes errors such as OutOfMemoryError through
            return unexpected(err, e, main.debug);
        }
    }

    /** The command that is asked for, or all: picocli takes its time to look at each. */
    private static void addCommands(CommandLine line, String... args) {
        for (Class<?> c : COMMANDS) {
            if (args.length > 0 && args[0].equals(c.getSimpleName().toLowerCase(Locale.ROOT))) {
                line.addSubcommand(c);
                return;
            }
        }
        COMMANDS.forEach(line::addSubcommand);
    }

    private static String explain(ParameterException e) {
        boolean command = e instanceof UnmatchedArgumentException u
                && !u.isUnknownOption()
                && u.getCommandLine().getParent() == null;
        String what = command
                ? "unknown command '"
                        + ((UnmatchedArgumentException) e).getUnmatched().getFirst() + "'"
                : e.getMessage();
        var similar = e instanceof UnmatchedArgumentException u ? u.getSuggestions() : List.<String>of();
        String hint = similar.isEmpty()
                ? "'" + e.getCommandLine().getCommandSpec().qualifiedName() + " --help' lists what there is"
                : "did you mean " + String.join(" or ", similar.subList(0, Math.min(3, similar.size()))) + "?";
        return what + "; " + hint;
    }

    private static int unexpected(PrintWriter err, Throwable e, boolean debug) {
        if (e instanceof OutOfMemoryError) {
            report(
                    err,
                    "out of memory (" + Runtime.getRuntime().maxMemory() / (1 << 20)
                            + " MiB of heap): use a smaller --batch, or give java more with -Xmx",
                    e,
                    debug);
            return Exit.USAGE;
        }
        report(
                err,
                "internal error: " + e + " (this is a mistake in gradus, please report it; --debug shows where)",
                e,
                debug);
        return Exit.INTERNAL;
    }

    /** With characters of control as they are written in Java: a name out of a file must not steer the terminal. */
    static String printable(String text) {
        var s = new StringBuilder();
        text.codePoints().forEach(c -> {
            if (Character.isISOControl(c)) {
                s.append("\\u%04x".formatted(c));
            } else {
                s.appendCodePoint(c);
            }
        });
        return s.toString();
    }

    /** One line, whatever the message holds. */
    static void report(PrintWriter err, String message, Throwable e, boolean debug) {
        err.println("gradus: "
                + printable(String.valueOf(message)
                        .strip()
                        .replaceAll(":\\s*\\R\\s*", ": ")
                        .replaceAll("\\s*\\R\\s*", "; ")));
        if (debug) {
            e.printStackTrace(err);
        }
        err.flush();
    }
}
