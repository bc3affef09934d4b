package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

/** Whom to trust, and which certificate to show. Certificates of servers are always verified. */
public final class NbdTls {
    /**
     * What is tried first. Java asks for new keys of TLS 1.3 with every record behind the first 128 GiB until the server has
     * answered, and GnuTLS, which most NBD servers use, hangs up on a client that asks more than a few times in a second.
     */
    static final String FIRST_PROTOCOL = "TLSv1.2";
    /** What is tried with a server that refuses the first. */
    static final String SECOND_PROTOCOL = "TLSv1.3";

    private final SSLContext context;

    private NbdTls(SSLContext context) {
        this.context = context;
    }

    /** Trusts what a context trusts. */
    public static NbdTls of(SSLContext context) {
        return new NbdTls(context);
    }

    /** Trusts what the JVM trusts. */
    public static NbdTls ofJvm() {
        try {
            return new NbdTls(SSLContext.getDefault());
        } catch (GeneralSecurityException e) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT, Resource.NONE, "the JVM's certificates are of no use", e);
        }
    }

    /**
     * Takes the PEM files of a folder, named as libvirt and QEMU name them: {@code ca-cert.pem} is trusted, and
     * {@code client-cert.pem} with {@code client-key.pem}, if they are there, are shown to a server that asks.
     *
     * @throws GenieVmException with {@code NOT_FOUND}, {@code ACCESS_DENIED}, {@code IO_ERROR} or, for a file that can not
     *     be understood, {@code INVALID_ARGUMENT}
     */
    public static NbdTls fromFolder(Path folder) {
        Path authorities = folder.resolve("ca-cert.pem");
        Path certificate = folder.resolve("client-cert.pem");
        Path key = folder.resolve("client-key.pem");
        try {
            KeyStore trusted = emptyStore();
            int count = 0;
            for (Certificate each : certificates(authorities)) {
                trusted.setCertificateEntry("authority" + count++, each);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            KeyManager[] own = {};
            if (Files.exists(certificate)) {
                KeyStore keys = emptyStore();
                keys.setKeyEntry(
                        "client",
                        privateKey(key),
                        new char[0],
                        certificates(certificate).toArray(Certificate[]::new));
                KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
                factory.init(keys, new char[0]);
                own = factory.getKeyManagers();
            }
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(own, trust.getTrustManagers(), null);
            return new NbdTls(context);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(folder.toString()),
                    "the certificates and keys in " + folder + " can not be understood",
                    e);
        } catch (java.nio.file.NoSuchFileException e) {
            throw unreadable(ErrorCode.NOT_FOUND, folder, e);
        } catch (java.nio.file.AccessDeniedException e) {
            throw unreadable(ErrorCode.ACCESS_DENIED, folder, e);
        } catch (IOException e) {
            throw unreadable(ErrorCode.IO_ERROR, folder, e);
        }
    }

    /** An engine for a connection to a server whose certificate is for this name. */
    SSLEngine engine(String hostname, int port, String protocol) {
        SSLEngine engine = context.createSSLEngine(hostname, port);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(new String[] {protocol});
        // Of the many of TLS 1.2 those that TLS 1.3 has kept in spirit: forward secrecy, and encryption with a seal.
        parameters.setCipherSuites(Arrays.stream(engine.getSupportedCipherSuites())
                .filter(suite -> !suite.contains("_CBC_")
                        && (suite.startsWith("TLS_ECDHE_")
                                || suite.startsWith("TLS_AES_")
                                || suite.startsWith("TLS_CHACHA20_")))
                .toArray(String[]::new));
        // Without an algorithm the engine verifies the chain, but not whose certificate it is.
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        engine.setSSLParameters(parameters);
        return engine;
    }

    private static GenieVmException unreadable(ErrorCode code, Path folder, IOException cause) {
        return new GenieVmException(
                code,
                Resource.named(folder.toString()),
                "the certificates and keys in " + folder + " can not be read: " + cause.getMessage(),
                cause);
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        return store;
    }

    private static List<Certificate> certificates(Path file) throws GeneralSecurityException, IOException {
        List<Certificate> found = List.copyOf(CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(file))));
        if (found.isEmpty()) {
            throw new GeneralSecurityException("no certificate in " + file);
        }
        return found;
    }

    private static PrivateKey privateKey(Path file) throws GeneralSecurityException, IOException {
        String text = Files.readString(file, StandardCharsets.US_ASCII);
        byte[] encoded = block(text, "PRIVATE KEY");
        if (encoded.length == 0) {
            byte[] rsa = block(text, "RSA PRIVATE KEY");
            if (rsa.length == 0) {
                throw new GeneralSecurityException("no private key without a password in " + file);
            }
            encoded = wrapped(rsa);
        }
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(encoded);
        for (String algorithm : List.of("RSA", "EC", "Ed25519", "RSASSA-PSS")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(spec);
            } catch (InvalidKeySpecException e) {
                // A key of another kind.
            }
        }
        throw new GeneralSecurityException("the private key in " + file + " is of no kind that is known");
    }

    private static byte[] block(String text, String title) {
        String begin = "-----BEGIN " + title + "-----";
        int start = text.indexOf(begin);
        int end = text.indexOf("-----END " + title + "-----");
        return start < 0 || end < start
                ? new byte[0]
                : Base64.getMimeDecoder().decode(text.substring(start + begin.length(), end));
    }

    /** PKCS #8 around a PKCS #1 key, which is what GnuTLS' certtool writes and Java does not read. */
    private static byte[] wrapped(byte[] rsa) {
        byte[] head = {2, 1, 0, 48, 13, 6, 9, 42, (byte) 134, 72, (byte) 134, (byte) 247, 13, 1, 1, 1, 5, 0};
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.writeBytes(head);
        body.writeBytes(tagged(4, rsa));
        return tagged(48, body.toByteArray());
    }

    private static byte[] tagged(int tag, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        if (content.length < 128) {
            out.write(content.length);
        } else {
            int bytes = (39 - Integer.numberOfLeadingZeros(content.length)) / 8;
            out.write(128 + bytes);
            for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
                out.write(content.length >>> shift);
            }
        }
        out.writeBytes(content);
        return out.toByteArray();
    }
}
