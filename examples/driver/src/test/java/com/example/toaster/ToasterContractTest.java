package com.example.toaster;

import io.genievm.api.*;
import io.genievm.api.hypervisor.*;
import io.genievm.testkit.*;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.io.TempDir;

// guide: contract
class ToasterContractTest extends HypervisorProviderContract {
    @TempDir
    Path folder;

    @Override
    protected HypervisorProvider provider() {
        return new ToasterProvider();
    }

    @Override
    protected HypervisorConfig config() {
        return HypervisorConfig.of("toaster:" + folder);
    }

    @Override
    protected KnownVm knownVm() throws Exception {
        byte[] bytes = new byte[3_000_001];
        new Random(1).nextBytes(bytes);
        KnownVm vm = new KnownVm("web", Map.of("root", bytes, "empty", new byte[0]));
        Files.writeString(folder.resolve("serial"), "T-1000");
        for (DiskId disk : vm.disks().keySet()) {
            Files.createDirectories(folder.resolve("web/" + disk));
            Files.write(folder.resolve("web/" + disk + "/raw"), vm.disks().get(disk));
            loseTracking(vm.id(), disk);
        }
        return vm;
    }

    @Override
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) throws Exception {
        Path of = folder.resolve(vm + "/" + disk);
        try (FileChannel raw = FileChannel.open(of.resolve("raw"), StandardOpenOption.WRITE)) {
            raw.write(ByteBuffer.wrap(bytes), offset);
        }
        Files.writeString(of.resolve("log"), offset + " " + bytes.length + "\n", StandardOpenOption.APPEND);
    }

    @Override
    protected void loseTracking(VmId vm, DiskId disk) throws Exception {
        Files.writeString(folder.resolve(vm + "/" + disk + "/log"), UUID.randomUUID() + "\n");
    }

    @Override
    protected boolean forgetsDroppedTokens() {
        return false;
    }
}
// guide: end
