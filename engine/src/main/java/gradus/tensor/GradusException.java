package gradus.tensor;

/**
 * Root of everything Gradus throws for bad input. The message says what was wrong, where, and what to do; a program that
 * catches this one type catches every mistake of its user and none of its own.
 */
public class GradusException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public GradusException(String message) {
        super(message);
    }

    public GradusException(String message, Throwable cause) {
        super(message, cause);
    }
}
