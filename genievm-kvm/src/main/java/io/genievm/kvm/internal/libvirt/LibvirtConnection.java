package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.w3c.dom.Element;

/**
 * A connection to a libvirt daemon on this machine. Every call that fails throws a
 * {@link io.genievm.api.GenieVmException} with libvirt's message; nothing is printed, by libvirt neither: from the first
 * connection on, libvirt's own printing of errors is off in the whole process. A connection that broke, as by a restart
 * of the daemon, is made anew by the next call. A call during which it broke fails with {@code TRANSIENT_IO_ERROR}; what
 * it asked for may have been done. Safe for use by several threads.
 */
public final class LibvirtConnection implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LibvirtConnection.class);

    private static final int BYTES_OF_UUID_TEXT = 37;

    private final String uri;
    private final Resource resource;
    private final Connector connector;

    /** Held while a connection is made, so that callers who miss it wait for one and share it. */
    private final ReentrantLock connecting = new ReentrantLock();

    private final Object lock = new Object();
    private @Nullable Session current;
    private boolean closed;

    private volatile @Nullable String hostUuid;

    /** Makes connections. */
    interface Connector {
        /**
         * Connects.
         *
         * @throws LibvirtFailure when it can not be done
         */
        Session connect(String uri);
    }

    /** Work on a connection. */
    interface OnConnection<T> {
        /**
         * Does it.
         *
         * @throws LibvirtFailure when libvirt fails
         */
        T apply(Session session);
    }

    /** Work on a domain. */
    interface OnDomain<T> {
        /**
         * Does it.
         *
         * @param domain freed when this returns
         * @throws LibvirtFailure when libvirt fails
         */
        T apply(Session session, Pointer domain);
    }

    /**
     * Prepares a connection without making it.
     *
     * @param uri the URI, not looked at
     * @param connector makes the connections
     */
    LibvirtConnection(String uri, Connector connector) {
        this.uri = uri;
        this.connector = connector;
        resource = Resource.named(uri);
    }

    /**
     * Connects.
     *
     * @param uri a URI of a daemon on this machine, such as {@code qemu:///system}
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} for another URI or a libvirt older than 8.0,
     *     {@code NOT_FOUND} when there is no libvirt or daemon, {@code ACCESS_DENIED} or an I/O code
     */
    public static LibvirtConnection open(String uri) {
        LocalUri.require(uri);
        return open(uri, LibvirtLibrary::connect);
    }

    /** Connects in a way that the tests can choose. */
    static LibvirtConnection open(String uri, Connector connector) {
        LibvirtConnection connection = new LibvirtConnection(uri, connector);
        try {
            connection.adopt(connector.connect(uri));
            connection.call(session -> {
                LongByReference version = new LongByReference();
                session.check(session.libvirt().virConnectGetLibVersion(session.connect(), version));
                LibvirtLibrary.requireVersion("the libvirt daemon at " + uri, version.getValue());
                return version;
            });
            return connection;
        } catch (LibvirtFailure e) {
            throw connection.cannotConnect(e);
        } catch (RuntimeException | Error e) {
            connection.close();
            throw e;
        }
    }

    private GenieVmException cannotConnect(LibvirtFailure failure) {
        ErrorCode code = failure.error().code();
        // Nobody listens: no socket, or one that nobody accepts on.
        if (code.equals(ErrorCode.TRANSIENT_IO_ERROR)) {
            code = ErrorCode.NOT_FOUND;
        }
        return new GenieVmException(
                code,
                resource,
                "can not connect to the libvirt daemon at " + uri + ": "
                        + failure.error().message());
    }

    /** The URI that was given. */
    public String uri() {
        return uri;
    }

    /**
     * The host's UUID as the daemon tells it, the same for every connection to that daemon. On a machine whose firmware
     * has none, and for which none is configured, libvirt draws another at each start of the daemon; a connection keeps
     * to the first that it was told.
     */
    public String hostUuid() {
        String known = hostUuid;
        if (known == null) {
            String capabilities =
                    call(session -> session.text(session.libvirt().virConnectGetCapabilities(session.connect())));
            Element root = XmlText.parse(capabilities, "capabilities", resource);
            Element host = XmlText.child(root, "host");
            known = host == null ? "" : XmlText.textOf(host, "uuid");
            if (known.isEmpty()) {
                throw new GenieVmException(ErrorCode.IO_ERROR, resource, "libvirt does not tell the host's UUID");
            }
            hostUuid = known;
        }
        return known;
    }

    /** All domains, running or not, in no order. */
    public List<LibvirtDomain> domains() {
        return call(session -> {
            PointerByReference list = new PointerByReference();
            int count = session.check(session.libvirt().virConnectListAllDomains(session.connect(), list, 0));
            List<LibvirtDomain> domains = new ArrayList<>();
            try {
                for (int i = 0; i < count; i++) {
                    domains.add(describe(session, list.getValue().getPointer((long) i * Native.POINTER_SIZE)));
                }
            } finally {
                for (int i = 0; i < count; i++) {
                    session.libvirt().virDomainFree(list.getValue().getPointer((long) i * Native.POINTER_SIZE));
                }
                Session.free(list.getValue());
            }
            return domains;
        });
    }

    /**
     * Finds a domain.
     *
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND}
     */
    public LibvirtDomain domain(String name) {
        return call(Resource.named(name), session -> {
            Pointer domain = session.check(session.libvirt().virDomainLookupByName(session.connect(), name));
            try {
                return describe(session, domain);
            } finally {
                session.libvirt().virDomainFree(domain);
            }
        });
    }

    /**
     * Defines a domain that is not there yet.
     *
     * @param xml its XML, without UUID
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS} when there is a domain of that name, which is
     *     left as it is; {@code INVALID_ARGUMENT} or {@code UNSUPPORTED} when libvirt does not take the XML
     */
    public LibvirtDomain define(String xml) {
        DomainXml definition = DomainXml.parse(xml);
        if (!definition.uuid().isEmpty()) {
            // With a UUID, libvirt takes the XML for a new definition of the domain that bears it.
            throw new IllegalArgumentException("the XML of a new domain must not have a UUID");
        }
        String name = definition.name();
        Resource domain = Resource.named(name);
        // It also finds out whether the connection is any good: defining is not done twice.
        if (call(domain, session -> exists(session, name))) {
            throw alreadyExists(name);
        }
        return callOnce(domain, session -> {
            Pointer defined;
            try {
                defined = session.check(session.libvirt().virDomainDefineXMLFlags(session.connect(), xml, 0));
            } catch (LibvirtFailure e) {
                // Somebody was faster. libvirt has no number for it and says it in the language of the daemon.
                if (e.is(LibvirtError.OPERATION_FAILED) && exists(session, name)) {
                    throw alreadyExists(name);
                }
                throw e;
            }
            try {
                return describe(session, defined);
            } finally {
                session.libvirt().virDomainFree(defined);
            }
        });
    }

    private static boolean exists(Session session, String name) {
        try {
            Pointer found = session.check(session.libvirt().virDomainLookupByName(session.connect(), name));
            session.libvirt().virDomainFree(found);
            return true;
        } catch (LibvirtFailure e) {
            if (e.is(LibvirtError.NO_DOMAIN)) {
                return false;
            }
            throw e;
        }
    }

    private static GenieVmException alreadyExists(String name) {
        return new GenieVmException(
                ErrorCode.ALREADY_EXISTS, Resource.named(name), "there is a domain named '" + name + "' already");
    }

    private LibvirtDomain describe(Session session, Pointer domain) {
        byte[] uuid = new byte[BYTES_OF_UUID_TEXT];
        session.check(session.libvirt().virDomainGetUUIDString(domain, uuid));
        String name = session.libvirt().virDomainGetName(domain);
        if (name == null) {
            throw new LibvirtFailure(LibvirtError.last(session.libvirt()));
        }
        return new LibvirtDomain(this, Native.toString(uuid, "US-ASCII"), name);
    }

    /** Does what may be done twice, on a new connection if the old one turns out to be broken. */
    private <T> T call(OnConnection<T> work) {
        return call(resource, work);
    }

    private <T> T call(Resource about, OnConnection<T> work) {
        Session session = enter();
        try {
            return work.apply(session);
        } catch (LibvirtFailure e) {
            if (!dropIfBroken(session)) {
                throw e.error().toException(about);
            }
        } finally {
            session.leave();
        }
        return callOnce(about, work);
    }

    /** Does what must not be done twice. */
    private <T> T callOnce(Resource about, OnConnection<T> work) {
        Session session = enter();
        try {
            return work.apply(session);
        } catch (LibvirtFailure e) {
            throw translated(session, e, about);
        } finally {
            session.leave();
        }
    }

    /**
     * Does something with a domain. Only the looking up is done a second time when the connection turns out to be broken:
     * what comes after may have been done by the daemon already.
     *
     * @throws GenieVmException with {@code NOT_FOUND} when the domain is gone, {@code CLOSED}, or as the failure has it
     */
    <T> T onDomain(String domainUuid, Resource about, OnDomain<T> work) {
        for (boolean again = true; ; again = false) {
            Session session = enter();
            try {
                Pointer domain;
                try {
                    domain =
                            session.check(session.libvirt().virDomainLookupByUUIDString(session.connect(), domainUuid));
                } catch (LibvirtFailure e) {
                    if (again && dropIfBroken(session)) {
                        continue;
                    }
                    throw e;
                }
                try {
                    return work.apply(session, domain);
                } finally {
                    session.libvirt().virDomainFree(domain);
                }
            } catch (LibvirtFailure e) {
                throw translated(session, e, about);
            } finally {
                session.leave();
            }
        }
    }

    private GenieVmException translated(Session session, LibvirtFailure failure, Resource about) {
        if (dropIfBroken(session)) {
            return new GenieVmException(
                    ErrorCode.TRANSIENT_IO_ERROR,
                    about,
                    "the connection to libvirt was lost: " + failure.error().message());
        }
        return failure.error().toException(about);
    }

    /** Sees to it that a broken connection is not used again. */
    private boolean dropIfBroken(Session session) {
        if (session.isAlive()) {
            return false;
        }
        synchronized (lock) {
            if (current != session) {
                // Somebody else has found it out before.
                return true;
            }
            current = null;
        }
        session.leave();
        return true;
    }

    /** The connection for one call, made if there is none; to be left. */
    private Session enter() {
        Session session = enterCurrent();
        if (session != null) {
            return session;
        }
        connecting.lock();
        try {
            session = enterCurrent();
            if (session != null) {
                return session;
            }
            try {
                adopt(connector.connect(uri));
            } catch (LibvirtFailure e) {
                ErrorCode code = e.error().code();
                // It was there before, so it is about to be there again.
                throw new GenieVmException(
                        code.equals(ErrorCode.NOT_FOUND) ? ErrorCode.TRANSIENT_IO_ERROR : code,
                        resource,
                        "the connection to libvirt was lost and can not be made anew: "
                                + e.error().message());
            }
            LOG.info("connected to {} anew", uri);
        } finally {
            connecting.unlock();
        }
        return enter();
    }

    private @Nullable Session enterCurrent() {
        synchronized (lock) {
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, resource, "the connection to " + uri + " is closed");
            }
            if (current != null) {
                current.enter();
            }
            return current;
        }
    }

    /** Takes a new connection over, or ends it when it comes too late. */
    private void adopt(Session session) {
        synchronized (lock) {
            if (!closed) {
                current = session;
                return;
            }
        }
        session.leave();
    }

    /**
     * Ends the connection. Calls after it, and calls of its domains, fail with {@code CLOSED}. A call that libvirt is at
     * work with comes to its own end, and does not keep this from returning.
     */
    @Override
    public void close() {
        Session last;
        synchronized (lock) {
            closed = true;
            last = current;
            current = null;
        }
        if (last != null) {
            last.leave();
        }
    }

    @Override
    public String toString() {
        return uri;
    }
}
