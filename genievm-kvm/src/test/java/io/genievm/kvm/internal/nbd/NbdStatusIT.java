package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What real servers say of their exports, beside what {@code nbdinfo} reads of the same. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class NbdStatusIT {
    private static final long GIBIBYTE = 1L << 30;
    private static final String BITMAP = "qemu:dirty-bitmap:since";

    @TempDir
    private Path folder;

    @Test
    void allocationAndDirtyBitmapChangeAtDifferentPlaces() throws IOException {
        // Over 4 GiB, which is more than one request can ask for; in the bitmap pieces of 64 KiB, in the image of 4
        // KiB.
        run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "disk.qcow2", "9G");
        Random random = new Random(1);
        write(random, 300);
        run("qemu-img", "bitmap", "--add", "-g", "65536", "disk.qcow2", "since");
        write(random, 200);
        Path socket = folder.resolve("nbd.sock");
        NbdOptions options = NbdOptions.DEFAULT.withContexts(BITMAP, NbdOptions.ALLOCATION);
        try (ServerProcess server = ServerProcess.qemuNbd(
                        folder, "-r", "-e", "8", "-k", "" + socket, "-B", "since", "-f", "qcow2", "disk.qcow2");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), options, 2)) {
            assertThat(server.isRunning()).isTrue();
            for (String context : options.contexts()) {
                int index = pool.export().contexts().indexOf(context);
                List<String> told = new ArrayList<>();
                NbdStatusCursor cursor = pool.status(0, 9 * GIBIBYTE);
                Merged merged = new Merged(told);
                while (cursor.next()) {
                    merged.add(cursor.offset(), cursor.length(), cursor.flags(index));
                }
                merged.end();
                assertThat(told).hasSizeGreaterThan(200).isEqualTo(byNbdinfo(socket, context));
            }
            // From the middle of a piece to the middle of another.
            long from = 123_456_789;
            long length = 5 * GIBIBYTE + 12_345;
            List<Extent> dirty = NbdkitIT.ranges(pool.status(from, length).where(BITMAP, flags -> flags == 1));
            assertThat(dirty.get(0).offset()).isGreaterThanOrEqualTo(from);
            assertThat(dirty.get(dirty.size() - 1).offset()
                            + dirty.get(dirty.size() - 1).length())
                    .isLessThanOrEqualTo(from + length);
        }
    }

    private void write(Random random, int count) throws IOException {
        List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "qcow2"));
        for (int i = 0; i < count; i++) {
            long offset = ((long) (random.nextDouble() * (9 * GIBIBYTE / 512 - 400))) * 512;
            int length = (1 + random.nextInt(300)) * 512;
            command.add("-c");
            command.add(
                    random.nextInt(4) == 0
                            ? "write -z " + offset + " " + length
                            : "write -P " + (1 + random.nextInt(250)) + " " + offset + " " + length);
        }
        command.add("disk.qcow2");
        run(command.toArray(String[]::new));
    }

    private List<String> byNbdinfo(Path socket, String context) throws IOException {
        List<String> told = new ArrayList<>();
        Merged merged = new Merged(told);
        String uri = "nbd+unix:///?socket=" + socket;
        for (String line : run("nbdinfo", "--map=" + context, uri).split("\n")) {
            String[] words = line.strip().split(" +");
            merged.add(Long.parseLong(words[0]), Long.parseLong(words[1]), Integer.parseInt(words[2]));
        }
        merged.end();
        return told;
    }

    /** Puts neighbours together that are alike. */
    private static final class Merged {
        private final List<String> out;
        private long start;
        private long end;
        private long flags = -1;

        private Merged(List<String> out) {
            this.out = out;
        }

        void add(long offset, long length, long kind) {
            assertThat(offset).isEqualTo(end);
            if (kind != flags) {
                end();
                start = offset;
                flags = kind;
            }
            end = offset + length;
        }

        void end() {
            if (end > start) {
                out.add(start + " to " + end + ": " + flags);
            }
        }
    }

    @Test
    void fourTebibytesWithoutDataAreToldInAMoment() throws IOException {
        long size = 4L << 40;
        run("qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "4T");
        run("qemu-img", "bitmap", "--add", "disk.qcow2", "since");
        run("qemu-io", "-f", "qcow2", "-c", "write -P 1 3T 64k", "-c", "write -P 2 4398046445568 64k", "disk.qcow2");
        Path socket = folder.resolve("nbd.sock");
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION, BITMAP);
        try (ServerProcess server = ServerProcess.qemuNbd(
                        folder, "-r", "-e", "2", "-k", "" + socket, "-B", "since", "-f", "qcow2", "disk.qcow2");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), options, 1)) {
            assertThat(server.isRunning()).isTrue();
            long start = System.nanoTime();
            List<Extent> written = List.of(new Extent(3L << 40, 65536), new Extent(size - 65536, 65536));
            assertThat(NbdkitIT.ranges(pool.status(0, size)
                            .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) == 0)))
                    .isEqualTo(written);
            assertThat(NbdkitIT.ranges(pool.status(0, size).where(BITMAP, flags -> flags == NbdStatusCursor.DIRTY)))
                    .isEqualTo(written);
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(30));
            ByteBuffer last = ByteBuffer.allocateDirect(65536);
            pool.read(size - 65536, last);
            assertThat(Bytes.taken(last)).containsOnly(2);
        }
        socket = folder.resolve("nbdkit.sock");
        try (ServerProcess server = ServerProcess.nbdkit(folder, "--unix", "" + socket, "memory", "4T");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), options, 1)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(NbdkitIT.ranges(pool.status(0, size).where(NbdOptions.ALLOCATION, flags -> flags == 0)))
                    .isEmpty();
        }
    }

    private String run(String... command) throws IOException {
        return ServerProcess.run(folder, command);
    }
}
