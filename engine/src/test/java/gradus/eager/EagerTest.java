package gradus.eager;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import org.junit.jupiter.api.Test;

class EagerTest {
    private final Eager<?> eager = new Eager<>(Backends.open("reference", new Options(1, Precision.FLOAT64)));

    private Variable leaf(double... v) {
        return eager.leaf(Tensor.of(Shape.of(v.length), v));
    }

    @Test
    void derivativesOfLeaves() {
        Variable x = leaf(1, 2, 3);
        Variable w = leaf(4, 5, 6);
        x.times(w).sum().backward();
        assertArrayEquals(new double[] {4, 5, 6}, x.grad().doubles());
        assertArrayEquals(new double[] {1, 2, 3}, w.grad().doubles());
    }

    /** The lines of the README, and the rest of what can be written without naming an op. */
    @Test
    void asItIsWritten() {
        Eager<?> before = Eager.shared();
        try {
            Eager.shared(eager);
            var w = Eager.variable(Tensor.of(Shape.of(3, 1), 1f, 0f, -1f));
            var x = Eager.tensor(Tensor.of(Shape.of(2, 3), 1f, 2f, 3f, 9f, 5f, 7f));
            var z = x.matMul(w).relu(); // (1 - 3, 9 - 7): the first row passes nothing back
            z.sum().backward();
            assertEquals(Tensor.of(Shape.of(3, 1), 9.0, 5, 7), w.grad());
            assertNull(x.grad());
            var image = Eager.tensor(Tensor.of(Shape.of(1, 2, 2, 1), 1.0, 2, 3, 4));
            var kernel = Eager.variable(Tensor.of(Shape.of(2, 2, 1, 1), 1.0, 10, 100, 1000));
            assertEquals(4321, Eager.conv2d(image, kernel).value().item());
        } finally {
            Eager.shared(before);
        }
        Variable a = leaf(1, 2, 4);
        Variable b = leaf(2, 4, 5);
        a.minus(b).dividedBy(b).mean().backward(); // a / b - 1
        assertArrayEquals(new double[] {1 / 6.0, 1 / 12.0, 1 / 15.0}, a.grad().doubles(), 1e-15);
        assertArrayEquals(
                new double[] {-1 / 12.0, -2 / 48.0, -4 / 75.0}, b.grad().doubles(), 1e-15);
        Variable odds = eager.leaf(Tensor.of(Shape.of(1, 2), 0, Math.log(3)));
        assertArrayEquals(new double[] {0.25, 0.75}, odds.softmax().value().doubles(), 1e-15);
        assertArrayEquals(
                new double[] {Math.log(0.25), Math.log(0.75)},
                odds.logSoftmax().value().doubles(),
                1e-15);
        assertEquals(Shape.of(3, 1), a.reshape(3, 1).shape());
    }

    @Test
    void derivativesAddUpUntilForgotten() {
        Variable x = leaf(3);
        x.times(x).sum().backward();
        x.times(2).sum().backward();
        assertEquals(8, x.grad().item());
        x.zeroGrad();
        assertNull(x.grad());
    }

    /** A value read twice gets both parts; a long chain does not exhaust the call stack. */
    @Test
    void deepChains() {
        Variable x = leaf(1);
        Variable y = x;
        for (int i = 0; i < 20_000; i++) {
            y = i % 2 == 0 ? y.times(0.5) : y.plus(y);
        }
        y.sum().backward();
        assertEquals(1, x.grad().item());
    }

    @Test
    void constantsCollectNothing() {
        Variable c = eager.constant(Tensor.of(Shape.of(1), 2.0));
        Variable x = leaf(3);
        x.times(c).sum().backward();
        assertNull(c.grad());
        assertEquals(2, x.grad().item());
    }

    @Test
    void onlyScalarsAndOnlyOwnVariables() {
        assertThrows(GradusException.class, () -> leaf(1, 2).backward());
        var other = new Eager<>(eager.backend());
        assertThrows(GradusException.class, () -> leaf(1).plus(other.leaf(Tensor.of(Shape.of(1), 1.0))));
    }
}
