package io.genievm.core.testing;

import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
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

    /** One whose writers are handed to somebody else, who writes nothing. */
    public static HypervisorConnection notWriting(HypervisorConnection connection, Consumer<ByteBuffer> writer) {
        return withWriter(connection, HypervisorConnection.class, writer);
    }

    /** Stands before an object, and before all that lead from it to a writer. */
    private static <T> T withWriter(Object target, Class<T> type, Consumer<ByteBuffer> writer) {
        return type.cast(Proxy.newProxyInstance(
                Interposed.class.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    if (type == DiskWriter.class && method.getName().equals("write")) {
                        writer.accept((ByteBuffer) arguments[1]);
                        return null;
                    }
                    Object result;
                    try {
                        result = method.invoke(target, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                    if (result instanceof Optional<?> optional && arguments[0] == DiskWriting.class) {
                        return optional.map(ability -> withWriter(ability, DiskWriting.class, writer));
                    }
                    if (method.getReturnType() == DiskWriting.WritableDisk.class) {
                        return withWriter(result, DiskWriting.WritableDisk.class, writer);
                    }
                    return method.getReturnType() == DiskWriter.class
                            ? withWriter(result, DiskWriter.class, writer)
                            : result;
                }));
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
