package gradus.app;

import gradus.tensor.GradusException;

/** Something asked for on the command line that makes no sense; the message says what would. */
final class UsageException extends GradusException {
    private static final long serialVersionUID = 1;

    UsageException(String message) {
        super(message);
    }

    UsageException(String message, Throwable cause) {
        super(message, cause);
    }
}
