package io.genievm.core.testing;

import java.util.Random;

/**
 * Runs a test with many seeds. One that fails is told with the command that runs just it again: {@code -Dgenievm.seed=N}.
 */
public final class Seeds {
    private Seeds() {}

    /** A test that takes all its chances from a source of random numbers. */
    @FunctionalInterface
    public interface SeededTest {
        void run(Random random) throws Exception;
    }

    /** Runs with the seeds from 1 to {@code count}. */
    public static void run(Class<?> test, String method, int count, SeededTest body) {
        run(test, method, 1, count, body);
    }

    /** Runs with so many seeds that nobody has tried before; the number is multiplied by the scale of tortures. */
    public static void torture(Class<?> test, String method, int fullCount, SeededTest body) {
        int count =
                Math.max(1, (int) (fullCount * Double.parseDouble(System.getProperty("genievm.torture.scale", "1"))));
        run(test, method, System.nanoTime(), count, body);
    }

    private static void run(Class<?> test, String method, long first, int count, SeededTest body) {
        String given = System.getProperty("genievm.seed");
        if (given != null) {
            run(test, method, Long.parseLong(given), body);
            return;
        }
        for (long seed = first; seed < first + count; seed++) {
            run(test, method, seed, body);
        }
    }

    private static void run(Class<?> test, String method, long seed, SeededTest body) {
        try {
            // Neighbouring seeds would begin with nearly the same numbers.
            body.run(new Random(seed * 0x9E3779B97F4A7C15L));
        } catch (Throwable e) {
            throw new AssertionError(
                    "failed with seed " + seed + "; run it again with: mvn -pl genievm-core -am test"
                            + " -Dsurefire.failIfNoSpecifiedTests=false -Dgenievm.excludedGroups= -Dtest="
                            + test.getSimpleName() + "#" + method + " -Dgenievm.seed=" + seed + "\n" + e,
                    e);
        }
    }
}
