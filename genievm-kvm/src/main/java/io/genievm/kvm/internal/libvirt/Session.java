package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import org.jspecify.annotations.Nullable;

/** One {@code virConnect}, for one call at a time. */
final class Session {
    private final LibvirtFunctions libvirt;
    private final Pointer connect;
    private final Runnable closing;
    private boolean broken;

    /**
     * Makes a session.
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

    /** Closes it; nothing may be called on it any more. */
    void close() {
        closing.run();
    }

    /** Finds out, after a failure, whether it was that the daemon is not at the other end any more. */
    boolean isBroken() {
        if (!broken) {
            broken = !isAlive();
        }
        return broken;
    }

    /** What {@link #isBroken} found out. */
    boolean hasBroken() {
        return broken;
    }

    /** As far as this end knows; asks the daemon nothing. */
    private boolean isAlive() {
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
