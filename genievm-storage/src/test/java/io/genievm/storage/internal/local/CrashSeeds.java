package io.genievm.storage.internal.local;

/** Runs a test with many seeds, and tells one that fails with the command that runs just it again. */
final class CrashSeeds {
    private CrashSeeds() {}

    /** A test that takes all its chances from a seed. */
    @FunctionalInterface
    interface SeededTest {
        void run(long seed) throws Exception;
    }

    /** Runs the seeds from 1 to a count, a tenth of it unless the scale of tortures says otherwise, or just the given one. */
    static void run(Class<?> test, String method, int fullCount, SeededTest body) {
        Long given = Long.getLong("genievm.seed");
        if (given != null) {
            run(test, method, given, body);
            return;
        }
        double scale = Double.parseDouble(System.getProperty("genievm.torture.scale", "0.1"));
        for (long seed = 1; seed <= Math.max(1, Math.round(fullCount * scale)); seed++) {
            run(test, method, seed, body);
        }
    }

    private static void run(Class<?> test, String method, long seed, SeededTest body) {
        try {
            body.run(seed);
        } catch (Throwable e) {
            throw new AssertionError(
                    "failed with seed " + seed + "; run it again with: mvn -pl genievm-storage -am test"
                            + " -Dsurefire.failIfNoSpecifiedTests=false -Dtest=" + test.getSimpleName() + "#" + method
                            + " -Dgenievm.seed=" + seed + "\n" + e,
                    e);
        }
    }
}
