package gradus.benchmarks.ladder;

/** What a row of the ladders' tables says about an implementation besides its figures. */
interface Rung {
    /** Class of this package whose lines are counted and which a reader opens. */
    Class<?> source();

    /** The idea, in a sentence. */
    String idea();

    /** What still holds it back, and so why the next rung helps. */
    String next();
}
