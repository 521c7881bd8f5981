package gradus.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MainTest {
    /** None of these measures anything. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "NOSUCH -p threads=1 | no benchmark matches NOSUCH; './gradus jmh -l' lists them",
                "--threads x | --threads needs a list of numbers such as 1,2, not 'x'",
                "--bits | --bits needs a list of numbers",
                "--short NAME | --short takes --threads and --bits alone, not NAME",
                "--ladder foo | --ladder has the parts matrix, convolution, roofline, not 'foo'",
                "--figures nix | 'nix' is none of train, evaluate, train_signs",
                "--figures --signs | --signs needs DIR",
                "--peers --engines bar | 'bar' is none of gradus, onnxruntime, pytorch, tensorflow, dl4j",
                "--peers --cases E | 'E' is none of A_infer224_b1",
                "--peers --threads x | --threads needs a number, not 'x'"
            })
    void mistakesAreOneLineAndStatus2(String args, String message) {
        PrintStream err = System.err;
        var said = new ByteArrayOutputStream();
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
        int status;
        try {
            status = Main.run(args.strip().split(" "));
        } finally {
            System.setErr(err);
        }
        String text = said.toString(StandardCharsets.UTF_8);
        assertEquals(2, status, text);
        assertTrue(text.startsWith("gradus: jmh") && text.contains(message), text);
        assertEquals(1, text.strip().lines().count(), text);
    }
}
