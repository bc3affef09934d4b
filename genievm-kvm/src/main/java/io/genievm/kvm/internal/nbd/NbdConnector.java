package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import javax.net.ssl.SSLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reaches a server: the socket, TLS in the version that it wants, and what it means when that does not come about. */
final class NbdConnector {
    private static final Logger LOG = LoggerFactory.getLogger(NbdConnector.class);

    private NbdConnector() {}

    /** What to do with a server that has answered; it closes the wire, or hands it on. */
    interface Negotiation<T> {
        T run(NbdHandshake handshake, NbdWire wire) throws IOException;
    }

    /**
     * Connects and negotiates, within the limits of the options.
     *
     * @throws GenieVmException as {@link NbdConnection#open} does
     */
    static <T> T connect(NbdAddress address, NbdOptions options, Negotiation<T> negotiation) {
        long limit = System.nanoTime() + options.connectLimit().toNanos();
        try {
            return connect(address, options, negotiation, NbdTls.FIRST_PROTOCOL, limit);
        } catch (TlsRefusedException e) {
            LOG.debug("{}: not with {}", address, NbdTls.FIRST_PROTOCOL, e);
        } catch (SSLException e) {
            throw noTls(address.resource(), e);
        }
        try {
            return connect(address, options, negotiation, NbdTls.SECOND_PROTOCOL, limit);
        } catch (SSLException e) {
            if (e.getCause() instanceof IOException cause && !(cause instanceof SSLException)) {
                throw NbdErrors.lost(address.resource(), cause);
            }
            throw noTls(address.resource(), e);
        }
    }

    private static <T> T connect(
            NbdAddress address, NbdOptions options, Negotiation<T> negotiation, String tlsProtocol, long limit)
            throws SSLException {
        Resource resource = address.resource();
        NbdSocket socket;
        try {
            socket = NbdSocket.connect(address, limit);
        } catch (IOException e) {
            throw noConnection(resource, e);
        } catch (RuntimeException e) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT, resource, "can not connect to " + address + ": " + e.getMessage(), e);
        }
        NbdWire wire = new NbdWire(socket, resource);
        wire.setLimits(
                System.nanoTime(),
                Math.min(
                        options.silenceLimit().toNanos(), options.connectLimit().toNanos()),
                limit);
        boolean opened = false;
        try {
            T result = negotiation.run(new NbdHandshake(address, options, wire, tlsProtocol), wire);
            opened = true;
            return result;
        } catch (SSLException e) {
            throw e;
        } catch (IOException e) {
            throw NbdErrors.lost(resource, e);
        } finally {
            if (!opened) {
                wire.close();
            }
        }
    }

    private static GenieVmException noTls(Resource resource, SSLException cause) {
        return new GenieVmException(
                ErrorCode.ACCESS_DENIED,
                resource,
                "no TLS with the NBD server at " + resource.name() + ": " + cause.getMessage(),
                cause);
    }

    private static GenieVmException noConnection(Resource resource, IOException cause) {
        ErrorCode code = ErrorCode.TRANSIENT_IO_ERROR;
        String reason = String.valueOf(cause.getMessage());
        if (cause instanceof UnknownHostException) {
            code = ErrorCode.NOT_FOUND;
            reason = "the host is not known";
        } else if (!(cause instanceof SocketTimeoutException) && reason.contains("No such file")) {
            code = ErrorCode.NOT_FOUND;
        } else if (reason.contains("Permission denied")) {
            code = ErrorCode.ACCESS_DENIED;
        }
        return new GenieVmException(
                code, resource, "can not connect to the NBD server at " + resource.name() + ": " + reason, cause);
    }
}
