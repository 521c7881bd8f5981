package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.tensor.GradusException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CudaExceptionTest {
    /** Every code there may be: a typed exception with call, code, meaning and what to do. */
    @Test
    void everyCode() {
        assertDoesNotThrow(() -> CudaException.check("cuInit", 0));
        IntStream.rangeClosed(1, 1000).forEach(code -> {
            var e = assertThrows(CudaException.class, () -> CudaException.check("cuSomething", code));
            assertInstanceOf(GradusException.class, e);
            assertEquals(code, e.code());
            assertEquals("cuSomething", e.call());
            assertEquals(code == 2, e instanceof DeviceMemoryException);
            assertTrue(e.getMessage().startsWith("cuSomething: CUDA_ERROR_"), e::getMessage);
            assertTrue(e.getMessage().contains("(" + code + "): "), e::getMessage);
            assertTrue(e.getMessage().contains("; "), e::getMessage);
        });
    }

    @Test
    void namesOfTheDriver() {
        assertMessage(2, "OUT_OF_MEMORY", "smaller batch");
        assertMessage(100, "NO_DEVICE", "nvidia-smi");
        assertMessage(222, "UNSUPPORTED_PTX_VERSION", "newer NVIDIA driver");
        assertMessage(700, "ILLEGAL_ADDRESS", "end the program");
    }

    private static void assertMessage(int code, String... parts) {
        String text = assertThrows(CudaException.class, () -> CudaException.check("c", code))
                .getMessage();
        for (String part : parts) {
            assertTrue(text.contains(part), text);
        }
    }
}
