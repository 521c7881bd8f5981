package gradus.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class ImageNetTest {
    /** Classes that everybody knows by number, and that there are a thousand different ids. */
    @Test
    void namesAndIds() {
        assertEquals(1000, ImageNet.names().size());
        assertEquals("tench", ImageNet.names().get(0));
        assertEquals("n01440764", ImageNet.wordNetIds().get(0));
        assertEquals("tiger_cat", ImageNet.names().get(282));
        assertEquals("n02123159", ImageNet.wordNetIds().get(282));
        assertEquals("n15075141", ImageNet.wordNetIds().get(999));
        assertEquals(ImageNet.wordNetIds().stream().sorted().distinct().toList(), ImageNet.wordNetIds());
    }

    @Test
    void predictionsFallAndEqualOnesKeepTheirOrder() {
        var p = new float[2000];
        p[7] = 0.2f;
        p[3] = 0.2f;
        p[282] = 0.6f;
        p[1000 + 999] = 1;
        List<List<ImageNet.Prediction>> named = ImageNet.decodePredictions(Tensor.of(Shape.of(2, 1000), p), 3);
        assertEquals(
                List.of(282, 3, 7),
                named.get(0).stream().map(ImageNet.Prediction::index).toList());
        assertEquals(
                new ImageNet.Prediction(282, "n02123159", "tiger_cat", 0.6f),
                named.get(0).getFirst());
        assertEquals("n15075141", named.get(1).getFirst().wordNetId());
        assertThrows(ShapeException.class, () -> ImageNet.decodePredictions(Tensor.of(Shape.of(1, 3), 1f, 2f, 3f), 1));
    }
}
