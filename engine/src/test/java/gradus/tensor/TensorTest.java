package gradus.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class TensorTest {
    private int reads;

    private final Tensor unread = Tensor.of(Shape.of(2, 2), (y, at) -> {
        reads++;
        for (int i = 0; i < 4; i++) {
            y[at + i] = i + 1;
        }
    });

    @Test
    void valuesOfASourceAreKeptOnlyByThoseWhoAskForThem() {
        assertEquals(0, unread.bytes());
        var y = new float[6];
        unread.copyTo(y, 1);
        unread.copyTo(y, 2);
        assertArrayEquals(new float[] {0, 1, 1, 2, 3, 4}, y);
        assertEquals(2, reads);
        assertEquals(0, unread.bytes());
        assertEquals(4, unread.get(3));
        assertSame(unread.floats(), unread.floats());
        unread.copyTo(y, 0);
        assertEquals(3, reads);
        assertEquals(16, unread.bytes());
    }

    @Test
    void aTensorWithASourceIsLikeOneWithAnArray() {
        Tensor plain = Tensor.of(Shape.of(2, 2), 1f, 2f, 3f, 4f);
        assertEquals(DType.F32, unread.dtype());
        assertEquals(plain.toString(), unread.toString());
        assertEquals(plain, unread);
        assertEquals(unread, plain);
        assertEquals(plain.hashCode(), unread.hashCode());
        assertNotEquals(Tensor.of(Shape.of(2, 2), 1.0, 2, 3, 4), unread);
        assertArrayEquals(plain.doubles(), unread.doubles());
        assertEquals(1, reads, "a reshaped tensor shares what was read");
        assertEquals(plain.reshape(4), unread.reshape(4));
        assertEquals(1, reads);
        assertThrows(ShapeException.class, () -> unread.reshape(3));
    }

    @Test
    void copiesRoundToFloat() {
        var y = new float[3];
        Tensor.of(Shape.of(2), 0.1, 1e300).copyTo(y, 1);
        assertArrayEquals(new float[] {0, 0.1f, Float.POSITIVE_INFINITY}, y);
    }
}
