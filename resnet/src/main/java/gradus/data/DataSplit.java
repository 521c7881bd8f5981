package gradus.data;

/**
 * The three parts of a data set. Training reads {@code train}, decisions are made on {@code validation}, and {@code test}
 * is looked at once, at the end. A part may be empty.
 */
public record DataSplit(Dataset train, Dataset validation, Dataset test) {
    public DataSplit {
        train.concat(validation).concat(test); // refuses parts that differ in picture size or labels
    }
}
