package io.genievm.kvm.internal.libvirt;

import java.util.List;

/**
 * A connection to a libvirt daemon on this machine. Every call that fails throws a
 * {@link io.genievm.api.GenieVmException} with libvirt's message; nothing is printed. A connection that broke, as by a
 * restart of the daemon, is made anew by the next call. Safe for use by several threads.
 */
public final class LibvirtConnection implements AutoCloseable {
    /**
     * Connects.
     *
     * @param uri a URI of a daemon on this machine, such as {@code qemu:///system}
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} for another URI or a libvirt older than 8.0,
     *     {@code NOT_FOUND} when there is no libvirt or daemon, {@code ACCESS_DENIED} or an I/O code
     */
    public static LibvirtConnection open(String uri) {
        throw new UnsupportedOperationException();
    }

    /** The URI that was given. */
    public String uri() {
        throw new UnsupportedOperationException();
    }

    /** The host's UUID, which is the same for every connection to it. */
    public String hostUuid() {
        throw new UnsupportedOperationException();
    }

    /** All domains, running or not, in no order. */
    public List<LibvirtDomain> domains() {
        throw new UnsupportedOperationException();
    }

    /**
     * Finds a domain.
     *
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND}
     */
    public LibvirtDomain domain(String name) {
        throw new UnsupportedOperationException();
    }

    /**
     * Defines a domain that is not there yet.
     *
     * @param xml its XML, without UUID
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS} when there is a domain of that name
     */
    public LibvirtDomain define(String xml) {
        throw new UnsupportedOperationException();
    }

    /** Ends the connection. Calls after it, and calls of its domains, fail with {@code CLOSED}. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
