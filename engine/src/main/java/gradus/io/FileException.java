package gradus.io;

import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
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

    /** {@code cannot read FILE: reason}. */
    public static FileException reading(Path file, IOException e) {
        return new FileException("cannot read " + file + ": " + reason(e), e);
    }

    /** {@code cannot write FILE: reason}. */
    public static FileException writing(Path file, IOException e) {
        return new FileException("cannot write " + file + ": " + reason(e), e);
    }

    /** In words: the messages of the JDK's own exceptions are often the name of the file alone. */
    public static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getFile() + " does not exist; check the path";
            case AccessDeniedException denied -> "access to " + denied.getFile() + " denied; check its permissions";
            case FileAlreadyExistsException there -> there.getFile() + " exists already";
            case CharacterCodingException _ -> "it is no text in UTF-8";
            case NotDirectoryException file -> file.getFile() + " is not a folder";
            case DirectoryNotEmptyException folder -> "folder " + folder.getFile() + " is not empty";
            case FileSystemLoopException loop -> loop.getFile() + " is a link that leads back to itself";
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }
}
