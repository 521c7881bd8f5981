package gradus.app.golden;

import gradus.tensor.GradusException;

/** A folder of golden cases, or one case, that cannot be judged. The message names the file and what is missing. */
public final class GoldenException extends GradusException {
    private static final long serialVersionUID = 1;

    public GoldenException(String message) {
        super(message);
    }

    public GoldenException(String message, Throwable cause) {
        super(message, cause);
    }
}
