package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import javax.net.ssl.SSLException;

/** The server ended the handshake before it had shown a certificate: with another version of TLS it may go on. */
final class TlsRefusedException extends SSLException {
    private static final long serialVersionUID = 1L;

    TlsRefusedException(IOException cause) {
        super(cause.getMessage(), cause);
    }
}
