package gradus.plan;

import gradus.graph.Node;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Where the time of a plan goes: for each step its median time over some runs of the whole plan, what that makes in
 * arithmetic and memory traffic, and how far both are from what the machine can do. A step near 100 % of either limit is
 * as fast as it gets; one far from both is worth a look.
 *
 * @param steps in the order in which they run, without those that ran once beforehand
 * @param gflopsLimit 10^9 float operations a second in multiply-adds from registers, on all threads; NaN if unknown
 * @param gbytesLimit 10^9 bytes a second read and written in a copy of memory that no cache holds; NaN if unknown
 */
public record Profile(List<Step> steps, double gflopsLimit, double gbytesLimit) {
    /**
     * @param shapes of inputs and result
     * @param gflop 10^9 operations, a multiply-add counted as two and padding counted in full, whatever the method saves
     * @param gbyte 10^9 bytes of inputs and result, each counted once
     */
    public record Step(String op, String scope, String shapes, double milliseconds, double gflop, double gbyte) {
        /** 10^9 operations a second. */
        public double gflops() {
            return gflop / milliseconds * 1e3;
        }

        /** 10^9 bytes a second. */
        public double gbytes() {
            return gbyte / milliseconds * 1e3;
        }
    }

    /** Runs the plan so many times, its inputs being fed already, after a few runs to warm up. */
    public static <B> Profile of(Plan<B> plan, int runs) {
        for (int i = 0; i < Math.min(runs, 5); i++) {
            plan.run();
        }
        var nanos = new long[runs][];
        for (int i = 0; i < runs; i++) {
            nanos[i] = plan.timedRun();
        }
        var steps = new ArrayList<Step>();
        List<Node> nodes = plan.nodes();
        for (int i = 0; i < nodes.size(); i++) {
            int index = i;
            long[] sorted =
                    Arrays.stream(nanos).mapToLong(n -> n[index]).sorted().toArray();
            if (sorted[runs / 2] > 0) {
                steps.add(step(nodes.get(i), sorted[runs / 2], plan.backend().elementBytes()));
            }
        }
        return new Profile(
                List.copyOf(steps), plan.backend().peakGflops(), plan.backend().peakGbytes());
    }

    private static Step step(Node node, long nanos, int elementBytes) {
        Shape y = node.output().shape();
        String shapes = node.inputShapes().stream().map(Shape::toString).collect(Collectors.joining(" ")) + " -> " + y;
        return new Step(
                node.op().name(),
                node.scope(),
                shapes,
                nanos * 1e-6,
                node.op().flops(node.inputShapes(), y) * 1e-9,
                node.op().elements(node.inputShapes(), y) * elementBytes * 1e-9);
    }

    public double milliseconds() {
        return steps.stream().mapToDouble(Step::milliseconds).sum();
    }

    /** One step for each op, the sums of its steps, the slowest first. */
    public List<Step> byOp() {
        var sums = new LinkedHashMap<String, Step>();
        var counts = new LinkedHashMap<String, Integer>();
        for (Step s : steps) {
            counts.merge(s.op, 1, Integer::sum);
            sums.merge(
                    s.op,
                    new Step(s.op, "", "", s.milliseconds, s.gflop, s.gbyte),
                    (a, b) -> new Step(
                            a.op, "", "", a.milliseconds + b.milliseconds, a.gflop + b.gflop, a.gbyte + b.gbyte));
        }
        return sums.values().stream()
                .map(s -> new Step(s.op, counts.get(s.op) + " steps", "", s.milliseconds, s.gflop, s.gbyte))
                .sorted(Comparator.comparingDouble(Step::milliseconds).reversed())
                .toList();
    }

    /** For reading: a line for each step, then one for each op. */
    public String table() {
        var out = new StringBuilder(String.format(
                Locale.ROOT,
                "limits: %.0f GFLOP/s, %.1f GB/s%n%9s %6s %9s %6s %8s %6s  step%n",
                gflopsLimit,
                gbytesLimit,
                "ms",
                "%",
                "GFLOP/s",
                "% peak",
                "GB/s",
                "% mem"));
        steps.forEach(s -> out.append(line(s)));
        out.append(String.format(Locale.ROOT, "%9.3f ms in all; by operation:%n", milliseconds()));
        byOp().forEach(s -> out.append(line(s)));
        return out.toString();
    }

    private String line(Step s) {
        String what = s.op + " " + s.scope + (s.shapes.isEmpty() ? "" : " " + s.shapes);
        return String.format(
                Locale.ROOT,
                "%9.3f %6.1f %9.1f %6.0f %8.1f %6.0f  %s%n",
                s.milliseconds,
                100 * s.milliseconds / milliseconds(),
                s.gflops(),
                100 * s.gflops() / gflopsLimit,
                s.gbytes(),
                100 * s.gbytes() / gbytesLimit,
                what);
    }

    /** As plain data, for {@link gradus.io.Json#write}. */
    public Map<String, Object> data() {
        var list = new ArrayList<Object>();
        for (Step s : steps) {
            var map = new LinkedHashMap<String, Object>();
            map.put("op", s.op);
            map.put("scope", s.scope);
            map.put("shapes", s.shapes);
            map.put("ms", s.milliseconds);
            map.put("gflops", s.gflops());
            map.put("gbytes", s.gbytes());
            list.add(map);
        }
        var data = new LinkedHashMap<String, Object>();
        data.put("gflops_limit", gflopsLimit);
        data.put("gbytes_limit", gbytesLimit);
        data.put("ms", milliseconds());
        data.put("steps", list);
        return data;
    }
}
