package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.libvirt.Connect;
import org.libvirt.LibvirtException;
import org.libvirt.jna.Libvirt;

/**
 * The libraries {@code libvirt.so.0} and {@code libvirt-qemu.so.0}, loaded at the first use. From then on libvirt prints
 * nothing in this process. Safe for use by several threads.
 */
final class LibvirtLibrary {
    /** The oldest libvirt that backs up disks of one domain in different modes as this driver asks for. */
    static final long OLDEST = 8_000_000;

    private static final Map<String, Object> UTF_8 = Map.of(Library.OPTION_STRING_ENCODING, "UTF-8");

    /** Held here for ever: libvirt calls it whenever anything fails in any thread. */
    private static final Libvirt.VirErrorCallback SILENCE = (data, error) -> {};

    private static @Nullable LibvirtFunctions loaded;
    private static @Nullable LibvirtQemuFunctions loadedQemu;

    private LibvirtLibrary() {}

    /**
     * Loads libvirt.
     *
     * @throws GenieVmException with {@code NOT_FOUND} when it is not installed and {@code UNSUPPORTED} when it is too old
     */
    static synchronized LibvirtFunctions load() {
        if (loaded == null) {
            LibvirtFunctions libvirt;
            try {
                libvirt = Native.load("virt", LibvirtFunctions.class, UTF_8);
                Connect.setErrorCallback(SILENCE);
            } catch (LinkageError | LibvirtException e) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.named("libvirt.so.0"),
                        "libvirt can not be loaded; it comes with the package libvirt0 (Debian, Ubuntu) or libvirt-libs"
                                + " (Fedora, RHEL): " + e.getMessage(),
                        e);
            }
            LongByReference version = new LongByReference();
            if (libvirt.virGetVersion(version, null, null) < 0) {
                throw LibvirtError.last(libvirt).toException(Resource.named("libvirt.so.0"));
            }
            requireVersion("the library libvirt.so.0", version.getValue());
            loaded = libvirt;
        }
        return loaded;
    }

    /** The functions for QEMU, or {@code null} when they can not be loaded. */
    static synchronized @Nullable LibvirtQemuFunctions loadQemu() {
        if (loadedQemu == null) {
            try {
                loadedQemu = Native.load("virt-qemu", LibvirtQemuFunctions.class, UTF_8);
            } catch (UnsatisfiedLinkError e) {
                return null;
            }
        }
        return loadedQemu;
    }

    /** Refuses a version that is too old. */
    static void requireVersion(String what, long version) {
        if (version < OLDEST) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    what + " has version " + inWords(version) + "; the oldest that will do is " + inWords(OLDEST));
        }
    }

    private static String inWords(long version) {
        return version / 1_000_000 + "." + version / 1_000 % 1_000 + "." + version % 1_000;
    }

    /**
     * Connects, never asking anybody for a password.
     *
     * @throws LibvirtFailure when it can not be done
     */
    static Session connect(String uri) {
        LibvirtFunctions libvirt = load();
        NativeConnect connect;
        try {
            connect = new NativeConnect(uri);
        } catch (LibvirtException e) {
            // The exception's own number is wrong where libvirt is newer than libvirt-java.
            throw new LibvirtFailure(LibvirtError.last(libvirt));
        }
        Pointer pointer = connect.pointer();
        if (pointer == null) {
            throw new LibvirtFailure(LibvirtError.last(libvirt));
        }
        return new Session(libvirt, pointer, connect::closeQuietly);
    }

    /** libvirt-java's connection, with what it wraps. */
    private static final class NativeConnect extends Connect {
        NativeConnect(String uri) throws LibvirtException {
            super(uri);
        }

        @Nullable
        Pointer pointer() {
            return vcp == null ? null : vcp.getPointer();
        }

        void closeQuietly() {
            try {
                close();
            } catch (LibvirtException e) {
                // Nothing more can be done about a connection that nobody uses any more.
            }
        }
    }
}
