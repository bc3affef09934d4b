package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.GenieVmException;
import io.genievm.kvm.internal.nbd.ScriptedServer.Peer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a good server sent is changed here and there and sent again: the client ends with the right bytes or with a typed
 * error, soon, without much memory and without leaving anything behind.
 */
class NbdFuzzTest {
    private static final int ROUNDS = 10_000;
    private static final int SIZE = 48 * 1024;
    private static final NbdOptions OPTIONS = NbdOptions.DEFAULT
            .withContexts(NbdOptions.ALLOCATION, "qemu:dirty-bitmap:since")
            .withLimits(Duration.ofSeconds(2), Duration.ofMillis(40), Duration.ofSeconds(2));

    @TempDir
    private Path folder;

    /** A server's side of a conversation, and which of its bytes are a disk's data. */
    private record Recording(byte[] bytes, BitSet data) {}

    /** What is played next, and whether the server hangs up behind it or keeps silent. */
    private record Play(byte[] bytes, boolean hangsUp) {}

    private final byte[] disk = disk();
    private final SynchronousQueue<Play> plays = new SynchronousQueue<>();

    private static byte[] disk() {
        byte[] disk = Bytes.random(11, SIZE);
        Arrays.fill(disk, 8192, 20000, (byte) 0);
        return disk;
    }

    @Test
    @Tag("torture")
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void structuredReplies() throws Exception {
        fuzz("structuredReplies", true);
    }

    @Test
    @Tag("torture")
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void simpleReplies() throws Exception {
        fuzz("simpleReplies", false);
    }

    private void fuzz(String method, boolean structured) throws Exception {
        Recording recording = record(structured);
        assertThat(recording.bytes.length).isBetween(SIZE / 2, 4 * SIZE);
        int rounds =
                Math.max(1, (int) (ROUNDS * Double.parseDouble(System.getProperty("genievm.torture.scale", "0.1"))));
        String given = System.getProperty("genievm.seed");
        long first = given == null ? System.nanoTime() : Long.parseLong(given);
        int sockets = Resources.openFiles();
        int threads = Thread.activeCount();
        int right = 0;
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), this::play)) {
            for (long seed = first; seed < first + (given == null ? rounds : 1); seed++) {
                try {
                    right += round(server.address(), recording, structured, new Random(seed * 0x9E3779B97F4A7C15L));
                } catch (Throwable e) {
                    throw new AssertionError(
                            "failed with seed " + seed + "; run it again with: mvn -pl genievm-kvm -am test"
                                    + " -Dsurefire.failIfNoSpecifiedTests=false -Dgenievm.excludedGroups="
                                    + " -Dtest=NbdFuzzTest#" + method + " -Dgenievm.seed=" + seed + "\n" + e,
                            e);
                }
            }
        }
        assertThat(Resources.openFiles()).isLessThanOrEqualTo(sockets);
        assertThat(Thread.activeCount()).isLessThanOrEqualTo(threads);
        if (given == null && rounds > 100) {
            // Neither all bytes matter, nor none.
            assertThat(right).isBetween(1, rounds - rounds / 4);
        }
    }

    private void play(Peer peer) throws IOException, InterruptedException {
        Play play = plays.take();
        peer.out.write(play.bytes);
        peer.send();
        if (play.hangsUp) {
            peer.channel.shutdownOutput();
        }
        peer.drain();
    }

    /** Returns 1 when everything came out right. */
    private int round(NbdAddress address, Recording recording, boolean structured, Random random) throws Exception {
        BitSet touched = new BitSet();
        byte[] bytes = recording.bytes;
        for (int count = 1 + random.nextInt(3); count > 0; count--) {
            bytes = mutated(bytes, recording, touched, random);
        }
        // What stands behind a place that has moved is found by its old number: too strict only for the data.
        boolean dataTouched = touched.intersects(recording.data) || bytes.length != recording.bytes.length;
        long start = System.nanoTime();
        long before = Resources.allocated();
        // It takes a place in the queue when the server takes it, which is after the connection was made.
        Play play = new Play(bytes, random.nextInt(64) > 0);
        Thread feeder = new Thread(() -> {
            try {
                plays.put(play);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        feeder.start();
        int result = 0;
        try {
            converse(address, OPTIONS, structured, dataTouched);
            result = 1;
        } catch (GenieVmException e) {
            assertThat(e.code().number()).isNotEqualTo(io.genievm.api.ErrorCode.INTERNAL_ERROR.number());
            assertThat(e.resource().name()).isEqualTo(address.toString());
        } finally {
            feeder.join();
        }
        assertThat(Resources.allocated() - before).isLessThan(16 << 20);
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
        return result;
    }

    private static byte[] mutated(byte[] bytes, Recording recording, BitSet touched, Random random) {
        int at = random.nextInt(bytes.length);
        // Most of it is data, but what is interesting is around it.
        for (int tries = 0; tries < 20 && recording.data.get(at); tries++) {
            at = random.nextInt(bytes.length);
        }
        touched.set(at);
        byte[] changed = bytes.clone();
        int[] interesting = {0, 1, 0x7f, 0x80, 0xff};
        switch (random.nextInt(8)) {
            case 0, 1 -> changed[at] ^= (byte) (1 << random.nextInt(8));
            case 2 -> changed[at] = (byte) interesting[random.nextInt(interesting.length)];
            case 3 -> {
                int length = Math.min(1 << random.nextInt(4), bytes.length - at);
                touched.set(at, at + length);
                Arrays.fill(changed, at, at + length, (byte) (random.nextBoolean() ? 0xff : 0));
            }
            case 4 -> changed = Arrays.copyOf(bytes, Math.max(1, at));
            case 5 -> changed = joined(bytes, at, bytes, Math.min(bytes.length, at + 1 + random.nextInt(40)));
            case 6 -> changed = joined(bytes, Math.min(bytes.length, at + 1 + random.nextInt(40)), bytes, at);
            default -> {
                byte[] more = new byte[1 + random.nextInt(64)];
                random.nextBytes(more);
                byte[] head = Arrays.copyOf(bytes, at + more.length);
                System.arraycopy(more, 0, head, at, more.length);
                changed = joined(head, head.length, bytes, at);
            }
        }
        return changed.length == 0 ? new byte[1] : changed;
    }

    /** The first bytes of one, and the last of another from an index on. */
    private static byte[] joined(byte[] head, int length, byte[] tail, int from) {
        byte[] all = Arrays.copyOf(head, length + tail.length - from);
        System.arraycopy(tail, from, all, length, tail.length - from);
        return all;
    }

    /** The same every time. */
    private void converse(NbdAddress address, NbdOptions options, boolean structured, boolean dataTouched) {
        try (NbdConnection connection = NbdConnection.open(address, options)) {
            NbdExport export = connection.export();
            int block = export.minimumBlock();
            if (export.size() < SIZE || 4096 % block != 0 || export.maximumBlock() < 16384 || export.isReadOnly()) {
                // Other requests would follow, which were not recorded.
                return;
            }
            read(connection, 0, 16384, dataTouched);
            if (structured && export.contexts().size() == 2) {
                NbdStatusCursor cursor = connection.status(0, SIZE);
                long end = 0;
                while (cursor.next()) {
                    assertThat(cursor.offset()).isEqualTo(end);
                    end = cursor.offset() + cursor.length();
                }
                assertThat(end).isEqualTo(SIZE);
            }
            if (!export.canFlush() || !export.canWriteZeroes()) {
                return;
            }
            connection.write(40960, ByteBuffer.wrap(disk, 40960, 4096));
            connection.writeZeroes(8192, 4096);
            read(connection, 16384, 16384, dataTouched);
            connection.flush();
        }
    }

    private void read(NbdConnection connection, int offset, int length, boolean dataTouched) {
        byte[] bytes = Bytes.read(connection, offset, length);
        if (!dataTouched) {
            assertThat(bytes).isEqualTo(Arrays.copyOfRange(disk, offset, offset + length));
        }
    }

    /** Lets a good server answer, through somebody in between who writes down what it says. */
    private Recording record(boolean structured) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Path behind = folder.resolve("behind-" + structured);
        try (ScriptedServer server = MemoryServer.start(behind, disk.clone(), structured, 5);
                ScriptedServer between = new ScriptedServer(
                        folder.resolve("between-" + structured), peer -> relay(peer, behind, bytes))) {
            assertThat(server.address()).isNotNull();
            NbdOptions patient =
                    NbdOptions.DEFAULT.withContexts(OPTIONS.contexts().toArray(String[]::new));
            converse(between.address(), patient, structured, false);
        }
        byte[] all = bytes.toByteArray();
        BitSet data = new BitSet();
        // The disk is random but for its zeroes, so its data is recognised by its words.
        for (int at = 0; at + 16 <= all.length; at++) {
            if (isDiskData(all, at)) {
                data.set(at, at + 16);
            }
        }
        // Zeroes are data as well, and no message has so many in a row.
        for (int at = 0; at + 64 <= all.length; at++) {
            if (MemoryServer.isZero(Arrays.copyOfRange(all, at, at + 64))) {
                data.set(at, at + 64);
            }
        }
        return new Recording(all, data);
    }

    private boolean isDiskData(byte[] all, int at) {
        int word = ByteBuffer.wrap(all).getInt(at);
        if (word == 0) {
            return false;
        }
        for (int place : places.getOrDefault(word, new int[0])) {
            if (place + 16 <= SIZE && Arrays.equals(all, at, at + 16, disk, place, place + 16)) {
                return true;
            }
        }
        return false;
    }

    private final java.util.Map<Integer, int[]> places = places();

    private java.util.Map<Integer, int[]> places() {
        java.util.Map<Integer, int[]> found = new java.util.HashMap<>();
        ByteBuffer words = ByteBuffer.wrap(disk);
        for (int at = 0; at + 4 <= SIZE; at++) {
            int place = at;
            found.compute(words.getInt(at), (word, old) -> {
                int[] all = old == null ? new int[1] : Arrays.copyOf(old, Math.min(64, old.length + 1));
                all[all.length - 1] = place;
                return all;
            });
        }
        return found;
    }

    private static void relay(Peer peer, Path behind, ByteArrayOutputStream bytes) throws IOException {
        try (SocketChannel server = SocketChannel.open(java.net.UnixDomainSocketAddress.of(behind))) {
            Thread back = new Thread(() -> {
                ByteBuffer buffer = ByteBuffer.allocate(8192);
                try {
                    while (server.read(buffer) >= 0) {
                        buffer.flip();
                        bytes.write(buffer.array(), 0, buffer.limit());
                        while (buffer.hasRemaining()) {
                            peer.channel.write(buffer);
                        }
                        buffer.clear();
                    }
                } catch (IOException e) {
                    // It has ended.
                }
            });
            back.start();
            ByteBuffer buffer = ByteBuffer.allocate(8192);
            while (peer.channel.read(buffer) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    server.write(buffer);
                }
                buffer.clear();
            }
            server.shutdownOutput();
            back.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
