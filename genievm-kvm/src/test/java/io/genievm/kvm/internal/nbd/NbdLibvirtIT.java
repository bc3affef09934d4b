package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.kvm.lab.Guest;
import io.genievm.kvm.lab.KvmLab;
import io.genievm.kvm.lab.Programs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * The client against what it is for: the export that libvirt makes of a guest that runs and writes. Two readers, ours and
 * {@code nbdcopy}, must have the same bytes of it, and the changed ranges over an old copy must give the new one.
 */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class NbdLibvirtIT {
    private static final int PIECE = 1 << 20;
    private static final int THREADS = 4;
    private static final List<String> DISKS = List.of("vda", "vdb");
    private static final String BITMAP = "changed-since-one";

    private static Guest start(KvmLab lab) {
        byte[] random = Bytes.random(1, 30 << 20);
        return lab.guest()
                .disk("vda", disk -> disk.size(160 << 20).ext4(Map.of("random", random)))
                .disk("vdb", disk -> disk.content(Bytes.random(2, (40 << 20) + 5 * 512)))
                .start();
    }

    @Test
    void theBytesOfAMomentWhileTheGuestWrites(KvmLab lab) throws Exception {
        Path folder = lab.newFolder("nbd-libvirt");
        try (Guest guest = start(lab)) {
            guest.startWriting("/mnt/vda");
            Path socket = begin(guest, folder, null, "one");
            Path still = Files.createDirectory(folder.resolve("one"));
            for (String disk : DISKS) {
                try (NbdPool pool = open(socket, disk, NbdOptions.ALLOCATION)) {
                    assertThat(pool.export().isReadOnly()).isTrue();
                    assertThat(pool.size()).isEqualTo(4);
                    Path ours = still.resolve(disk + ".raw");
                    copy(pool, ours, allocated(pool));
                    assertSame(ours, byNbdcopy(socket, disk, folder));
                }
            }
            // Nobody writes to this one, so the live disk has the same bytes.
            assertSame(
                    still.resolve("vdb.raw"),
                    Objects.requireNonNull(guest.reference(folder).get("vdb")));
            end(guest);

            guest.writeAt("vdb", 5 * 65536 + 100, Bytes.random(3, 70_000));
            guest.writeAt("vdb", 20 << 20, Bytes.random(4, 512));
            guest.discard("vdb", 30 << 20, 1 << 20);
            guest.writeAt("vdb", (40 << 20) + 4 * 512, Bytes.random(5, 512));
            socket = begin(guest, folder, "one", "two");
            String context = "qemu:dirty-bitmap:" + BITMAP;
            for (String disk : DISKS) {
                try (NbdPool pool = open(socket, disk, NbdOptions.ALLOCATION, context)) {
                    assertThat(pool.export().contexts()).containsExactly(NbdOptions.ALLOCATION, context);
                    long size = pool.export().size();
                    List<Extent> changed = NbdkitIT.ranges(
                            pool.status(0, size).where(context, flags -> flags == NbdStatusCursor.DIRTY));
                    if (disk.equals("vdb")) {
                        assertThat(changed)
                                .containsExactly(
                                        new Extent(5 * 65536, 2 * 65536),
                                        new Extent(20 << 20, 65536),
                                        new Extent(30 << 20, 1 << 20),
                                        new Extent(40 << 20, 5 * 512));
                    }
                    Path ours = still.resolve(disk + ".raw");
                    copy(pool, ours, changed);
                    assertSame(ours, byNbdcopy(socket, disk, folder));
                }
            }
            assertThat(guest.stopWriting()).isPositive();
            end(guest);
        }
    }

    @Test
    void aGuestThatDiesIsALostSnapshotAndNoHang(KvmLab lab) throws Exception {
        Path folder = lab.newFolder("nbd-libvirt");
        try (Guest guest = start(lab)) {
            Path socket = begin(guest, folder, null, "one");
            try (NbdPool pool = open(socket, "vda", NbdOptions.ALLOCATION)) {
                ExecutorService threads = Executors.newFixedThreadPool(THREADS);
                List<Future<GenieVmException>> all = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    all.add(threads.submit(() -> readUntilItFails(pool)));
                }
                guest.kill9();
                long start = System.nanoTime();
                for (Future<GenieVmException> each : all) {
                    assertThat(each.get().code()).isIn(ErrorCode.TRANSIENT_IO_ERROR, ErrorCode.SNAPSHOT_LOST);
                }
                threads.shutdown();
                while (pool.openConnections() > 0) {
                    readUntilItFails(pool);
                }
                Failing.with(ErrorCode.SNAPSHOT_LOST, () -> pool.read(0, ByteBuffer.allocateDirect(512)));
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
            }
        }
    }

    private static GenieVmException readUntilItFails(NbdPool pool) {
        ByteBuffer target = ByteBuffer.allocateDirect(PIECE);
        while (true) {
            try {
                pool.read(0, target.clear());
            } catch (GenieVmException e) {
                return e;
            }
        }
    }

    private static NbdPool open(Path socket, String disk, String... contexts) {
        return NbdPool.open(NbdAddress.unix(socket, disk), NbdOptions.DEFAULT.withContexts(contexts), 4);
    }

    private static ExtentCursor allocatedCursor(NbdPool pool) {
        return pool.status(0, pool.export().size())
                .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) == 0);
    }

    private static List<Extent> allocated(NbdPool pool) {
        return NbdkitIT.ranges(allocatedCursor(pool));
    }

    /** Copies ranges by several threads at a time. */
    private static void copy(NbdPool pool, Path target, List<Extent> ranges) throws Exception {
        ConcurrentLinkedQueue<Extent> pieces = new ConcurrentLinkedQueue<>();
        for (Extent range : ranges) {
            long end = range.offset() + range.length();
            for (long at = range.offset(); at < end; at += PIECE) {
                pieces.add(new Extent(at, Math.min(PIECE, end - at)));
            }
        }
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try (FileChannel file = FileChannel.open(target, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                all.add(threads.submit(() -> {
                    ByteBuffer buffer = ByteBuffer.allocateDirect(PIECE);
                    for (Extent piece = pieces.poll(); piece != null; piece = pieces.poll()) {
                        pool.read(piece.offset(), buffer.clear().limit((int) piece.length()));
                        write(file, buffer.flip(), piece.offset());
                    }
                    return null;
                }));
            }
            for (Future<?> each : all) {
                each.get();
            }
            long size = pool.export().size();
            if (file.size() < size) {
                write(file, ByteBuffer.allocate(1), size - 1);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static void write(FileChannel file, ByteBuffer bytes, long offset) throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += file.write(bytes, at);
        }
    }

    private static Path byNbdcopy(Path socket, String disk, Path folder) throws IOException {
        Path copy = folder.resolve("nbdcopy.raw");
        Files.deleteIfExists(copy);
        Programs.run("nbdcopy", "nbd+unix:///" + disk + "?socket=" + socket, copy.toString());
        return copy;
    }

    private static void assertSame(Path ours, Path theirs) throws IOException {
        assertThat(Files.mismatch(ours, theirs))
                .as("the first byte in which %s and %s differ", ours, theirs)
                .isEqualTo(-1);
    }

    /** Begins a backup job, with a checkpoint of its moment, and gives the socket of its server. */
    private static Path begin(Guest guest, Path folder, @Nullable String since, String checkpoint) throws IOException {
        Path socket = folder.resolve("backup-" + checkpoint + ".sock");
        StringBuilder backup = new StringBuilder("<domainbackup mode='pull'>");
        backup.append(since == null ? "" : "<incremental>" + since + "</incremental>");
        backup.append("<server transport='unix' socket='").append(socket).append("'/><disks>");
        StringBuilder marks = new StringBuilder("<domaincheckpoint><name>" + checkpoint + "</name><disks>");
        for (String disk : DISKS) {
            backup.append("<disk name='").append(disk).append("' backup='yes' type='file'");
            backup.append(since == null ? "" : " exportbitmap='" + BITMAP + "'");
            backup.append("><scratch file='")
                    .append(folder.resolve(disk + "-" + checkpoint + ".scratch"))
                    .append("'/></disk>");
            marks.append("<disk name='").append(disk).append("' checkpoint='bitmap'/>");
        }
        Path backupXml = folder.resolve("backup.xml");
        Path checkpointXml = folder.resolve("checkpoint.xml");
        Files.writeString(backupXml, backup + "</disks></domainbackup>");
        Files.writeString(checkpointXml, marks + "</disks></domaincheckpoint>");
        KvmLab.virsh("backup-begin", guest.name(), backupXml.toString(), checkpointXml.toString());
        return socket;
    }

    private static void end(Guest guest) {
        KvmLab.virsh("domjobabort", guest.name());
    }
}
