package gradus.app.golden;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Precision;
import gradus.tensor.DType;

/** What the cases are run on. */
record Engine(Backend<?> backend, Precision precision) {
    boolean isDouble() {
        return precision == Precision.FLOAT64;
    }

    DType dtype() {
        return isDouble() ? DType.F64 : DType.F32;
    }
}
