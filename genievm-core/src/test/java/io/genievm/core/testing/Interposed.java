package io.genievm.core.testing;

import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** Connections that differ from another in one thing, and leave all else to it. */
public final class Interposed {
    private Interposed() {}

    /** One whose driver does something with every request for a snapshot, before it begins it. */
    public static HypervisorConnection beforeSnapshots(
            HypervisorConnection connection, Consumer<SnapshotRequest> driver) {
        return onto(connection, Set.of(), driver);
    }

    /** One that says that more may work; what is then asked of it, is seen by a driver that does not do it. */
    public static HypervisorConnection claiming(
            HypervisorConnection connection, Set<Capability> more, Consumer<SnapshotRequest> driver) {
        return onto(connection, more, driver);
    }

    /** One whose driver has no optional ability. */
    public static HypervisorConnection withoutAbilities(HypervisorConnection connection) {
        return (HypervisorConnection) Proxy.newProxyInstance(
                Interposed.class.getClassLoader(),
                new Class<?>[] {HypervisorConnection.class},
                (proxy, method, arguments) ->
                        method.getName().equals("ability") ? Optional.empty() : method.invoke(connection, arguments));
    }

    private static HypervisorConnection onto(
            HypervisorConnection connection, Set<Capability> more, Consumer<SnapshotRequest> driver) {
        return (HypervisorConnection) Proxy.newProxyInstance(
                Interposed.class.getClassLoader(),
                new Class<?>[] {HypervisorConnection.class},
                (proxy, method, arguments) -> {
                    if (method.getName().equals("capabilities")) {
                        Set<Capability> all = EnumSet.copyOf(connection.capabilities());
                        all.addAll(more);
                        return all;
                    }
                    if (method.getName().equals("beginSnapshot")) {
                        driver.accept((SnapshotRequest) arguments[1]);
                    }
                    try {
                        return method.invoke(connection, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
