package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class NativeLibraryTest {
    private static final byte[] LIBRARY = {1, 2, 3};

    private static String sha256() throws NoSuchAlgorithmException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(LIBRARY));
    }

    /** JCuda finds the library in a folder of its own that nobody else can enter, and nothing is left afterwards. */
    @Test
    void privateFolder() throws IOException, NoSuchAlgorithmException {
        String before = System.getProperty("java.io.tmpdir");
        Path folder = NativeLibrary.withBinding(LIBRARY, sha256(), () -> {
            Path where = Path.of(System.getProperty("java.io.tmpdir"));
            try {
                assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(where)));
                assertEquals(3, Files.size(where.resolve(NativeLibrary.BINDING)));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
            return where;
        });
        assertFalse(Files.exists(folder));
        assertEquals(before, System.getProperty("java.io.tmpdir"));
        assertTrue(folder.startsWith(before));
    }

    @Test
    void changedLibraryIsNotLoaded() {
        String before = System.getProperty("java.io.tmpdir");
        var e = assertThrows(
                BackendException.class,
                () -> NativeLibrary.withBinding(LIBRARY, "0".repeat(64), () -> {
                    throw new AssertionError("must not be reached");
                }));
        assertTrue(e.getMessage().contains("SHA-256"), e::getMessage);
        assertEquals(before, System.getProperty("java.io.tmpdir"));
    }

    @Test
    void whatCannotBeLinkedIsAnException() {
        var e = assertThrows(
                BackendException.class,
                () -> NativeLibrary.withBinding(LIBRARY, sha256(), () -> {
                    throw new UnsatisfiedLinkError("libcuda.so.1: cannot open\nmore");
                }));
        assertTrue(e.getMessage().endsWith("libcuda.so.1: cannot open"), e::getMessage);
    }

    @Test
    void noDriver() {
        String before = System.setProperty(NativeLibrary.DRIVER_PROPERTY, "/nowhere/libcuda.so.1");
        try {
            String why = NativeLibrary.driverMissing().orElseThrow();
            assertTrue(why.contains("there is no NVIDIA driver") && why.contains("install"), why);
            assertEquals(1, why.lines().count());
        } finally {
            if (before == null) {
                System.clearProperty(NativeLibrary.DRIVER_PROPERTY);
            } else {
                System.setProperty(NativeLibrary.DRIVER_PROPERTY, before);
            }
        }
    }
}
