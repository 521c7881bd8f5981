package gradus.app;

import gradus.backend.Backend;
import gradus.data.BatchPipeline;
import gradus.data.DataSplit;
import gradus.data.Dataset;
import gradus.data.Preprocess;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.train.Evaluation;
import gradus.train.Metric;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;

/**
 * Accuracy and loss of a model on pictures that it did not learn from; the same for {@code train} and {@code evaluate}.
 */
record Judge(String data, Evaluation evaluation, List<String> labels) {
    private static final int BATCH = 32;

    /** The part that results are reported on: the test part, or without one the validation part. */
    static Dataset heldOut(DataSplit split, String data) {
        if (split.test().size() > 0) {
            return split.test();
        }
        if (split.validation().size() > 0) {
            return split.validation();
        }
        throw new UsageException("data set " + data + " has no pictures that are kept from training");
    }

    static Judge of(String data, Model model, Preprocess preprocess, Dataset pictures, Backend<?> backend) {
        var loss = SparseCategoricalCrossentropy.of();
        var training = Training.compile(model, Sgd.of(0), loss, List.of(new Metric.Accuracy()), backend);
        var evaluation = training.evaluate(BatchPipeline.evaluation(pictures, BATCH, preprocess));
        return new Judge(data, evaluation, pictures.labels());
    }

    void print(PrintWriter out, boolean details) {
        out.println(String.format(
                Locale.ROOT,
                "%s: accuracy %.2f %% of %d pictures, loss %.4f",
                data,
                100 * evaluation.accuracy(),
                evaluation.samples(),
                evaluation.loss()));
        if (details && evaluation.confusion() != null && labels.size() <= 20) {
            out.println();
            out.println("rows: what it is; columns: what it was taken for");
            out.print(evaluation.confusion().table(labels));
        }
    }

    /** One line: {@code {"data":"signs:d","n":120,"accuracy":0.975,"loss":0.1}}. */
    String json() {
        var map = new LinkedHashMap<String, Object>();
        map.put("data", data);
        map.put("n", evaluation.samples());
        map.put("accuracy", evaluation.accuracy());
        map.put("loss", evaluation.loss());
        return Json.write(map);
    }
}
