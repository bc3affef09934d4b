package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every rule of the SPIs has a test or says why not, and every test of a contract has a rule and gives advice. */
class RulesTest {
    private static final Path API = Path.of("..", "genievm-api", "src", "main", "java", "io", "genievm", "api");
    private static final Pattern RULE = Pattern.compile("<li><b>([HS]\\d+)</b>(.*?)(?=<li>|</ul>)", Pattern.DOTALL);
    private static final Pattern NAME = Pattern.compile("((?:[HS]\\d+, )*[HS]\\d+): \\S.*");

    @ParameterizedTest
    @CsvSource({
        "hypervisor, H, io.genievm.testkit.HypervisorProviderContract, 50",
        "store, S, io.genievm.testkit.BlobStoreContract, 25"
    })
    @DisplayName("rules and tests name each other, in both directions")
    void rulesAndTestsNameEachOther(String spi, String letter, Class<?> contract, int fewest) throws IOException {
        Map<String, String> rules = rules(API.resolve(spi).resolve("package-info.java"));
        assertThat(rules.keySet()).hasSizeGreaterThanOrEqualTo(fewest).allMatch(rule -> rule.startsWith(letter));
        Set<String> tested = new TreeSet<>();
        for (Method test : tests(contract)) {
            String name = test.getAnnotation(DisplayName.class).value();
            Matcher matcher = NAME.matcher(name);
            assertThat(matcher.matches())
                    .as("a rule before the name of %s: %s", test, name)
                    .isTrue();
            tested.addAll(List.of(matcher.group(1).split(", ")));
            assertThat(test.isAnnotationPresent(Mend.class))
                    .as("advice of %s", test)
                    .isTrue();
            assertThat(test.getAnnotation(Mend.class).value())
                    .as("advice of %s", test)
                    .matches("[a-z].{10,}[^.]");
        }
        assertThat(rules.keySet()).as("rules that tests name").containsAll(tested);
        rules.forEach((rule, text) -> {
            if (text.contains("<i>Untested: ")) {
                assertThat(tested).as("tests of what is called untested").doesNotContain(rule);
            } else if (!text.contains("<i>Untested as to ")) {
                assertThat(tested).as("tests of: %s", text).contains(rule);
            }
        });
    }

    @Test
    @DisplayName("a failure says which rule was broken, what to do, and what was found")
    void failuresGiveAdvice() {
        assertThat(Advice.message("H9: a rule", "do this", new AssertionError("1 is not 2")))
                .isEqualTo("The rule: H9: a rule.\nTo do: do this.\nFound: 1 is not 2");
        assertThat(Advice.message("H9: a rule", "do this", new GenieVmException(ErrorCode.BUSY, "come back later")))
                .isEqualTo("The rule: H9: a rule.\nTo do: do this.\nFound: " + GenieVmException.class.getName()
                        + ": come back later");
    }

    private static List<Method> tests(Class<?> contract) {
        return Arrays.stream(contract.getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Test.class))
                .toList();
    }

    private static Map<String, String> rules(Path source) throws IOException {
        Map<String, String> rules = new TreeMap<>();
        List<String> twice = new ArrayList<>();
        Matcher matcher = RULE.matcher(Files.readString(source).replace("\n *", "\n"));
        while (matcher.find()) {
            String text = matcher.group(2).replaceAll("\\s+", " ");
            if (rules.put(matcher.group(1), text) != null) {
                twice.add(matcher.group(1));
            }
        }
        assertThat(twice).as("numbers that are given twice").isEmpty();
        return rules;
    }
}
