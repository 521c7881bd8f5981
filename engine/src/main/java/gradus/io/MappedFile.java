package gradus.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Function;

/**
 * A file mapped into memory, read-only: values go from the system's cache into arrays without a buffer between. Several
 * threads may read at the same time.
 *
 * <p>A file that another program cuts short while it is mapped has no bytes where there were some. The JVM answers an
 * access to them with an {@link InternalError}, which {@link #read} turns into a {@link FileException}; so bytes are
 * handed out only inside of a call. A file that is overwritten meanwhile gives new bytes, old ones, or some of both: let
 * writers replace files as {@link AtomicFile} does, which leaves what is mapped alone.
 */
public final class MappedFile implements AutoCloseable {
    private final Path file;
    private final Arena arena; // null if the mapping lives as long as this object
    private final MemorySegment bytes;

    private MappedFile(Path file, Arena arena, MemorySegment bytes) {
        this.file = file;
        this.arena = arena;
        this.bytes = bytes;
    }

    /** @throws FileException if the file cannot be read */
    public static MappedFile open(Path file) {
        Arena arena = Arena.ofShared();
        try {
            return new MappedFile(file, arena, map(file, arena));
        } catch (IOException e) {
            arena.close();
            throw FileException.reading(file, e);
        }
    }

    /** A mapping that needs no {@link #close}: it ends when nobody has this object any more. @throws FileException as open */
    public static MappedFile keep(Path file) {
        try {
            return new MappedFile(file, null, map(file, Arena.ofAuto()));
        } catch (IOException e) {
            throw FileException.reading(file, e);
        }
    }

    private static MemorySegment map(Path file, Arena arena) throws IOException {
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    public long size() {
        return bytes.byteSize();
    }

    /**
     * What {@code use} makes of bytes {@code [position, position + n)}, little-endian. The buffer is the mapping itself: it
     * must not be kept.
     *
     * @throws FileException if the file has become shorter since it was opened, or has been closed
     */
    public <T> T read(long position, int n, Function<ByteBuffer, T> use) {
        try {
            return use.apply(bytes.asSlice(position, n).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN));
        } catch (IllegalStateException e) {
            if (bytes.scope().isAlive()) {
                throw e;
            }
            throw new FileException("cannot read " + file + ": it has been closed", e);
        } catch (InternalError e) { // what an access to a page that is no longer there ends in
            throw new FileException("cannot read " + file + ": it became shorter while it was read", e);
        }
    }

    /**
     * Says that bytes {@code [position, position + n)} will not be read again soon: they no longer count as memory of this
     * process, though the system may still have them in its cache.
     */
    void done(long position, int n) {
        if (n > 0 && bytes.scope().isAlive()) {
            bytes.asSlice(position, n).unload();
        }
    }

    /** A copy of bytes {@code [position, position + n)}. @throws FileException as {@link #read} */
    public byte[] copy(long position, int n) {
        var copy = new byte[n];
        read(position, n, b -> b.get(copy));
        return copy;
    }

    /** Ends the mapping, unless it is one to {@link #keep}. @throws IllegalStateException while another thread is reading */
    @Override
    public void close() {
        if (arena != null && bytes.scope().isAlive()) {
            arena.close();
        }
    }
}
