package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.genievm.core.GenieVm;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;

/**
 * What one run of the command line came to.
 *
 * @param status the exit status
 * @param output what it wrote to standard output
 * @param error what it wrote to standard error
 */
record Run(int status, String output, String error) {
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** Runs it in this process. */
    static Run of(String... arguments) {
        return with(GenieVm::open, arguments);
    }

    /** Runs it in this process, with drivers and stores as they are given. */
    static Run with(Supplier<GenieVm> genie, String... arguments) {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream error = new ByteArrayOutputStream();
        int status = new Cli(new Environment(
                        stream(output), stream(error), OptionalInt.empty(), false, genie, Run::mustNotHalt))
                .run(new CountDownLatch(0), arguments);
        return new Run(status, output.toString(StandardCharsets.UTF_8), error.toString(StandardCharsets.UTF_8));
    }

    /** The one document that standard output holds. */
    JsonNode json() {
        try {
            JsonNode document = MAPPER.readTree(output);
            assertThat(document.isObject()).as("is a document: '%s'", output).isTrue();
            return document;
        } catch (JsonProcessingException e) {
            throw new AssertionError("not one JSON document: '" + output + "'", e);
        }
    }

    List<String> errorLines() {
        return error.lines().toList();
    }

    Run exitsWith(int expected) {
        assertThat(status).as("exit status of %s", this).isEqualTo(expected);
        return this;
    }

    /** For what is part of a longer test and has to go well. */
    Run succeeds() {
        return exitsWith(ExitStatus.DONE);
    }

    /** Is refused with one line that says why. */
    Run failsWith(int expected, String... words) {
        exitsWith(expected);
        assertThat(errorLines()).hasSize(1);
        assertThat(error).startsWith("genievm: ").contains(List.of(words));
        return this;
    }

    private static PrintStream stream(ByteArrayOutputStream bytes) {
        return new PrintStream(bytes, false, StandardCharsets.UTF_8);
    }

    private static void mustNotHalt(int status) {
        throw new AssertionError("a signal ended the test with " + status);
    }
}
