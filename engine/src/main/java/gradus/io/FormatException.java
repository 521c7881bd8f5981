package gradus.io;

import gradus.tensor.GradusException;

/** Data that is not what its format demands. The message says what is wrong and where; nothing of the data was used. */
public final class FormatException extends GradusException {
    private static final long serialVersionUID = 1;

    private final long position;

    /** @param position where in the data the mistake is, counted from 0, or -1 if it is in no one place */
    public FormatException(String message, long position) {
        super(message);
        this.position = position;
    }

    public FormatException(String message, long position, Throwable cause) {
        super(message, cause);
        this.position = position;
    }

    /**
     * Where in the data the mistake is: a character of a text, a byte of a binary file; -1 if it is in no one place.
     */
    public long position() {
        return position;
    }
}
