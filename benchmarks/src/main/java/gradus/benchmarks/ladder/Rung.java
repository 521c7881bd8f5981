package gradus.benchmarks.ladder;

import java.util.List;
import java.util.stream.Stream;

/** What a row of the ladders' tables says about an implementation besides its figures. */
interface Rung {
    /** Its place on the ladder. */
    int ordinal();

    /** Class of this package that holds it. */
    Class<?> source();

    /** Files whose lines are counted; the first is the one to read. */
    default List<String> files() {
        return List.of("benchmarks/src/main/java/gradus/benchmarks/ladder/" + source().getSimpleName() + ".java");
    }

    /** Those of the engine's own package. */
    static List<String> engine(String... names) {
        return Stream.of(names)
                .map(name -> "engine/src/main/java/gradus/backend/simd/" + name + ".java")
                .toList();
    }

    /** The idea, in a sentence. */
    String idea();

    /** What still holds it back, and so why the next rung helps. */
    String next();
}
