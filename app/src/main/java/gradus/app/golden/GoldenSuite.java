package gradus.app.golden;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Precision;
import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Runs a folder of golden cases: recorded inputs and outputs of other engines. What a file is about is read from the
 * file itself (group, attributes, shapes); what counts as equal is read from the folder's manifest, but for the groups
 * whose rule does not fit a table of absolute numbers.
 */
public final class GoldenSuite {
    private static final String SUFFIX = ".safetensors";

    private static final Map<String, Cases> GROUPS = groups();

    private static Map<String, Cases> groups() {
        var groups = new LinkedHashMap<String, Cases>();
        groups.put("conv2d", Cases.byManifest(OpCases::conv2d));
        groups.put("dense", Cases.byManifest(OpCases::dense));
        groups.put("batch_norm", Cases.byManifest(BatchNormCases::compute));
        groups.put("activation", Cases.byManifest(OpCases::activation));
        groups.put("pool", Cases.byManifest(OpCases::pool));
        groups.put("pad_add", Cases.byManifest(OpCases::padAdd));
        groups.put("initializer", InitializerCases::run);
        groups.put("loss", Cases.byManifest(LossCases::compute));
        groups.put("optimizer", Cases.byManifest(OptimizerCases::compute));
        groups.put("block", Cases.byManifest(BlockCases::blocks));
        groups.put("notebook", BlockCases::notebook);
        groups.put("network", NetworkCases::run);
        return groups;
    }

    /** How many files passed and how many did not. */
    public record Result(int passed, int failed) {}

    private final Path folder;
    private final Engine engine;
    private final PrintWriter out;
    private final boolean verbose;

    /**
     * @param fused whether graphs pass through {@link gradus.graph.Fuse} first, as in training and inference
     * @param verbose a line for every file, not only for those that fail
     */
    public GoldenSuite(
            Path folder, Backend<?> backend, Precision precision, boolean fused, PrintWriter out, boolean verbose) {
        this.folder = folder;
        this.engine = new Engine(backend, precision, fused);
        this.out = out;
        this.verbose = verbose;
    }

    /**
     * Runs every file of the folder, or of some groups, and prints a line a group, and a line for each tensor that fails.
     *
     * @param only the groups to run; none for all
     * @throws GoldenException if the folder cannot be read or holds no such files
     */
    public Result run(Collection<String> only) {
        Manifest manifest = Manifest.read(folder);
        Map<String, List<String>> byGroup = filesByGroup();
        for (String group : only) {
            if (!byGroup.containsKey(group)) {
                throw new GoldenException(folder + " has no group '" + group + "'; there are " + byGroup.keySet());
            }
        }
        noteMissing(manifest);
        int passed = 0;
        int failed = 0;
        for (var group : byGroup.entrySet()) {
            if (only.isEmpty() || only.contains(group.getKey())) {
                Result result = runGroup(group.getKey(), group.getValue(), manifest);
                passed += result.passed;
                failed += result.failed;
            }
        }
        out.println(passed + " passed, " + failed + " failed");
        out.flush();
        return new Result(passed, failed);
    }

    private Result runGroup(String group, List<String> files, Manifest manifest) {
        int failed = 0;
        double worst = 0;
        String where = "";
        long start = System.nanoTime();
        for (String file : files) {
            var messages = new ArrayList<String>();
            double worstOfFile = 0;
            try {
                for (Check check : run(file, group, manifest)) {
                    Check.Verdict verdict = check.verdict();
                    if (!verdict.passed()) {
                        messages.add(verdict.message());
                    }
                    worstOfFile = Math.max(worstOfFile, verdict.ratio());
                    if (verdict.ratio() > worst) {
                        worst = verdict.ratio();
                        where = " (" + file + " " + check.tensor() + ")";
                    }
                }
            } catch (GradusException e) {
                messages.add(e.getMessage());
            } catch (
                    RuntimeException
                            e) { // attributes or tensors that no such case has: the file is wrong, not the suite
                messages.add("cannot be run: " + e);
            }
            messages.forEach(message -> out.println("FAILED " + file + " " + message));
            failed += messages.isEmpty() ? 0 : 1;
            if (verbose && messages.isEmpty()) {
                out.println("passed " + file + " worst " + ratio(worstOfFile));
            }
            out.flush();
        }
        out.println(String.format(
                Locale.ROOT,
                "%-12s %3d passed, %d failed, worst error %s of the tolerance%s, %.1f s",
                group,
                files.size() - failed,
                failed,
                ratio(worst),
                where,
                (System.nanoTime() - start) / 1e9));
        out.flush();
        return new Result(files.size() - failed, failed);
    }

    private static String ratio(double r) {
        return Double.isInfinite(r) ? "infinitely many times" : String.format(Locale.ROOT, "%.2f", r);
    }

    private List<Check> run(String file, String group, Manifest manifest) {
        Cases cases = GROUPS.get(group);
        if (cases == null) {
            throw new GoldenException("group '" + group + "' is unknown; known are " + GROUPS.keySet());
        }
        return cases.run(read(file), manifest, engine);
    }

    private GoldenCase read(String file) {
        Safetensors.Contents contents = Safetensors.read(folder.resolve(file));
        String attrs = contents.metadata().getOrDefault("attrs", "{}");
        if (!(Json.parse(attrs) instanceof Map<?, ?> object)) {
            throw new GoldenException("the file's attrs are not a JSON object: " + attrs);
        }
        var attributes = new LinkedHashMap<String, Object>();
        object.forEach((k, v) -> attributes.put((String) k, v));
        return new GoldenCase(file, contents.metadata().get("group"), attributes, contents.tensors());
    }

    /** All files under the folder, in the order of their paths, by the group that each names. */
    private Map<String, List<String>> filesByGroup() {
        var groups = new LinkedHashMap<String, List<String>>();
        try (Stream<Path> paths = Files.walk(folder)) {
            paths.filter(p -> p.getFileName().toString().endsWith(SUFFIX) && Files.isRegularFile(p))
                    .map(p -> folder.relativize(p).toString().replace('\\', '/'))
                    .sorted()
                    .forEach(f -> groups.computeIfAbsent(groupOf(f), g -> new ArrayList<>())
                            .add(f));
        } catch (IOException e) {
            throw new GoldenException("cannot read folder " + folder + ": " + e.getMessage(), e);
        }
        if (groups.isEmpty()) {
            throw new GoldenException(
                    folder + " holds no " + SUFFIX + " files; give the folder that has " + Manifest.FILE + " in it");
        }
        return groups;
    }

    /** The group a file names; for one that cannot be read, its folder, so that reading it again says why. */
    private String groupOf(String file) {
        try (var opened = Safetensors.open(folder.resolve(file))) {
            String group = opened.metadata().get("group");
            if (group != null) {
                return group;
            }
        } catch (GradusException e) {
            // reported when the case is run
        }
        return file.contains("/") ? file.substring(0, file.indexOf('/')) : "none";
    }

    private void noteMissing(Manifest manifest) {
        var missing = new ArrayList<String>();
        for (String file : manifest.files()) {
            if (!Files.exists(folder.resolve(file))) {
                missing.add(file);
            }
        }
        if (!missing.isEmpty()) {
            out.println("note: " + Manifest.FILE + " lists " + missing.size() + " files that are not in " + folder
                    + ", such as " + missing.getFirst());
        }
    }
}
