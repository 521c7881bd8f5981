package gradus.app.golden;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Precision;
import gradus.tensor.DType;

/**
 * What the cases are run on.
 *
 * @param fused whether graphs pass through {@link gradus.graph.Fuse} first, as in training and inference
 */
record Engine(Backend<?> backend, Precision precision, boolean fused) {
    boolean isDouble() {
        return precision == Precision.FLOAT64;
    }

    DType dtype() {
        return isDouble() ? DType.F64 : DType.F32;
    }
}
