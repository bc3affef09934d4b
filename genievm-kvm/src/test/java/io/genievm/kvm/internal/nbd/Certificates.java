package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A folder of certificates as QEMU and nbdkit want it, for one authority. */
final class Certificates {
    private Certificates() {}

    /** Makes an authority, a server's certificate for some names and a client's. */
    static Path make(Path folder, String serverNames) throws IOException {
        Files.createDirectory(folder);
        openssl(
                folder,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=authority",
                "-keyout",
                "ca-key.pem",
                "-out",
                "ca-cert.pem");
        issue(folder, "server", serverNames);
        issue(folder, "client", "DNS:client");
        return folder;
    }

    private static void issue(Path folder, String name, String names) throws IOException {
        openssl(
                folder,
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=" + name,
                "-keyout",
                name + "-key.pem",
                "-out",
                name + ".csr");
        Files.writeString(folder.resolve(name + ".ext"), "subjectAltName=" + names + "\n");
        openssl(
                folder,
                "x509",
                "-req",
                "-in",
                name + ".csr",
                "-CA",
                "ca-cert.pem",
                "-CAkey",
                "ca-key.pem",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                name + ".ext",
                "-out",
                name + "-cert.pem");
    }

    private static void openssl(Path folder, String... arguments) throws IOException {
        String[] command = new String[arguments.length + 1];
        command[0] = "openssl";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        ServerProcess.run(folder, command);
    }
}
