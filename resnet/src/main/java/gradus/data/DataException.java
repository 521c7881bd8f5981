package gradus.data;

import gradus.tensor.GradusException;

/** Data that cannot be read: the message names the file (or the request), what is wrong with it and what to do. */
public class DataException extends GradusException {
    private static final long serialVersionUID = 1;

    public DataException(String message) {
        super(message);
    }

    public DataException(String message, Throwable cause) {
        super(message, cause);
    }
}
