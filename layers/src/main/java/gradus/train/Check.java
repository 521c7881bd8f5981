package gradus.train;

/** Checks that settings share. */
final class Check {
    private Check() {}

    /** @throws TrainingException unless 0 &lt;= value &lt; 1 */
    static void fraction(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new TrainingException(name + " must be in [0, 1), not " + value);
        }
    }

    /** @throws TrainingException unless value &gt;= 0 */
    static void notNegative(String name, double value) {
        if (!(value >= 0)) {
            throw new TrainingException(name + " must not be negative, not " + value);
        }
    }

    /** @throws TrainingException unless value &gt; 0 */
    static void positive(String name, double value) {
        if (!(value > 0)) {
            throw new TrainingException(name + " must be more than 0, not " + value);
        }
    }
}
