package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.w3c.dom.Element;

/**
 * A connection to a libvirt daemon on this machine. Every call that fails throws a
 * {@link io.genievm.api.GenieVmException} with libvirt's message; nothing is printed, by libvirt neither: from the first
 * connection on, libvirt's own printing of errors is off in the whole process. A connection that broke, as by a restart
 * of the daemon, is made anew by the next call. A call during which it broke fails with {@code TRANSIENT_IO_ERROR}; what
 * it asked for may have been done.
 *
 * <p>Safe for use by several threads, which never wait for each other here: each call has a connection of libvirt's to
 * itself. In libvirt's client from 6.1 to 10.1, a call may wait for as long as another one that is under way on the same
 * connection, which would have a thaw wait for half a minute behind a backup that can not begin.
 */
public final class LibvirtConnection implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LibvirtConnection.class);

    private static final int BYTES_OF_UUID_TEXT = 37;

    /** More are made where more are needed; making one takes some milliseconds. */
    private static final int MOST_IDLE = 4;

    private static final Path FIRMWARE_UUID = Path.of("/sys/class/dmi/id/product_uuid");
    private static final Path MACHINE_ID = Path.of("/etc/machine-id");

    private final String uri;
    private final Resource resource;
    private final Connector connector;

    private final Object lock = new Object();
    private final Deque<Session> idle = new ArrayDeque<>();
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
            connection.giveBack(connector.connect(uri));
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
     * The host's UUID, which is the same for every connection to it: as the daemon tells it, or, on a machine whose
     * firmware has none, made from the machine's id, since libvirt draws another at each start of the daemon there.
     */
    public String hostUuid() {
        String known = hostUuid;
        if (known == null) {
            known = Files.exists(FIRMWARE_UUID) ? null : uuidOfMachineId();
            if (known == null) {
                known = uuidOfDaemon();
            }
            hostUuid = known;
        }
        return known;
    }

    private static @Nullable String uuidOfMachineId() {
        try {
            String id = Files.readString(MACHINE_ID, StandardCharsets.US_ASCII).strip();
            // The id itself is to be told to nobody, says machine-id(5).
            return id.isEmpty()
                    ? null
                    : UUID.nameUUIDFromBytes(("io.genievm.kvm " + id).getBytes(StandardCharsets.US_ASCII))
                            .toString();
        } catch (IOException e) {
            return null;
        }
    }

    private String uuidOfDaemon() {
        String capabilities =
                call(session -> session.text(session.libvirt().virConnectGetCapabilities(session.connect())));
        Element host = XmlText.child(XmlText.parse(capabilities, "capabilities", resource), "host");
        String uuid = host == null ? "" : XmlText.textOf(host, "uuid");
        if (uuid.isEmpty()) {
            throw new GenieVmException(ErrorCode.IO_ERROR, resource, "libvirt does not tell the host's UUID");
        }
        return uuid;
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
        Session session = take();
        try {
            return work.apply(session);
        } catch (LibvirtFailure e) {
            if (!session.isBroken()) {
                throw e.error().toException(about);
            }
        } finally {
            giveBack(session);
        }
        return callOnce(about, work);
    }

    /** Does what must not be done twice. */
    private <T> T callOnce(Resource about, OnConnection<T> work) {
        Session session = take();
        try {
            return work.apply(session);
        } catch (LibvirtFailure e) {
            throw translated(session, e, about);
        } finally {
            giveBack(session);
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
            Session session = take();
            try {
                Pointer domain;
                try {
                    domain =
                            session.check(session.libvirt().virDomainLookupByUUIDString(session.connect(), domainUuid));
                } catch (LibvirtFailure e) {
                    if (again && session.isBroken()) {
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
                giveBack(session);
            }
        }
    }

    private static GenieVmException translated(Session session, LibvirtFailure failure, Resource about) {
        if (session.isBroken()) {
            return new GenieVmException(
                    ErrorCode.TRANSIENT_IO_ERROR,
                    about,
                    "the connection to libvirt was lost: " + failure.error().message());
        }
        return failure.error().toException(about);
    }

    /** A connection for one call; to be given back. */
    private Session take() {
        synchronized (lock) {
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, resource, "the connection to " + uri + " is closed");
            }
            Session session = idle.poll();
            if (session != null) {
                return session;
            }
        }
        try {
            Session session = connector.connect(uri);
            LOG.debug("one more connection to {}", uri);
            return session;
        } catch (LibvirtFailure e) {
            ErrorCode code = e.error().code();
            // It was there before, so it is about to be there again.
            throw new GenieVmException(
                    code.equals(ErrorCode.NOT_FOUND) ? ErrorCode.TRANSIENT_IO_ERROR : code,
                    resource,
                    "can not connect to the libvirt daemon at " + uri + " any more: "
                            + e.error().message());
        }
    }

    private void giveBack(Session session) {
        List<Session> useless = new ArrayList<>();
        synchronized (lock) {
            if (session.hasBroken()) {
                // The daemon is another one now, so the others are broken too and have only not noticed.
                useless.addAll(idle);
                idle.clear();
                useless.add(session);
            } else if (closed || idle.size() >= MOST_IDLE) {
                useless.add(session);
            } else {
                idle.push(session);
            }
        }
        useless.forEach(Session::close);
    }

    /**
     * Ends the connection. Calls after it, and calls of its domains, fail with {@code CLOSED}. A call that libvirt is at
     * work with comes to its own end, and does not keep this from returning.
     */
    @Override
    public void close() {
        List<Session> useless;
        synchronized (lock) {
            closed = true;
            useless = new ArrayList<>(idle);
            idle.clear();
        }
        useless.forEach(Session::close);
    }

    @Override
    public String toString() {
        return uri;
    }
}
