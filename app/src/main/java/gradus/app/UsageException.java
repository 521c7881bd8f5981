package gradus.app;

import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.UnmappableCharacterException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** Something asked for on the command line that makes no sense; the message says what would. */
final class UsageException extends GradusException {
    private static final long serialVersionUID = 1;

    /** Why a file could not be had; the message of many exceptions is its path alone. */
    static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getFile() + " does not exist";
            case AccessDeniedException denied -> "access to " + denied.getFile() + " denied; check its permissions";
            case FileAlreadyExistsException there -> there.getFile() + " exists and is no folder";
            case NotDirectoryException file -> file.getFile() + " is no folder";
            case MalformedInputException _, UnmappableCharacterException _ -> "it is no text in UTF-8";
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }

    UsageException(String message) {
        super(message);
    }

    UsageException(String message, Throwable cause) {
        super(message, cause);
    }
}
