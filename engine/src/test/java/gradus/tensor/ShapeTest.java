package gradus.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ShapeTest {
    @Test
    void printsLikeATuple() {
        assertEquals("()", Shape.SCALAR.toString());
        assertEquals("(5,)", Shape.of(5).toString());
        assertEquals("(2, 3)", Shape.of(2, 3).toString());
    }

    @Test
    void sizeIsChecked() {
        assertThrows(ShapeException.class, () -> Shape.of(-1));
        assertThrows(ShapeException.class, () -> Shape.of(65536, 65536));
        assertThrows(ShapeException.class, () -> Shape.of(1 << 30, 1 << 30, 1 << 30));
        assertEquals(0, Shape.of(3, 0).size());
        assertEquals(0, Shape.of(65536, 65536, 0).size());
    }

    @Test
    void broadcasting() {
        assertEquals(Shape.of(4, 3), Shape.broadcast(Shape.of(4, 1), Shape.of(3)));
        assertEquals(Shape.of(2), Shape.broadcast(Shape.SCALAR, Shape.of(2)));
        var e = assertThrows(ShapeException.class, () -> Shape.broadcast(Shape.of(2, 3), Shape.of(4)));
        assertTrue(e.getMessage().contains("(2, 3)") && e.getMessage().contains("(4,)"));
        assertArrayEquals(new int[] {0, 1, 0}, Shape.of(5, 1).stridesAs(Shape.of(7, 5, 9)));
    }

    @Test
    void negativeAxesCountFromTheEnd() {
        assertEquals(3, Shape.of(2, 3).dim(-1));
        assertThrows(ShapeException.class, () -> Shape.of(2, 3).dim(2));
    }
}
