package gradus.train;

import java.util.Map;

/**
 * What a model scored on data that it did not learn from.
 *
 * @param samples how many there were
 * @param loss mean loss, and as in Keras the penalties of layers with an L2 regularizer
 * @param metrics metric name to value
 * @param confusion actual against predicted classes, or null if the predictions are not {@code (n, classes)} with at most 4096
 *     classes, or targets are no classes
 */
public record Evaluation(long samples, double loss, Map<String, Double> metrics, ConfusionMatrix confusion) {
    /** @throws TrainingException if accuracy is not among the metrics */
    public double accuracy() {
        Double a = metrics.get("accuracy");
        if (a == null) {
            throw new TrainingException("accuracy was not measured; compile with new Metric.Accuracy()");
        }
        return a;
    }
}
