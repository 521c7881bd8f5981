package gradus.train;

import gradus.tensor.GradusException;

/** Training that cannot go on: a loss that is not a number, targets that do not fit, a setting that makes no sense. */
public final class TrainingException extends GradusException {
    private static final long serialVersionUID = 1;

    public TrainingException(String message) {
        super(message);
    }
}
