package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NewDomainsTest {
    @TempDir
    private Path folder;

    @Test
    void aDefinitionNamesNoProgramToRunButAnEmulatorOfRoots() throws IOException {
        assertThat(NewDomains.isEmulator("/bin/sh")).isFalse();
        assertThat(NewDomains.isEmulator("qemu-system-x86_64")).isFalse();
        assertThat(NewDomains.isEmulator("")).isFalse();
        assertThat(NewDomains.isEmulator("/a\0b")).isFalse();
        assertThat(NewDomains.isEmulator(folder.resolve("qemu-kvm").toString())).isFalse();
        Path link = Files.createSymbolicLink(folder.resolve("qemu-system-link"), Path.of("/bin/sh"));
        assertThat(NewDomains.isEmulator(link.toString())).isFalse();

        Path emulator = Files.createFile(folder.resolve("qemu-system-x86_64"));
        assertThat(NewDomains.isEmulator(emulator.toString())).isFalse();
        Files.setPosixFilePermissions(emulator, PosixFilePermissions.fromString("rwxrwxr-x"));
        assertThat(NewDomains.isEmulator(emulator.toString())).isFalse();
        Files.setPosixFilePermissions(emulator, PosixFilePermissions.fromString("rwxr-xr-x"));
        assumeThat(Files.getAttribute(folder, "unix:uid")).isEqualTo(0);
        assertThat(NewDomains.isEmulator(emulator.toString())).isTrue();
        Files.setAttribute(emulator, "unix:uid", 12345);
        assertThat(NewDomains.isEmulator(emulator.toString())).isFalse();
    }
}
