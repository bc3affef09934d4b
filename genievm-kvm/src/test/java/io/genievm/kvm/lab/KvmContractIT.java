package io.genievm.kvm.lab;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.kvm.internal.KvmProvider;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import io.genievm.testkit.LargeVm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.ExtendWith;

/** The contract of drivers, with one guest that runs all the time and writes as it is told. */
@ExtendWith(KvmLab.Extension.class)
class KvmContractIT extends HypervisorProviderContract {
    private static final long HUGE = 8L << 40;
    private static final SortedMap<DiskId, byte[]> NOW = new TreeMap<>();
    private static final SortedMap<DiskId, byte[]> STOPPED = new TreeMap<>();
    private static Guest guest;
    private static Guest stopped;
    private static @Nullable Guest large;
    private static KvmLab lab;
    private static HypervisorConfig config;

    @BeforeAll
    static void start(KvmLab given) {
        lab = given;
        // None of a size that is a multiple of clusters or pages, and all with holes.
        byte[] tracked = content(1, (3 << 20) + 3 * 512);
        byte[] small = content(2, (1 << 20) + 512);
        byte[] raw = content(3, (2 << 20) + 5 * 512);
        byte[] old = content(4, (1 << 20) + 7 * 512);
        guest = lab.guest()
                .disk("vda", disk -> disk.content(tracked))
                .disk("vdb", disk -> disk.backed().content(small))
                .disk("vdc", disk -> disk.raw().content(raw))
                .disk("vdd", disk -> disk.oldQcow2().content(old))
                .disk("vde", disk -> disk.size((1 << 20) + 512))
                .emptyCdrom("sda")
                .start();
        NOW.put(new DiskId("vda"), tracked);
        NOW.put(new DiskId("vdb"), small);
        NOW.put(new DiskId("vdc"), raw);
        NOW.put(new DiskId("vdd"), old);
        NOW.put(new DiskId("vde"), new byte[(1 << 20) + 512]);
        byte[] first = content(5, (1 << 20) + 3 * 512);
        byte[] second = content(6, (2 << 20) + 512);
        stopped = lab.guest()
                .disk("vda", disk -> disk.content(first))
                .disk("vdb", disk -> disk.raw().content(second))
                .define();
        STOPPED.put(new DiskId("vda"), first);
        STOPPED.put(new DiskId("vdb"), second);
        config = Protection.config(lab.newFolder("scratch"));
    }

    private static byte[] content(int seed, int length) {
        byte[] bytes = random(seed, length);
        Arrays.fill(bytes, length / 2, length / 2 + 400_000, (byte) 0);
        return bytes;
    }

    private static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @AfterAll
    static void stop() {
        NOW.clear();
        STOPPED.clear();
        for (Guest each : new Guest[] {guest, stopped, large}) {
            if (each != null) {
                each.close();
            }
        }
    }

    @Override
    protected HypervisorProvider provider() {
        return new KvmProvider();
    }

    @Override
    protected HypervisorConfig config() {
        return config;
    }

    @Override
    protected KnownVm knownVm() {
        SortedMap<DiskId, byte[]> disks = new TreeMap<>();
        NOW.forEach((disk, bytes) -> disks.put(disk, bytes.clone()));
        return new KnownVm(new VmId(guest.name()), disks);
    }

    @Override
    protected KnownVm writableVm() {
        return new KnownVm(new VmId(stopped.name()), STOPPED);
    }

    /** Runs as well: one disk of each format with 8 TiB, of which one is of many pieces, and ten more. */
    @Override
    protected LargeVm largeVm() throws IOException {
        GuestBuilder builder = lab.guest()
                .disk("vda", disk -> disk.size(HUGE))
                .disk("vdb", disk -> disk.raw().size(HUGE));
        SortedMap<DiskId, LargeVm.Disk> disks = new TreeMap<>();
        for (char letter = 'c'; letter < 'm'; letter++) {
            builder.disk("vd" + letter, disk -> disk.size(512));
            disks.put(new DiskId("vd" + letter), new LargeVm.Disk(512, new TreeMap<>()));
        }
        Guest huge = builder.define();
        large = huge;
        SortedMap<Long, byte[]> pieces = new TreeMap<>();
        StringBuilder commands = new StringBuilder();
        for (long i = 0; i < 1000; i++) {
            byte[] piece = new byte[512];
            Arrays.fill(piece, (byte) (1 + i % 200));
            pieces.put(i << 32, piece);
            commands.append("write -P ")
                    .append(1 + i % 200)
                    .append(' ')
                    .append(i << 32)
                    .append(" 512\n");
        }
        Path script = lab.newFolder("large").resolve("commands");
        Files.writeString(script, commands);
        Programs.run("sh", "-c", "qemu-io -f qcow2 " + huge.disk("vda").source() + " <" + script + " >/dev/null");
        SortedMap<Long, byte[]> ends = new TreeMap<>(Map.of(5L << 40, random(7, 700), HUGE - 512, random(8, 512)));
        try (RandomAccessFile image =
                new RandomAccessFile(huge.disk("vdb").source().toFile(), "rw")) {
            for (Map.Entry<Long, byte[]> end : ends.entrySet()) {
                image.seek(end.getKey());
                image.write(end.getValue());
            }
        }
        disks.put(new DiskId("vda"), new LargeVm.Disk(HUGE, pieces));
        disks.put(new DiskId("vdb"), new LargeVm.Disk(HUGE, ends));
        huge.start();
        return new LargeVm(new VmId(huge.name()), disks);
    }

    @Override
    protected Set<Class<?>> abilities() {
        return Set.of(VmCreation.class, DiskWriting.class);
    }

    @Override
    protected Set<DiskId> trackedDisks() {
        return Set.of(new DiskId("vda"), new DiskId("vdb"), new DiskId("vde"));
    }

    @Override
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) {
        guest.writeAt(disk.value(), offset, bytes);
        System.arraycopy(bytes, 0, NOW.get(disk), (int) offset, bytes.length);
    }

    @Override
    protected void zero(VmId vm, DiskId disk, long offset, long length) {
        guest.discard(disk.value(), offset, length);
        Arrays.fill(NOW.get(disk), (int) offset, (int) (offset + length), (byte) 0);
    }

    /** As a crash of QEMU does it, to one disk. */
    @Override
    protected void loseTracking(VmId vm, DiskId disk) {
        guest.bitmaps(disk.value()).keySet().stream()
                .filter(bitmap -> bitmap.startsWith("genievm-"))
                .forEach(bitmap -> guest.removeBitmap(disk.value(), bitmap));
    }

    /** Deaths have tests of their own, {@code KvmKillIT}, which know what is left on the host. */
    @Override
    protected Optional<Class<? extends HypervisorProvider>> providerOfAnotherProcess() {
        return Optional.empty();
    }

    @Override
    protected void removeVm(VmId vm) {
        removeDomain(vm.value());
    }

    /** Takes a domain away with the images of its disks. */
    static void removeDomain(String name) {
        for (String line : KvmLab.virsh("domblklist", name, "--details").split("\n")) {
            String[] words = line.strip().split("\\s+");
            if (words.length == 4 && words[0].equals("file") && words[1].equals("disk")) {
                try {
                    Files.deleteIfExists(Path.of(words[3]));
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
        }
        Programs.run(
                "virsh", "--quiet", "--connect", KvmLab.ADDRESS, "undefine", name, "--nvram", "--checkpoints-metadata");
    }
}
