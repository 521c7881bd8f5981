package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.Tensor;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * What the class files of the library use, as {@code jdeps} finds it: the JDK's core, its pictures, the Vector API. {@link
 * ArchitectureTest} says the same of packages; this says it of the JDK's modules, which a run-time image is made of.
 */
class JdepsTest {
    @Test
    void theLibraryUsesThreeModulesOfTheJdk() throws URISyntaxException {
        var found = new TreeMap<String, TreeSet<String>>();
        for (String line : jdeps(jar(Tensor.class), jar(Model.class), jar(ResNets.class))) {
            String[] arrow = line.strip().split(" -> ");
            assertEquals(2, arrow.length, line);
            found.computeIfAbsent(arrow[0], key -> new TreeSet<>()).add(arrow[1]);
        }
        assertEquals(
                Map.of(
                        "gradus.engine", new TreeSet<>(List.of("java.base", "jdk.incubator.vector")),
                        "gradus.layers", new TreeSet<>(List.of("gradus.engine", "java.base")),
                        "gradus.resnet",
                                new TreeSet<>(List.of("gradus.engine", "gradus.layers", "java.base", "java.desktop"))),
                found);
    }

    private static List<String> jdeps(String... jars) {
        var arguments = new String[jars.length + 1];
        arguments[0] = "-summary";
        System.arraycopy(jars, 0, arguments, 1, jars.length);
        var out = new StringWriter();
        var err = new StringWriter();
        int status = ToolProvider.findFirst("jdeps")
                .orElseThrow()
                .run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
        assertEquals(0, status, () -> out + " " + err);
        return out.toString().lines().toList();
    }

    /** The jar, or folder of class files, that a class was loaded from. */
    private static String jar(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }
}
