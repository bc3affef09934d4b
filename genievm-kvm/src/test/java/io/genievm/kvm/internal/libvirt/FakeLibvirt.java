package io.genievm.kvm.internal.libvirt;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A daemon with one domain, and the connections to it, without any libvirt. */
final class FakeLibvirt implements LibvirtConnection.Connector {
    static final String UUID = "0d001520-4072-4f77-bef6-aa9fab0734a3";

    /** What a test does in the place of a function. */
    interface Function {
        @Nullable
        Object call(@Nullable Object[] arguments) throws Throwable;
    }

    private static final Pointer DOMAIN = Pointer.createConstant(0x1000);

    final Map<String, Function> functions = new ConcurrentHashMap<>();
    final Set<Long> open = ConcurrentHashMap.newKeySet();
    final Set<Long> alive = ConcurrentHashMap.newKeySet();
    final AtomicLong connections = new AtomicLong();
    final AtomicLong domainsInUse = new AtomicLong();
    volatile boolean down;

    /** Each fake has errors of its own, as each has connections of its own. */
    @SuppressWarnings("ThreadLocalUsage")
    private final ThreadLocal<@Nullable Memory> lastError = new ThreadLocal<>();

    private final LibvirtFunctions libvirt = (LibvirtFunctions) Proxy.newProxyInstance(
            LibvirtFunctions.class.getClassLoader(), new Class<?>[] {LibvirtFunctions.class}, this::invoke);

    @Override
    public Session connect(String uri) {
        if (down) {
            throw new LibvirtFailure(new LibvirtError(LibvirtError.SYSTEM_ERROR, "Failed to connect socket", 2));
        }
        long number = 0x10000 + connections.incrementAndGet();
        open.add(number);
        alive.add(number);
        return new Session(libvirt, Pointer.createConstant(number), () -> {
            if (!open.remove(number)) {
                throw new AssertionError("closed twice");
            }
        });
    }

    /** The daemon is started anew: all connections are dead, and have not noticed. */
    void restart() {
        alive.clear();
    }

    int fail(int number, String message) {
        Memory words = new Memory(message.length() + 1L);
        words.setString(0, message, "UTF-8");
        Memory error = new Memory(8 + 9L * Native.POINTER_SIZE);
        error.clear();
        error.setInt(0, number);
        error.setPointer(8, words);
        lastError.set(error);
        return -1;
    }

    private @Nullable Object invoke(Object proxy, Method method, @Nullable Object[] arguments) throws Throwable {
        String name = method.getName();
        if (name.equals("virGetLastError")) {
            return lastError.get();
        }
        if (arguments[0] instanceof Pointer pointer && Pointer.nativeValue(pointer) > 0x10000) {
            long connection = Pointer.nativeValue(pointer);
            if (!open.contains(connection)) {
                throw new AssertionError(name + " on a connection that is closed");
            }
            if (name.equals("virConnectIsAlive")) {
                return alive.contains(connection) ? 1 : 0;
            }
            if (!alive.contains(connection)) {
                fail(LibvirtError.SYSTEM_ERROR, "Cannot write data: Broken pipe");
                return method.getReturnType() == int.class ? -1 : null;
            }
        }
        Function function = functions.get(name);
        if (function != null) {
            return function.call(arguments);
        }
        return switch (name) {
            case "virConnectGetLibVersion" -> {
                ((LongByReference) arguments[1]).setValue(9_000_000);
                yield 0;
            }
            case "virDomainLookupByName", "virDomainLookupByUUIDString" -> {
                domainsInUse.incrementAndGet();
                yield DOMAIN;
            }
            case "virDomainFree" -> {
                domainsInUse.decrementAndGet();
                yield 0;
            }
            case "virDomainGetName" -> "web";
            case "virDomainGetUUIDString" -> {
                byte[] text = UUID.getBytes(UTF_8);
                System.arraycopy(text, 0, (byte[]) arguments[1], 0, text.length);
                yield 0;
            }
            default -> 0;
        };
    }
}
