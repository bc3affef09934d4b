package io.genievm.testkit;

import java.util.concurrent.Callable;

/** Calls what whoever extends a contract has written. */
final class Hook {
    private Hook() {}

    interface Action {
        void run() throws Exception;
    }

    static void run(String name, Action action) {
        get(name, () -> {
            action.run();
            return name;
        });
    }

    static <T> T get(String name, Callable<T> value) {
        try {
            return value.call();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new AssertionError("The contract could not do its work: " + name + " of your test failed: " + e, e);
        }
    }
}
