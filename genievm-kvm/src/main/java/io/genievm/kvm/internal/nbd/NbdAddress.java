package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where an export is: a Unix socket or a TCP port, and the export's name there.
 *
 * @param socket the Unix socket, or {@code null} for TCP
 * @param host the host's name or IP address without brackets, or {@code null} for a Unix socket
 * @param port the TCP port; 0 for a Unix socket
 * @param tls whether TLS has to be used; without it, it is not used
 * @param export the name of the export; empty for the server's default
 * @param tlsHostname the name that the server's certificate has to be for, or {@code null} for the host's
 * @param certificates a folder for {@link NbdTls#fromFolder}, or {@code null}
 */
public record NbdAddress(
        @Nullable Path socket,
        @Nullable String host,
        int port,
        boolean tls,
        String export,
        @Nullable String tlsHostname,
        @Nullable Path certificates) {
    /** The port that is meant when none is given. */
    public static final int DEFAULT_PORT = 10809;

    /** Checks the address. */
    public NbdAddress {
        if ((socket == null) == (host == null)) {
            throw refused(export, "it needs either a Unix socket or a host");
        }
        if (socket == null && (port < 1 || port > 65535)) {
            throw refused(host + ":" + port, "a port is 1 to 65535");
        }
        if (export.getBytes(StandardCharsets.UTF_8).length > NbdProtocol.MAX_STRING || export.indexOf('\0') >= 0) {
            throw refused("?", "the name of an export has at most " + NbdProtocol.MAX_STRING + " bytes and no NUL");
        }
    }

    /** An export on a Unix socket. */
    public static NbdAddress unix(Path socket, String export) {
        return new NbdAddress(socket, null, 0, false, export, null, null);
    }

    /** An export on a TCP port. */
    public static NbdAddress tcp(String host, int port, String export) {
        return new NbdAddress(null, host, port, false, export, null, null);
    }

    /** The same export with TLS, and a certificate for the given name, or for the host's when it is {@code null}. */
    public NbdAddress withTls(@Nullable String hostname) {
        return new NbdAddress(socket, host, port, true, export, hostname, certificates);
    }

    /**
     * Reads an NBD URI: {@code nbd://host:port/export}, {@code nbds://} with TLS, {@code nbd+unix:///export?socket=path}
     * and {@code nbds+unix}; with the parameters {@code socket}, {@code tls-hostname} and {@code tls-certificates}.
     *
     * @throws GenieVmException with {@code INVALID_ARGUMENT} when it is none
     */
    public static NbdAddress parse(String text) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw refused(text, "it is no URI");
        }
        String scheme = uri.getScheme() == null ? "" : uri.getScheme();
        boolean unix = scheme.equals("nbd+unix") || scheme.equals("nbds+unix");
        if (!unix && !scheme.equals("nbd") && !scheme.equals("nbds")) {
            throw refused(text, "the scheme is one of nbd, nbds, nbd+unix and nbds+unix");
        }
        if (uri.isOpaque() || uri.getRawFragment() != null || uri.getRawUserInfo() != null) {
            throw refused(text, "it is of the form " + scheme + "://host:port/export, without user and fragment");
        }
        Parameters parameters = Parameters.of(text, uri.getRawQuery());
        String path = uri.getPath() == null ? "" : uri.getPath();
        String export = path.startsWith("/") ? path.substring(1) : path;
        boolean tls = scheme.startsWith("nbds");
        if (!tls && (parameters.tlsHostname != null || parameters.certificates != null)) {
            throw refused(text, "parameters of TLS need nbds or nbds+unix");
        }
        if (unix) {
            if (parameters.socket == null || uri.getRawAuthority() != null) {
                throw refused(text, "a Unix socket is given as ?socket=path, and no host");
            }
            return new NbdAddress(
                    parameters.socket, null, 0, tls, export, parameters.tlsHostname, parameters.certificates);
        }
        String host = uri.getHost();
        if (host == null || parameters.socket != null) {
            throw refused(text, "it needs a host, and no socket");
        }
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        int port = uri.getPort() == -1 ? DEFAULT_PORT : uri.getPort();
        return new NbdAddress(null, host, port, tls, export, parameters.tlsHostname, parameters.certificates);
    }

    /** The address as a URI, without the parameters of TLS. */
    @Override
    public String toString() {
        String name = "/" + encoded(export);
        if (socket != null) {
            return (tls ? "nbds" : "nbd") + "+unix://" + name + "?socket="
                    + encoded(socket.toString()).replace("%2F", "/");
        }
        String place = host != null && host.indexOf(':') >= 0 ? "[" + host + "]" : String.valueOf(host);
        return (tls ? "nbds" : "nbd") + "://" + place + ":" + port + name;
    }

    /** The address as what an error is about. */
    Resource resource() {
        return Resource.named(toString());
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static GenieVmException refused(String text, String rule) {
        return new GenieVmException(
                ErrorCode.INVALID_ARGUMENT, Resource.named(text), "not an NBD address: " + text + ": " + rule);
    }

    private static final class Parameters {
        private @Nullable Path socket;
        private @Nullable Path certificates;
        private @Nullable String tlsHostname;

        private static Parameters of(String text, @Nullable String query) {
            Parameters parameters = new Parameters();
            for (String pair : query == null || query.isEmpty() ? new String[0] : query.split("&", -1)) {
                int equals = pair.indexOf('=');
                String name = equals < 0 ? pair : pair.substring(0, equals);
                // In a URI a plus is a plus; it is a space only in forms.
                String value = equals < 0
                        ? ""
                        : URLDecoder.decode(pair.substring(equals + 1).replace("+", "%2B"), StandardCharsets.UTF_8);
                try {
                    switch (name) {
                        case "socket" -> parameters.socket = Path.of(value);
                        case "tls-certificates" -> parameters.certificates = Path.of(value);
                        case "tls-hostname" -> parameters.tlsHostname = value;
                        default ->
                            throw refused(
                                    text, "the parameters are socket, tls-hostname and tls-certificates, not " + name);
                    }
                } catch (InvalidPathException e) {
                    throw refused(text, name + " is no path");
                }
            }
            return parameters;
        }
    }
}
