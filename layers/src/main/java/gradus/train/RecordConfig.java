package gradus.train;

import gradus.layers.config.Fields;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Settings as plain data and back: a record becomes a map of its components, with its simple name as {@code type}.
 * Reading knows the records listed here and no others: a file can choose among them, not name a class.
 */
final class RecordConfig {
    private RecordConfig() {}

    // ---- writing: patterns name every component, so that the compiler sees one that is forgotten ----

    /** Whether {@link #write} accepts the object. */
    static boolean knows(Object record) {
        return components(record) != null;
    }

    /** @throws TrainingException for a record that is not listed */
    static Object write(Object value) {
        Map<String, Object> record = components(value);
        if (record != null) {
            return record;
        }
        return switch (value) {
            case Double d when !Double.isFinite(d) -> d.toString();
            case Number n -> n;
            case Boolean b -> b;
            case String s -> s;
            case List<?> list -> list.stream().map(RecordConfig::write).toList();
            default -> throw new TrainingException(value.getClass().getName() + " cannot be written to a model file");
        };
    }

    /** Null if the record is not listed. */
    private static Map<String, Object> components(Object record) {
        return switch (record) {
            case Optimizer o -> components(o);
            case Schedule s -> components(s);
            case Clipping c -> components(c);
            case WeightDecay(var rate, var except) -> map("type rate except", "WeightDecay", rate, except);
            case CategoricalCrossentropy(var logits, var smoothing) ->
                map("type logits labelSmoothing", "CategoricalCrossentropy", logits, smoothing);
            case SparseCategoricalCrossentropy(var logits, var smoothing) ->
                map("type logits labelSmoothing", "SparseCategoricalCrossentropy", logits, smoothing);
            case Metric.Accuracy() -> map("type", "Accuracy");
            case Metric.TopK(var k) -> map("type k", "TopK", k);
            case Position(var epoch, var step, var batches, var samples, var loss, var metrics) ->
                map(
                        "type epoch step batches samples lossSum metricSums",
                        "Position",
                        epoch,
                        step,
                        batches,
                        samples,
                        loss,
                        metrics);
            case null, default -> null;
        };
    }

    private static Map<String, Object> components(Optimizer optimizer) {
        return switch (optimizer) {
            case Sgd(var rate, var momentum, var nesterov, var decay, var clipping, var average) ->
                map(
                        "type learningRate momentum nesterov weightDecay clipping average",
                        "Sgd",
                        rate,
                        momentum,
                        nesterov,
                        decay,
                        clipping,
                        average);
            case RmsProp(var rate, var rho, var m, var e, var centered, var decay, var clipping, var average) ->
                map(
                        "type learningRate rho momentum epsilon centered weightDecay clipping average",
                        "RmsProp",
                        rate,
                        rho,
                        m,
                        e,
                        centered,
                        decay,
                        clipping,
                        average);
            case Adam(var rate, var beta1, var beta2, var epsilon, var decay, var clipping, var average) ->
                adam("Adam", rate, beta1, beta2, epsilon, decay, clipping, average);
            case AdamW(var rate, var beta1, var beta2, var epsilon, var decay, var clipping, var average) ->
                adam("AdamW", rate, beta1, beta2, epsilon, decay, clipping, average);
        };
    }

    private static Map<String, Object> adam(Object... typeAndSettings) {
        return map("type learningRate beta1 beta2 epsilon weightDecay clipping average", typeAndSettings);
    }

    private static Map<String, Object> components(Schedule schedule) {
        return switch (schedule) {
            case Schedule.Constant(var rate) -> map("type rate", "Constant", rate);
            case Schedule.Steps(var boundaries, var values) ->
                map("type boundaries values", "Steps", boundaries, values);
            case Schedule.Exponential(var rate, var steps, var factor, var staircase) ->
                map("type rate steps factor staircase", "Exponential", rate, steps, factor, staircase);
            case Schedule.Cosine(var rate, var steps, var alpha) ->
                map("type rate steps alpha", "Cosine", rate, steps, alpha);
            case Schedule.OneCycle(var peak, var steps, var rise, var start, var end) ->
                map("type peak steps rise start end", "OneCycle", peak, steps, rise, start, end);
            case Schedule.WarmUp(var next, var steps, var from) ->
                map("type next steps from", "WarmUp", next, steps, from);
            case Schedule.Sequence(var first, var steps, var next) ->
                map("type first steps next", "Sequence", first, steps, next);
            case Schedule.Scaled(var of, var factor) -> map("type of factor", "Scaled", of, factor);
        };
    }

    private static Map<String, Object> components(Clipping clipping) {
        return switch (clipping) {
            case Clipping.None() -> map("type", "None");
            case Clipping.ByValue(var limit) -> map("type limit", "ByValue", limit);
            case Clipping.ByNorm(var limit) -> map("type limit", "ByNorm", limit);
            case Clipping.ByGlobalNorm(var limit) -> map("type limit", "ByGlobalNorm", limit);
        };
    }

    /** Values under keys in one string. */
    private static Map<String, Object> map(String keys, Object... values) {
        var map = new LinkedHashMap<String, Object>();
        String[] each = keys.split(" ");
        for (int i = 0; i < each.length; i++) {
            map.put(each[i], write(values[i]));
        }
        return map;
    }

    // ---- reading ----

    static Optimizer optimizer(Fields f) {
        return switch (f.text("type")) {
            case "Sgd" ->
                new Sgd(
                        schedule(f, "learningRate"),
                        real(f, "momentum"),
                        f.flag("nesterov"),
                        weightDecay(f),
                        clipping(f),
                        real(f, "average"));
            case "RmsProp" ->
                new RmsProp(
                        schedule(f, "learningRate"),
                        real(f, "rho"),
                        real(f, "momentum"),
                        real(f, "epsilon"),
                        f.flag("centered"),
                        weightDecay(f),
                        clipping(f),
                        real(f, "average"));
            case "Adam" ->
                new Adam(
                        schedule(f, "learningRate"),
                        real(f, "beta1"),
                        real(f, "beta2"),
                        real(f, "epsilon"),
                        weightDecay(f),
                        clipping(f),
                        real(f, "average"));
            case "AdamW" ->
                new AdamW(
                        schedule(f, "learningRate"),
                        real(f, "beta1"),
                        real(f, "beta2"),
                        real(f, "epsilon"),
                        weightDecay(f),
                        clipping(f),
                        real(f, "average"));
            default -> throw f.unknownType();
        };
    }

    static Loss loss(Fields f) {
        return switch (f.text("type")) {
            case "CategoricalCrossentropy" -> new CategoricalCrossentropy(f.flag("logits"), real(f, "labelSmoothing"));
            case "SparseCategoricalCrossentropy" ->
                new SparseCategoricalCrossentropy(f.flag("logits"), real(f, "labelSmoothing"));
            default -> throw f.unknownType();
        };
    }

    static Metric metric(Fields f) {
        return switch (f.text("type")) {
            case "Accuracy" -> new Metric.Accuracy();
            case "TopK" -> new Metric.TopK(integer(f, "k"));
            default -> throw f.unknownType();
        };
    }

    static Position position(Fields f) {
        return switch (f.text("type")) {
            case "Position" ->
                new Position(
                        integer(f, "epoch"),
                        count(f, "step"),
                        integer(f, "batches"),
                        count(f, "samples"),
                        real(f, "lossSum"),
                        reals(f, "metricSums"));
            default -> throw f.unknownType();
        };
    }

    private static Schedule schedule(Fields f, String key) {
        return f.fields(key).read(RecordConfig::toSchedule);
    }

    private static Schedule toSchedule(Fields f) {
        return switch (f.text("type")) {
            case "Constant" -> new Schedule.Constant(real(f, "rate"));
            case "Steps" -> new Schedule.Steps(counts(f, "boundaries"), reals(f, "values"));
            case "Exponential" ->
                new Schedule.Exponential(real(f, "rate"), count(f, "steps"), real(f, "factor"), f.flag("staircase"));
            case "Cosine" -> new Schedule.Cosine(real(f, "rate"), count(f, "steps"), real(f, "alpha"));
            case "OneCycle" ->
                new Schedule.OneCycle(
                        real(f, "peak"), count(f, "steps"), real(f, "rise"), real(f, "start"), real(f, "end"));
            case "WarmUp" -> new Schedule.WarmUp(schedule(f, "next"), count(f, "steps"), real(f, "from"));
            case "Sequence" -> new Schedule.Sequence(schedule(f, "first"), count(f, "steps"), schedule(f, "next"));
            case "Scaled" -> new Schedule.Scaled(schedule(f, "of"), real(f, "factor"));
            default -> throw f.unknownType();
        };
    }

    private static WeightDecay weightDecay(Fields optimizer) {
        return optimizer.fields("weightDecay").read(f -> switch (f.text("type")) {
            case "WeightDecay" -> new WeightDecay(real(f, "rate"), f.texts("except"));
            default -> throw f.unknownType();
        });
    }

    private static Clipping clipping(Fields optimizer) {
        return optimizer.fields("clipping").read(f -> switch (f.text("type")) {
            case "None" -> new Clipping.None();
            case "ByValue" -> new Clipping.ByValue(real(f, "limit"));
            case "ByNorm" -> new Clipping.ByNorm(real(f, "limit"));
            case "ByGlobalNorm" -> new Clipping.ByGlobalNorm(real(f, "limit"));
            default -> throw f.unknownType();
        });
    }

    private static double real(Fields f, String key) {
        return number(f.get(key), f.path(key));
    }

    private static long count(Fields f, String key) {
        return integer(f.get(key), Long.MAX_VALUE, f.path(key));
    }

    private static int integer(Fields f, String key) {
        return (int) integer(f.get(key), Integer.MAX_VALUE, f.path(key));
    }

    private static List<Double> reals(Fields f, String key) {
        var list = new ArrayList<Double>();
        for (Object data : f.list(key)) {
            list.add(number(data, f.path(key)));
        }
        return list;
    }

    private static List<Long> counts(Fields f, String key) {
        var list = new ArrayList<Long>();
        for (Object data : f.list(key)) {
            list.add(integer(data, Long.MAX_VALUE, f.path(key)));
        }
        return list;
    }

    /** Where JSON cannot write a number, it is a text. */
    static double number(Object data, String where) {
        return switch (data) {
            case Number n -> n.doubleValue();
            case String s
            when s.equals("NaN") || s.equals("Infinity") || s.equals("-Infinity") -> Double.parseDouble(s);
            case null, default -> throw Fields.error(where, "must be a number, not " + data);
        };
    }

    static long integer(Object data, long max, String where) {
        if (data instanceof Long n && n >= 0 && n <= max) {
            return n;
        }
        throw Fields.error(where, "must be an integer from 0 to " + max + ", not " + data);
    }
}
