package gradus.backend;

import gradus.tensor.GradusException;

/**
 * A function of one number, applied to every element: activations and the few elementary functions that losses and
 * optimizers need. Each has its formula, its derivative, and says what the derivative is computed from.
 *
 * <p>{@code derivative(z)} receives the function's <em>result</em> where {@link #fromResult()} is true, so that the input
 * need not be kept, else its <em>input</em>. Names and defaults follow Keras.
 */
public sealed interface ScalarFunction {
    double apply(double x);

    /** dy/dx, given the result or the input as {@link #fromResult()} says. */
    double derivative(double z);

    /** Whether {@link #derivative} is given the result (true) or the input (false). */
    boolean fromResult();

    /** max(x, 0). NaN stays NaN; the derivative at 0 is 0. */
    record Relu() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x <= 0 ? 0 : x;
        }

        @Override
        public double derivative(double y) {
            return y <= 0 ? 0 : 1;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** min(max(x, 0), 6). */
    record Relu6() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x <= 0 ? 0 : x >= 6 ? 6 : x;
        }

        @Override
        public double derivative(double y) {
            return y <= 0 || y >= 6 ? 0 : 1;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** x for x > 0, else alpha x; alpha must not be negative, so that the sign of the result tells the branch. */
    record LeakyRelu(double alpha) implements ScalarFunction {
        public LeakyRelu {
            if (!(alpha >= 0)) {
                throw new GradusException("LeakyRelu: alpha must not be negative, not " + alpha);
            }
        }

        @Override
        public double apply(double x) {
            return x <= 0 ? alpha * x : x;
        }

        @Override
        public double derivative(double y) {
            return y <= 0 ? alpha : 1;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** x for x > 0, else alpha (e^x - 1). */
    record Elu(double alpha) implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x <= 0 ? alpha * Math.expm1(x) : x;
        }

        @Override
        public double derivative(double x) {
            return x <= 0 ? alpha * Math.exp(x) : 1;
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }

    /** x Phi(x) with the normal distribution function Phi(x) = erfc(-x / sqrt 2) / 2 (Hendrycks and Gimpel, 2016). */
    record Gelu() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return 0.5 * x * Erf.erfc(-x * Math.sqrt(0.5)); // 1 + erf would cancel below 0
        }

        @Override
        public double derivative(double x) {
            return 0.5 * Erf.erfc(-x * Math.sqrt(0.5)) + x * Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }

    /** x / (1 + e^-x), also called swish. */
    record Silu() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x / (1 + Math.exp(-x));
        }

        @Override
        public double derivative(double x) {
            double s = 1 / (1 + Math.exp(-x));
            return s * (1 + x * (1 - s));
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }

    /** 1 / (1 + e^-x). */
    record Sigmoid() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return 1 / (1 + Math.exp(-x));
        }

        @Override
        public double derivative(double y) {
            return y * (1 - y);
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** tanh x. */
    record Tanh() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return Math.tanh(x);
        }

        @Override
        public double derivative(double y) {
            return 1 - y * y;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** e^x. */
    record Exp() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return Math.exp(x);
        }

        @Override
        public double derivative(double y) {
            return y;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** ln x. */
    record Log() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return Math.log(x);
        }

        @Override
        public double derivative(double x) {
            return 1 / x;
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }

    /** sqrt x. */
    record Sqrt() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return Math.sqrt(x);
        }

        @Override
        public double derivative(double y) {
            return 0.5 / y;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** x^2. */
    record Square() implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x * x;
        }

        @Override
        public double derivative(double x) {
            return 2 * x;
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }

    /** scale x + shift. */
    record Affine(double scale, double shift) implements ScalarFunction {
        @Override
        public double apply(double x) {
            return scale * x + shift;
        }

        @Override
        public double derivative(double y) {
            return scale;
        }

        @Override
        public boolean fromResult() {
            return true;
        }
    }

    /** min(max(x, low), high); the derivative is 1 from low to high, both included, as in TensorFlow. */
    record Clip(double low, double high) implements ScalarFunction {
        @Override
        public double apply(double x) {
            return x < low ? low : x > high ? high : x;
        }

        @Override
        public double derivative(double x) {
            return x < low || x > high ? 0 : 1;
        }

        @Override
        public boolean fromResult() {
            return false;
        }
    }
}
