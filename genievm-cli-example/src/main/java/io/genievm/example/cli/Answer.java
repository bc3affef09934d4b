package io.genievm.example.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;

/** What standard output shows in the end. Is printed once at most. */
interface Answer {
    /**
     * Prints it.
     *
     * @param json whether a program reads it, which wants one document; otherwise people do, who want lines
     * @param output standard output; whether it took everything is found out by the caller
     */
    void print(boolean json, PrintStream output);

    /** An answer that is at hand. The text consists of lines that end in line feeds, possibly none. */
    static Answer of(JsonNode document, String text) {
        return (json, output) -> output.print(json ? document + "\n" : text);
    }
}
