package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.storage.internal.file.Failing;
import io.genievm.storage.internal.file.Tmpfs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk that is really full. */
class NewImagesVmFullDiskIT {
    private static final DiskId ROOT = new DiskId("root.raw");

    @TempDir
    private Path directory;

    @Test
    void aFullDiskLeavesNoVm() throws IOException {
        try (Tmpfs disk = Tmpfs.mount(directory, "size=1m");
                HypervisorConnection connection = ImagesProvider.open(disk.folder(), Clock.systemUTC())) {
            VmCreation creation = connection.ability(VmCreation.class).orElseThrow();
            NewVmRequest request = new NewVmRequest(
                    "new", List.of(new VmDescription.Disk(ROOT, 1L << 30)), Map.of(), Map.of(), Cancellation.NEVER);
            try (NewVm vm = creation.create(request);
                    DiskWriter writer = vm.openWriter(ROOT)) {
                assertThat(Failing.with(ErrorCode.NO_SPACE, () -> writer.write(0, ByteBuffer.allocateDirect(2 << 20))))
                        .hasMessageContaining("root.raw");
            }
            assertThat(disk.folder()).isEmptyDirectory();
        }
    }
}
