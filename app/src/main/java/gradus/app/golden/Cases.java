package gradus.app.golden;

import gradus.backend.BackendProvider.Precision;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** How the cases of one group are computed and compared. */
@FunctionalInterface
interface Cases {
    /** @throws gradus.tensor.GradusException if the case cannot be run; that is a failure of the case */
    List<Check> run(GoldenCase c, Manifest manifest, Engine engine);

    /** Computes expected tensors by name. */
    @FunctionalInterface
    interface Computation {
        Map<String, Tensor> compute(GoldenCase c, Engine engine);
    }

    /** Cases whose expected tensors are each compared under the tolerance of their row in the manifest. */
    static Cases byManifest(Computation computation) {
        return (c, manifest, engine) -> {
            Map<String, Manifest.Row> rows = manifest.rows(c.file());
            return compare(c, rows, computation.compute(c, engine), engine.precision());
        };
    }

    /** Every expected tensor needs a row and a result, every row an expected tensor: nothing passes by being absent. */
    static List<Check> compare(
            GoldenCase c, Map<String, Manifest.Row> rows, Map<String, Tensor> results, Precision precision) {
        for (String name : rows.keySet()) {
            if (!c.has(name + GoldenCase.TRUTH)) {
                throw new GoldenException(
                        Manifest.FILE + " lists tensor " + name + ", the file has no " + name + GoldenCase.TRUTH);
            }
        }
        var checks = new ArrayList<Check>();
        for (String name : c.expected()) {
            Manifest.Row row = rows.get(name);
            if (row == null) {
                throw new GoldenException(Manifest.FILE + " has no tolerance for tensor " + name + " of this file");
            }
            Tensor result = results.get(name);
            if (result == null) {
                throw new GoldenException("do not know how to compute tensor " + name);
            }
            checks.add(Check.of(name, c.truth(name), result, row.bound(precision)));
        }
        if (checks.isEmpty()) {
            throw new GoldenException("the file expects nothing: no tensor is named NAME" + GoldenCase.TRUTH);
        }
        return checks;
    }
}
