package io.genievm.example.scale;

/** How much of a long test is run. */
final class Torture {
    private Torture() {}

    /** A count at the scale of this run, one at the least. */
    static long scaled(long count) {
        return Math.max(1, Math.round(count * Double.parseDouble(System.getProperty("genievm.torture.scale", "0.1"))));
    }
}
