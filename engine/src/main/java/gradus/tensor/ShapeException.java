package gradus.tensor;

/** Shapes that do not fit together, or a shape that cannot exist. The message names the operation and every shape. */
public final class ShapeException extends GradusException {
    private static final long serialVersionUID = 1;

    public ShapeException(String message) {
        super(message);
    }
}
