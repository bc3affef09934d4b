package io.genievm.example.cli;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.function.IntConsumer;

/**
 * Listens to SIGINT and SIGTERM. A shutdown hook would see the first signal only and not which one it was; the class
 * that sees them all has no supported name, and javac refuses to compile the other one without a warning: hence the
 * reflection. Where it is missing, signals end the process as they always do.
 */
final class Signals {
    private static final Map<String, Integer> NUMBERS = Map.of("INT", 2, "TERM", 15);

    private Signals() {}

    static void listen(IntConsumer listener) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            for (Map.Entry<String, Integer> each : NUMBERS.entrySet()) {
                InvocationHandler call = (proxy, method, arguments) -> {
                    if (method.getName().equals("handle")) {
                        listener.accept(each.getValue());
                    }
                    return null;
                };
                signal.getMethod("handle", signal, handler)
                        .invoke(
                                null,
                                signal.getConstructor(String.class).newInstance(each.getKey()),
                                Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, call));
            }
        } catch (ReflectiveOperationException e) {
            // Not in this JVM, or it was told to leave signals alone (-Xrs).
            return;
        }
    }
}
