package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A {@code virConnect} that several calls use at a time, and that is closed when its owner and the last of them are done
 * with it: libvirt does not forgive a call on a connection that was closed meanwhile. Safe for use by several threads.
 */
final class Session {
    private final LibvirtFunctions libvirt;
    private final Pointer connect;
    private final Runnable closing;
    private int users = 1;

    /**
     * Makes a session with one user, its owner.
     *
     * @param libvirt the functions
     * @param connect the connection
     * @param closing closes it
     */
    Session(LibvirtFunctions libvirt, Pointer connect, Runnable closing) {
        this.libvirt = libvirt;
        this.connect = connect;
        this.closing = closing;
    }

    LibvirtFunctions libvirt() {
        return libvirt;
    }

    Pointer connect() {
        return connect;
    }

    /** Begins a use. The owner's own use must last until this returns. */
    synchronized void enter() {
        if (users == 0) {
            throw new IllegalStateException("the connection was closed");
        }
        users++;
    }

    /** Ends a use; the last one closes. */
    void leave() {
        boolean last;
        synchronized (this) {
            last = --users == 0;
        }
        if (last) {
            closing.run();
        }
    }

    /** Whether the daemon is still at the other end, as far as this end knows; asks it nothing. */
    boolean isAlive() {
        return libvirt.virConnectIsAlive(connect) == 1;
    }

    /** Passes on what a call returned. */
    int check(int result) {
        if (result < 0) {
            throw new LibvirtFailure(LibvirtError.last(libvirt));
        }
        return result;
    }

    /** Passes on what a call returned. */
    Pointer check(@Nullable Pointer result) {
        if (result == null) {
            throw new LibvirtFailure(LibvirtError.last(libvirt));
        }
        return result;
    }

    /** The text that a call returned, which is freed. */
    String text(@Nullable Pointer result) {
        Pointer text = check(result);
        try {
            return text.getString(0, "UTF-8");
        } finally {
            free(text);
        }
    }

    /** Frees what libvirt allocated and leaves to its caller. */
    static void free(@Nullable Pointer memory) {
        if (memory != null) {
            Native.free(Pointer.nativeValue(memory));
        }
    }
}
