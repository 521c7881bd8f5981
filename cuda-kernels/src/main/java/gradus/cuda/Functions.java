package gradus.cuda;

import gradus.backend.ScalarFunction;

/** {@link ScalarFunction}s as the kernels number them. */
final class Functions {
    private Functions() {}

    /** Number and parameters of a function. */
    record Code(int code, double p, double q) {
        static final Code NONE = new Code(-1, 0, 0);
    }

    /** The code of f, or of the identity for null. */
    static Code of(ScalarFunction f) {
        return switch (f) {
            case null -> Code.NONE;
            case ScalarFunction.Relu() -> new Code(0, 0, 0);
            case ScalarFunction.Relu6() -> new Code(1, 0, 0);
            case ScalarFunction.LeakyRelu(double alpha) -> new Code(2, alpha, 0);
            case ScalarFunction.Elu(double alpha) -> new Code(3, alpha, 0);
            case ScalarFunction.Gelu() -> new Code(4, 0, 0);
            case ScalarFunction.Silu() -> new Code(5, 0, 0);
            case ScalarFunction.Sigmoid() -> new Code(6, 0, 0);
            case ScalarFunction.Tanh() -> new Code(7, 0, 0);
            case ScalarFunction.Exp() -> new Code(8, 0, 0);
            case ScalarFunction.Log() -> new Code(9, 0, 0);
            case ScalarFunction.Sqrt() -> new Code(10, 0, 0);
            case ScalarFunction.Square() -> new Code(11, 0, 0);
            case ScalarFunction.Affine(double scale, double shift) -> new Code(12, scale, shift);
            case ScalarFunction.Clip(double low, double high) -> new Code(13, low, high);
        };
    }
}
