package gradus.importer;

import gradus.layers.Model;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Networks with weights as if they had been trained, and numbers to feed them. */
final class Nets {
    private Nets() {}

    /** Scales, shifts and statistics that differ from channel to channel. */
    static Model trained(Model model) {
        var random = new SplittableRandom(7);
        model.initialize(3, DType.F32);
        Map<String, Tensor> weights = model.weights();
        weights.forEach((name, w) -> {
            String leaf = name.substring(name.lastIndexOf('/') + 1);
            switch (leaf) {
                case "gamma", "moving_variance" -> model.setWeight(name, random(w.shape(), 0.5, 1.5, random));
                case "beta", "bias", "moving_mean" -> model.setWeight(name, random(w.shape(), -0.2, 0.2, random));
                default -> {}
            }
        });
        return model;
    }

    static Tensor inputs(Model model, int n) {
        Shape s = model.inputShapes().getFirst();
        return random(s.prepend(n), -1, 1, new SplittableRandom(11));
    }

    static Tensor random(Shape shape, double from, double to, SplittableRandom random) {
        var y = new float[shape.size()];
        for (int i = 0; i < y.length; i++) {
            y[i] = (float) random.nextDouble(from, to);
        }
        return Tensor.of(shape, y);
    }

    /** The largest difference between what two models yield. */
    static double difference(Model a, Model b) {
        Tensor x = inputs(a, 2);
        List<Tensor> p = a.predict(List.of(x));
        List<Tensor> q = b.predict(List.of(x));
        double worst = 0;
        for (int i = 0; i < p.size(); i++) {
            if (!p.get(i).shape().equals(q.get(i).shape())) {
                return Double.POSITIVE_INFINITY;
            }
            for (int k = 0; k < p.get(i).size(); k++) {
                worst = Math.max(worst, Math.abs(p.get(i).get(k) - q.get(i).get(k)));
            }
        }
        return worst;
    }
}
