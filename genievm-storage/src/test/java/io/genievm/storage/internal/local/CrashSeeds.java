package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

/** Runs a test with many seeds, and tells one that fails with the command that runs just it again. */
final class CrashSeeds {
    private CrashSeeds() {}

    /** A test that takes all its chances from a seed. */
    @FunctionalInterface
    interface SeededTest {
        /** Gives how many states of a disk were looked at. */
        int run(long seed) throws Exception;
    }

    /** Runs the seeds from 1 to a count, or just the given one. */
    static void run(Class<?> test, String method, int count, int statesEach, SeededTest body) {
        Long given = Long.getLong("genievm.seed");
        if (given != null) {
            run(test, method, given, body);
            return;
        }
        long states = 0;
        for (long seed = 1; seed <= count; seed++) {
            states += run(test, method, seed, body);
        }
        System.out.printf("%s.%s: %d states after a power cut%n", test.getSimpleName(), method, states);
        assertThat(states).as("states").isEqualTo((long) count * statesEach);
    }

    /** The same, with a count that is multiplied by the scale of tortures. */
    static void torture(Class<?> test, String method, int fullCount, int statesEach, SeededTest body) {
        double scale = Double.parseDouble(System.getProperty("genievm.torture.scale", "0.1"));
        run(test, method, (int) Math.max(1, Math.round(fullCount * scale)), statesEach, body);
    }

    private static int run(Class<?> test, String method, long seed, SeededTest body) {
        try {
            return body.run(seed);
        } catch (Throwable e) {
            throw new AssertionError(
                    "failed with seed " + seed + "; run it again with: mvn -pl genievm-storage -am test"
                            + " -Dsurefire.failIfNoSpecifiedTests=false -Dgenievm.excludedGroups= -Dtest="
                            + test.getSimpleName() + "#" + method + " -Dgenievm.seed=" + seed + "\n" + e,
                    e);
        }
    }
}
