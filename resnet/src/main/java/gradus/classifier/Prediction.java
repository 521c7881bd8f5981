package gradus.classifier;

/**
 * One guess.
 *
 * @param label name of the class, its number if the model names none
 * @param index number of the class
 * @param probability 0..1
 */
public record Prediction(String label, int index, double probability) {}
