package io.genievm.example.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/**
 * What a command has to say at its end.
 *
 * @param status the exit status
 * @param answer for standard output
 * @param notes for people and programs alike: lines for standard error
 */
record Outcome(int status, Answer answer, List<String> notes) {
    Outcome(int status, JsonNode document, String text, List<String> notes) {
        this(status, Answer.of(document, text), notes);
    }

    static Outcome done(JsonNode document, String text) {
        return new Outcome(ExitStatus.DONE, document, text, List.of());
    }
}
