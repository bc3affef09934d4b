package io.genievm.example;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the README shows is what runs. */
class ReadmeTest {
    /** Tests run in the folder of their module. */
    private static final Path MODULE = Path.of("").toAbsolutePath();

    @Test
    void theExampleIsTheOneThatEmbeddingTestRuns() throws IOException {
        List<String> shown = between(MODULE.resolveSibling("README.md"), "```java", "```");
        List<String> run = between(
                MODULE.resolve("src/test/java/io/genievm/example/EmbeddingTest.java"),
                "// example-begin",
                "// example-end");

        assertThat(shown).hasSizeGreaterThan(15).isEqualTo(run);
    }

    /** Gives the lines of the first such part, without indentation: the README's begins at the margin. */
    private static List<String> between(Path file, String begin, String end) throws IOException {
        return Files.readAllLines(file).stream()
                .map(String::strip)
                .dropWhile(line -> !line.equals(begin))
                .skip(1)
                .takeWhile(line -> !line.equals(end))
                .toList();
    }
}
