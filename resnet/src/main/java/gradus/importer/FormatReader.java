package gradus.importer;

import java.nio.file.Path;

/**
 * Reads one more format, found by {@link java.util.ServiceLoader}: the way in for formats that need a library, which this
 * module does without.
 */
public interface FormatReader {
    /**
     * Whether a file is for this reader.
     *
     * @param start the first bytes of the file, at most 16
     */
    boolean recognizes(Path file, byte[] start);

    /** As {@link Importer#load(Path, ImportOptions)}. */
    Imported read(Path file, ImportOptions options);

    /** As {@link Importer#inspect(Path)}. */
    Contents inspect(Path file);
}
