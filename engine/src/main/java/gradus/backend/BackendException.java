package gradus.backend;

import gradus.tensor.GradusException;

/** A backend that does not exist, cannot run here, or failed. The message says why and what to do. */
public final class BackendException extends GradusException {
    private static final long serialVersionUID = 1;

    public BackendException(String message) {
        super(message);
    }

    public BackendException(String message, Throwable cause) {
        super(message, cause);
    }
}
