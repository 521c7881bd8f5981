package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernels' code is there for every device, and says what launches need to know. */
class PtxTest {
    @ParameterizedTest
    @ValueSource(ints = {75, 80, 86, 87, 89, 90, 100, 103, 120, 121})
    void everyModuleForEveryDevice(int capability) {
        for (String module : Kernels.MODULES) {
            for (String precision :
                    capability < 80 ? new String[] {".float32"} : new String[] {".float32", ".tf32", ".bf16"}) {
                Ptx ptx = Ptx.load(Kernels.resourceName(module, precision), capability);
                assertNotNull(ptx, () -> module + precision + " on " + capability);
                assertTrue(ptx.text().contains(".target sm_"), ptx.name());
                assertTrue(ptx.driverNeeded() <= 13_000, () -> ptx.name() + " needs CUDA " + ptx.driverNeeded());
                assertTrue(ptx.signatures().size() > 1, ptx.name());
            }
        }
    }

    /** The sources are those that compile.sh wrote the PTX from. */
    @Test
    void fresh() throws IOException, NoSuchAlgorithmException {
        Path folder = Path.of("src", "main", "cuda");
        var digest = MessageDigest.getInstance("SHA-256");
        try (var files = Files.list(folder)) {
            List<Path> sources = files.filter(f -> f.toString().matches(".*[.]cuh?"))
                    .sorted(Comparator.comparing(f -> f.getFileName().toString()))
                    .toList();
            assertTrue(sources.size() > 10, sources::toString);
            for (Path source : sources) {
                digest.update(Files.readAllBytes(source));
            }
        }
        try (var in = Ptx.class.getResourceAsStream("ptx/sources.sha256")) {
            assertEquals(
                    new String(in.readAllBytes(), StandardCharsets.US_ASCII).strip(),
                    HexFormat.of().formatHex(digest.digest()),
                    "the PTX is of other sources: run cuda-kernels/compile.sh and commit");
        }
    }

    @Test
    void noneForOldDevices() {
        assertNull(Ptx.load("Elementwise", 70));
        assertNull(Ptx.load("MatMul.tf32", 75));
        assertNull(Ptx.load("Nothing", 90));
    }

    @Test
    void signatures() {
        var ptx = Ptx.parse("test", """
                // Generated
                .version 8.6
                .target sm_75
                .address_size 64
                .visible .entry fill(
                	.param .u32 fill_param_0,
                	.param .f32 fill_param_1,
                	.param .u64 .ptr .align 1 fill_param_2
                )
                { ret; }
                .visible .entry conv(
                	.param .align 4 .b8 conv_param_0[64],
                	.param .u64 conv_param_1
                )
                .maxntid 256
                { ret; }
                .visible .entry nothing()
                { ret; }
                """);
        assertEquals("ifl", ptx.signatures().get("fill"));
        assertEquals("[64]l", ptx.signatures().get("conv"));
        assertEquals("", ptx.signatures().get("nothing"));
        assertEquals(Set.of("fill", "conv", "nothing"), ptx.signatures().keySet());
        assertEquals(12_070, ptx.driverNeeded());
        assertThrows(BackendException.class, () -> Ptx.parse("test", "no code"));
    }

    @ParameterizedTest
    @CsvSource({"7.8, 11080", "8.0, 12000", "8.5, 12050", "8.6, 12070", "8.8, 12090", "9.0, 13000", "9.1, 13010"})
    void driverForAVersion(String version, int driver) {
        assertEquals(driver, Ptx.parse("test", ".version " + version + "\n").driverNeeded());
    }
}
