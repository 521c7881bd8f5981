package gradus.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    @TempDir
    private Path directory;

    private Path file() {
        return directory.resolve("weights.safetensors");
    }

    @Test
    void writesAndReplaces() throws IOException {
        AtomicFile.write(file(), new byte[] {1});
        AtomicFile.write(file(), new byte[] {2, 3});
        assertArrayEquals(new byte[] {2, 3}, Files.readAllBytes(file()));
        assertNothingElse();
    }

    @Test
    void keepsTheOldFileWhenTheDiskFails() throws IOException {
        AtomicFile.write(file(), new byte[] {1});
        var e = assertThrows(
                FileException.class,
                () -> AtomicFile.write(file(), out -> {
                    out.write(new byte[1 << 20]);
                    throw new IOException("No space left on device");
                }));
        assertEquals("cannot write " + file() + ": No space left on device", e.getMessage());
        assertArrayEquals(new byte[] {1}, Files.readAllBytes(file()));
        assertNothingElse();
    }

    @Test
    void keepsTheOldFileWhenTheProgramFails() throws IOException {
        AtomicFile.write(file(), new byte[] {1});
        assertThrows(
                IllegalStateException.class,
                () -> AtomicFile.write(file(), out -> {
                    throw new IllegalStateException();
                }));
        assertArrayEquals(new byte[] {1}, Files.readAllBytes(file()));
        assertNothingElse();
    }

    @Test
    void leavesNothingWhereNoFileWas() throws IOException {
        assertThrows(
                FileException.class,
                () -> AtomicFile.write(file(), out -> {
                    throw new IOException();
                }));
        try (var files = Files.list(directory)) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void saysWhenThereIsNoPlace() {
        Path nowhere = directory.resolve("a/b");
        assertTrue(assertThrows(FileException.class, () -> AtomicFile.write(nowhere, new byte[0]))
                .getMessage()
                .contains("there is no directory"));
        assertThrows(FileException.class, () -> AtomicFile.write(directory, new byte[0]));
    }

    @Test
    void aRelativePathWithoutDirectoryWorks() {
        // refused or written, but never a NullPointerException for the missing parent
        assertThrows(FileException.class, () -> AtomicFile.write(Path.of(""), new byte[0]));
    }

    @Test
    void linksAreFollowed() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("weights.safetensors"));
        for (byte i = 0; i < 2; i++) { // first it leads nowhere
            AtomicFile.write(link, new byte[] {i});
            assertTrue(Files.isSymbolicLink(link));
            assertArrayEquals(new byte[] {i}, Files.readAllBytes(file()));
        }
        Path circle = Files.createSymbolicLink(directory.resolve("circle"), Path.of("circle"));
        assertTrue(assertThrows(FileException.class, () -> AtomicFile.write(circle, new byte[0]))
                .getMessage()
                .contains("leads back to itself"));
        Files.delete(link);
        Files.delete(circle);
        assertNothingElse();
    }

    @Test
    void permissionsStay() throws IOException {
        AtomicFile.write(file(), new byte[] {1});
        Set<PosixFilePermission> own = PosixFilePermissions.fromString("rw-------");
        Files.setPosixFilePermissions(file(), own);
        AtomicFile.write(file(), new byte[] {2});
        assertEquals(own, Files.getPosixFilePermissions(file()));
    }

    @Test
    void concurrentWritersLeaveOneWholeFile() throws Exception {
        int n = 100_000;
        List<Callable<Void>> writers = IntStream.range(0, 8)
                .mapToObj(i -> (Callable<Void>) () -> {
                    var bytes = new byte[n];
                    Arrays.fill(bytes, (byte) i);
                    AtomicFile.write(file(), bytes);
                    return null;
                })
                .toList();
        try (var pool = Executors.newFixedThreadPool(4)) {
            for (var result : pool.invokeAll(writers)) {
                result.get();
            }
        }
        byte[] bytes = Files.readAllBytes(file());
        assertEquals(n, bytes.length);
        for (byte b : bytes) {
            assertEquals(bytes[0], b);
        }
        assertNothingElse();
    }

    private void assertNothingElse() throws IOException {
        try (var files = Files.list(directory)) {
            assertEquals(List.of(file()), files.toList());
        }
    }
}
