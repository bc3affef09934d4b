package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders of certificates and keys, as other programs make them. */
class NbdTlsIT {
    @TempDir
    private Path folder;

    @Test
    void keysOfAllKindsAreUnderstood() throws IOException {
        Path certificates = Certificates.make(folder.resolve("pki"), "DNS:localhost");
        assertThat(NbdTls.fromFolder(certificates)).isNotNull();
        // As GnuTLS' certtool writes them.
        ServerProcess.run(certificates, "openssl", "genrsa", "-traditional", "-out", "client-key.pem", "2048");
        ServerProcess.run(
                certificates,
                "openssl",
                "req",
                "-x509",
                "-new",
                "-key",
                "client-key.pem",
                "-subj",
                "/CN=client",
                "-out",
                "client-cert.pem");
        assertThat(Files.readString(certificates.resolve("client-key.pem"))).contains("BEGIN RSA PRIVATE KEY");
        assertThat(NbdTls.fromFolder(certificates)).isNotNull();
    }

    @Test
    void whatIsMissingOrBrokenIsNamed() throws IOException {
        Path certificates = Certificates.make(folder.resolve("pki"), "DNS:localhost");
        Files.writeString(certificates.resolve("client-key.pem"), "no key");
        assertThat(Failing.with(ErrorCode.INVALID_ARGUMENT, () -> NbdTls.fromFolder(certificates)))
                .hasMessageContaining(certificates.toString());
        Files.delete(certificates.resolve("client-key.pem"));
        Failing.with(ErrorCode.NOT_FOUND, () -> NbdTls.fromFolder(certificates));
        Files.writeString(certificates.resolve("ca-cert.pem"), "no certificate");
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> NbdTls.fromFolder(certificates));
        Failing.with(ErrorCode.NOT_FOUND, () -> NbdTls.fromFolder(folder));
    }
}
