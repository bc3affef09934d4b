package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.storage.internal.file.Failing;
import io.genievm.storage.internal.file.PrivateFiles;
import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What is left of a new VM after a power cut. */
class NewImagesVmCrashTest {
    private static final DiskId ROOT = new DiskId("root.raw");
    private static final int CAPACITY = 60_000;
    private static final int STATES = 300;

    private final CrashFileSystem disk = CrashFileSystem.create(1);
    private final Path top = disk.getPath("/images");
    private final byte[] content = new byte[CAPACITY];

    @BeforeEach
    void prepare() throws IOException {
        PrivateFiles.createFolder(top);
        PrivateFiles.sync(disk.root());
        byte[] data = new byte[40_000];
        new Random(1).nextBytes(data);
        System.arraycopy(data, 0, content, 10_000, data.length);
    }

    @Test
    @DisplayName("a VM that is complete stays complete, though nobody has flushed its disk")
    void complete() throws IOException {
        try (NewVm vm = create()) {
            try (DiskWriter writer = vm.openWriter(ROOT)) {
                writer.write(10_000, ByteBuffer.wrap(content, 10_000, 40_000));
            }
            assertThat(vm.complete()).isEqualTo(new VmId("new"));
        }
        for (int seed = 0; seed < STATES; seed++) {
            CrashFileSystem left = disk.crash(disk.moment(), seed);
            assertThat(Files.readAllBytes(left.getPath("/images/new/root.raw")))
                    .as("disk in %s", left)
                    .isEqualTo(content);
            assertThat(left.getPath("/images"))
                    .isDirectoryNotContaining(
                            path -> path.getFileName().toString().startsWith("."));
        }
    }

    @Test
    @DisplayName("a VM that has its name when the power is cut is whole, at whatever moment")
    void beforeTheAnswer() throws IOException {
        complete();
        int named = 0;
        for (int seed = 0; seed < STATES; seed++) {
            CrashFileSystem left = disk.crash(disk.moment() - seed % 8, seed);
            if (Files.exists(left.getPath("/images/new"))) {
                named++;
                assertThat(Files.readAllBytes(left.getPath("/images/new/root.raw")))
                        .as("disk in %s", left)
                        .isEqualTo(content);
            }
        }
        assertThat(named).isPositive();
    }

    @Test
    @DisplayName("what was flushed is there when the power is cut")
    void flushed() throws IOException {
        try (NewVm vm = create()) {
            Path staging = onlyEntry(top);
            Path hidden = staging.resolve("vm");
            PrivateFiles.sync(hidden);
            PrivateFiles.sync(staging);
            PrivateFiles.sync(top);
            DiskWriter writer = vm.openWriter(ROOT);
            writer.write(10_000, ByteBuffer.wrap(content, 10_000, 40_000));
            writer.flush();
            for (int seed = 0; seed < STATES; seed++) {
                CrashFileSystem left = disk.crash(disk.moment(), seed);
                assertThat(Files.readAllBytes(left.getPath(hidden.toString()).resolve("root.raw")))
                        .as("disk in %s", left)
                        .isEqualTo(content);
            }
            writer.close();
        }
    }

    @Test
    @DisplayName("a VM whose name can not be made durable is taken back, and a repetition makes it")
    void forceFails() throws IOException {
        disk.hook(event -> {
            if (event.call() == CrashFileSystem.Call.FORCE && event.path().equals(top)) {
                throw new IOException("Input/output error");
            }
        });
        try (NewVm vm = create()) {
            Failing.with(ErrorCode.IO_ERROR, vm::complete);
        }
        assertThat(top).isEmptyDirectory();
        disk.removeHook();
        complete();
    }

    private NewVm create() {
        return NewImagesVm.create(
                top,
                new NewVmRequest(
                        "new", List.of(new VmDescription.Disk(ROOT, CAPACITY)), Map.of(), Map.of(), Cancellation.NEVER),
                new Scope("the test"));
    }

    private static Path onlyEntry(Path folder) throws IOException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            return entries.iterator().next();
        }
    }
}
