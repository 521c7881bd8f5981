package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Gives a model the tensors of a file: all of them are compared before one is read. */
final class Weights {
    private Weights() {}

    /** How a tensor of a file becomes a weight. */
    enum Layout {
        /** As it is, float64 if it is that. */
        OWN,
        /** As it is, in float32. */
        SAME,
        /** Another shape, the same order of values. */
        RESHAPED,
        /** (out, in, h, w) to (h, w, in, out): a convolution kernel of PyTorch and ONNX. */
        OIHW,
        /** (out, in) to (in, out): a dense kernel of PyTorch. */
        OI,
        /** (out, c, h, w) to (h w c, out): a dense kernel of PyTorch behind maps with their channels first. */
        OCHW,
        /** (c, h w, out) to (h w c, out): the same transposed. */
        CHWO;

        Shape shape(Shape s, Shape wanted) {
            return switch (this) {
                case OWN, SAME -> s;
                case RESHAPED -> s.size() == wanted.size() ? wanted : s;
                case OIHW -> s.rank() == 4 ? Shape.of(s.dim(2), s.dim(3), s.dim(1), s.dim(0)) : s;
                case OI -> s.rank() == 2 ? Shape.of(s.dim(1), s.dim(0)) : s;
                case OCHW -> s.rank() == 4 ? Shape.of(s.dim(1) * s.dim(2) * s.dim(3), s.dim(0)) : s;
                case CHWO -> s.rank() == 3 ? Shape.of(s.dim(0) * s.dim(1), s.dim(2)) : s;
            };
        }

        Tensor apply(Tensor t, Shape wanted) {
            return switch (this) {
                case OWN -> t;
                case SAME, RESHAPED -> t.dtype() == DType.F32 ? t.reshape(wanted) : Tensor.of(wanted, t.floats());
                case OIHW -> transposed(t, wanted, wanted.dim(3), wanted.dim(2), wanted.dim(0) * wanted.dim(1));
                case OI -> transposed(t, wanted, wanted.dim(1), wanted.dim(0), 1);
                case OCHW -> {
                    Shape s = t.shape();
                    yield transposed(t, wanted, s.dim(0), s.dim(1), s.dim(2) * s.dim(3));
                }
                case CHWO -> Tensor.of(wanted, rows(t));
            };
        }

        /** (c, p, o) to (p, c, o). */
        private static float[] rows(Tensor t) {
            int c = t.shape().dim(0);
            int pixels = t.shape().dim(1);
            int out = t.shape().dim(2);
            float[] x = t.floats();
            var y = new float[x.length];
            for (int i = 0; i < c; i++) {
                for (int p = 0; p < pixels; p++) {
                    System.arraycopy(x, (i * pixels + p) * out, y, (p * c + i) * out, out);
                }
            }
            return y;
        }

        private static Tensor transposed(Tensor t, Shape wanted, int out, int in, int taps) {
            if (t.bytes() == 0) { // not read yet
                return Tensor.of(wanted, (y, at) -> {
                    var x = new float[wanted.size()];
                    t.copyTo(x, 0);
                    transpose(x, out, in, taps, y, at);
                });
            }
            var y = new float[wanted.size()];
            transpose(t.floats(), out, in, taps, y, 0);
            return Tensor.of(wanted, y);
        }

        /** (o, i, k) to (k, i, o). */
        private static void transpose(float[] x, int out, int in, int taps, float[] y, int at) {
            for (int k = 0; k < taps; k++) {
                for (int i = 0; i < in; i++) {
                    int to = at + (k * in + i) * out;
                    for (int o = 0, from = i * taps + k; o < out; o++, from += in * taps) {
                        y[to + o] = x[from];
                    }
                }
            }
        }

        /** The way back. */
        static float[] back(Tensor t, int out, int in, int taps) {
            float[] x = t.floats();
            var y = new float[x.length];
            for (int k = 0; k < taps; k++) {
                for (int i = 0; i < in; i++) {
                    int from = (k * in + i) * out;
                    for (int o = 0, to = i * taps + k; o < out; o++, to += in * taps) {
                        y[to] = x[from + o];
                    }
                }
            }
            return y;
        }
    }

    /**
     * Where a weight comes from.
     *
     * @param as the tensor's shape, if another than in the file is meant
     */
    record Link(String tensor, Layout layout, Shape as) {
        Link(String tensor, Layout layout) {
            this(tensor, layout, null);
        }

        private Shape shape(TensorSource tensors) {
            return as == null ? tensors.shape(tensor) : as;
        }

        private Tensor read(TensorSource tensors, Shape wanted) {
            Tensor t = tensors.read(tensor);
            return layout.apply(as == null ? t : t.reshape(as), wanted);
        }
    }

    /**
     * Sets every weight of a model.
     *
     * @param links by name of the weight
     * @param ignored tensors that are known to be of no use
     * @throws FormatException with the report, if a weight has no tensor or one of another shape
     */
    static Report assign(
            String source, Model model, TensorSource tensors, Map<String, Link> links, Set<String> ignored) {
        var matched = new ArrayList<Report.Match>();
        var missing = new ArrayList<String>();
        var misfits = new ArrayList<Report.Misfit>();
        Set<String> unmatched = new LinkedHashSet<>(tensors.names());
        unmatched.removeAll(ignored);
        List<ModelWeight> weights = model.weightList();
        for (ModelWeight w : weights) {
            Link link = links.get(w.name());
            if (link == null && w.initializer() instanceof KerasLayers.Fixed) {
                continue;
            }
            if (link == null || !tensors.names().contains(link.tensor)) {
                missing.add(w.name());
                continue;
            }
            unmatched.remove(link.tensor);
            Shape found = link.layout.shape(link.shape(tensors), w.shape());
            if (found.equals(w.shape())) {
                matched.add(new Report.Match(link.tensor, w.name(), found));
            } else {
                misfits.add(new Report.Misfit(link.tensor, w.name(), found, w.shape()));
            }
        }
        var notNeeded = new ArrayList<>(tensors.names());
        notNeeded.retainAll(ignored);
        var report = new Report(matched, notNeeded, List.copyOf(unmatched), missing, misfits, List.of());
        if (!report.complete()) {
            throw new FormatException(source + ": its tensors do not fit the model: " + report.text(10), -1);
        }
        var values = new LinkedHashMap<String, Tensor>();
        Map<List<?>, Tensor> read =
                new HashMap<>(); // or a small file could have one large tensor read for each of many layers
        for (ModelWeight w : weights) {
            Link link = links.get(w.name());
            if (link == null) { // said by the configuration
                values.put(w.name(), w.initializer().initialize(w.shape(), DType.F32, 0));
                continue;
            }
            try {
                values.put(
                        w.name(), read.computeIfAbsent(List.of(link, w.shape()), _ -> link.read(tensors, w.shape())));
            } catch (FormatException e) {
                throw e;
            } catch (GradusException e) {
                throw new FormatException(source + ": tensor '" + link.tensor + "': " + e.getMessage(), -1, e);
            }
        }
        model.setWeights(values);
        return report;
    }
}
