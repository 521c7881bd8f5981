package gradus.io;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Writes a file so that at any time, also after a crash, there is either the whole old file or the whole new one: the
 * bytes go to a temporary file in the same directory, are forced to the disk, and take the place of the old file by one
 * atomic rename, which is then forced to the disk as well.
 */
public final class AtomicFile {
    /** As many as Linux follows. */
    private static final int MAX_LINKS = 40;

    private AtomicFile() {}

    /** Produces the bytes of a file. */
    @FunctionalInterface
    public interface Content {
        void writeTo(OutputStream out) throws IOException;
    }

    /** @throws FileException if the file cannot be written; an old file is then still there, a temporary one is not */
    public static void write(Path file, byte[] bytes) {
        write(file, out -> out.write(bytes));
    }

    /**
     * Writes what {@code content} produces. A symbolic link is followed, also one to a file that does not exist. A file
     * that is replaced leaves its permissions to the new one, where files have those of POSIX. An unchecked exception of
     * {@code content} passes through.
     *
     * @throws FileException if the file cannot be written; an old file is then still there, a temporary one is not
     */
    public static void write(Path file, Content content) {
        try {
            Path target = followed(file);
            if (Files.exists(target) && !Files.isRegularFile(target)) {
                throw new FileException("cannot write " + file + ": it exists and is not a regular file");
            }
            Path directory = target.getParent();
            if (!Files.isDirectory(directory)) {
                throw new FileException(
                        "cannot write " + file + ": there is no directory " + directory + "; create it");
            }
            Path temporary = temporaryName(target);
            try {
                try (var channel =
                        FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    copyPermissions(target, temporary);
                    var out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
                    content.writeTo(out);
                    out.flush();
                    channel.force(true);
                }
                Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            } catch (Throwable failure) {
                deleteAfter(failure, temporary);
                throw failure;
            }
            forceDirectory(directory);
        } catch (IOException e) {
            throw FileException.writing(file, e);
        }
    }

    /**
     * Where a path leads: symbolic links are followed, also those to what does not exist.
     *
     * @throws IOException if they go in a circle
     */
    public static Path followed(Path path) throws IOException {
        if (Files.exists(path)) {
            return path.toRealPath();
        }
        Path target = path.toAbsolutePath();
        for (int links = 0; Files.isSymbolicLink(target); links++) {
            if (links == MAX_LINKS) {
                throw new FileSystemLoopException(path.toString());
            }
            target = target.resolveSibling(Files.readSymbolicLink(target));
        }
        return target;
    }

    private static void copyPermissions(Path from, Path to) throws IOException {
        var old = Files.getFileAttributeView(from, PosixFileAttributeView.class);
        var copy = Files.getFileAttributeView(to, PosixFileAttributeView.class);
        if (old != null && copy != null && Files.exists(from)) {
            var wanted = old.readAttributes().permissions();
            if (!copy.readAttributes().permissions().equals(wanted)) { // some file systems allow no change
                copy.setPermissions(wanted);
            }
        }
    }

    /** Hidden, and different for everyone who writes the same file at the same time. */
    private static Path temporaryName(Path target) {
        String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
        return target.resolveSibling("." + target.getFileName() + "." + random + ".tmp");
    }

    private static void deleteAfter(Throwable failure, Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    /** A rename is an entry in the directory, so the directory is what must reach the disk. */
    private static void forceDirectory(Path directory) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(directory, StandardOpenOption.READ);
        } catch (IOException e) {
            return; // Windows opens no directories; there, the rename is all that can be done
        }
        try (channel) {
            channel.force(true);
        }
    }
}
