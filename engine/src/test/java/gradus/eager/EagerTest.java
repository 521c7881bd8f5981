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
