package io.genievm.example.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/**
 * What a command has to say at its end.
 *
 * @param status the exit status
 * @param document for programs: the one document on standard output
 * @param text for people: what standard output shows instead, lines that end in line feeds
 * @param notes for both: lines for standard error
 */
record Outcome(int status, JsonNode document, String text, List<String> notes) {
    static Outcome done(JsonNode document, String text) {
        return new Outcome(ExitStatus.DONE, document, text, List.of());
    }
}
