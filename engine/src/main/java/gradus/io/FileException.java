package gradus.io;

import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * A file that cannot be read or written: missing, not permitted, disk full. The message names the file and the reason.
 */
public final class FileException extends GradusException {
    private static final long serialVersionUID = 1;

    public FileException(String message) {
        super(message);
    }

    public FileException(String message, Throwable cause) {
        super(message, cause);
    }

    static FileException reading(Path file, IOException e) {
        return new FileException("cannot read " + file + ": " + reason(e), e);
    }

    static FileException writing(Path file, IOException e) {
        return new FileException("cannot write " + file + ": " + reason(e), e);
    }

    private static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getFile() + " does not exist; check the path";
            case AccessDeniedException denied -> "access to " + denied.getFile() + " denied; check its permissions";
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }
}
