package io.genievm.example;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the guides show is part of an example that is compiled and run: before each block of Java stands, as a comment, the
 * file and the mark in it from which the block was taken. To renew the blocks after a change of an example, run this with
 * {@code -Dgenievm.guides.write=true}.
 */
class GuidesTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern BLOCK =
            Pattern.compile("(?:<!-- (\\S+)#(\\S+) -->\\n)?```java\\n(.*?)```", Pattern.DOTALL);

    @ParameterizedTest
    @CsvSource({"driver-guide, 6", "store-guide, 1", "embedding, 6"})
    @DisplayName("the guides show what is compiled and run")
    void showsWhatRuns(String guide, int fewest) throws IOException {
        Path file = ROOT.resolve("docs").resolve(guide + ".md");
        String text = Files.readString(file);
        StringBuilder renewed = new StringBuilder();
        Matcher block = BLOCK.matcher(text);
        int blocks = 0;
        while (block.find()) {
            blocks++;
            assertThat(block.group(1))
                    .as("the source before a block of %s:%n%s", guide, block.group(3))
                    .isNotNull();
            String shown = String.join("\n", marked(ROOT.resolve(block.group(1)), block.group(2))) + "\n";
            block.appendReplacement(
                    renewed,
                    Matcher.quoteReplacement(
                            "<!-- " + block.group(1) + "#" + block.group(2) + " -->\n```java\n" + shown + "```"));
            if (!Boolean.getBoolean("genievm.guides.write")) {
                assertThat(block.group(3))
                        .as("%s of %s, as %s shows it", block.group(2), block.group(1), guide)
                        .isEqualTo(shown);
            }
        }
        assertThat(blocks).as("blocks of Java in %s", guide).isGreaterThanOrEqualTo(fewest);
        if (Boolean.getBoolean("genievm.guides.write")) {
            Files.writeString(file, block.appendTail(renewed));
        }
    }

    /** The lines between a mark and the next end, without the indentation that all of them have. */
    private static List<String> marked(Path source, String mark) throws IOException {
        List<String> lines = new ArrayList<>();
        boolean inside = false;
        for (String line : Files.readAllLines(source)) {
            if (line.strip().equals("// guide: end")) {
                inside = false;
            } else if (line.strip().equals("// guide: " + mark)) {
                inside = true;
            } else if (inside) {
                lines.add(line);
            }
        }
        assertThat(lines).as("lines of %s behind the mark %s", source, mark).isNotEmpty();
        int margin = lines.stream()
                .filter(line -> !line.isBlank())
                .mapToInt(line -> line.length() - line.stripLeading().length())
                .min()
                .orElse(0);
        return lines.stream()
                .map(line -> line.isBlank() ? "" : line.substring(margin))
                .toList();
    }
}
