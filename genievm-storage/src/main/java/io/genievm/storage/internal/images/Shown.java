package io.genievm.storage.internal.images;

/** Shows people what came from outside. */
final class Shown {
    private static final int MAX_LENGTH = 200;

    private Shown() {}

    /** Cuts a text that is too long for a message, and takes out what could play tricks with a terminal. */
    static String text(String text) {
        String start = text.length() <= MAX_LENGTH ? text : text.substring(0, MAX_LENGTH) + "...";
        return start.replaceAll("[^\\P{C}]", "?");
    }
}
