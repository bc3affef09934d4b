package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The cursor against a server that tells of each context as much as it likes, in pieces that it likes. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class NbdStatusCursorTest {
    private static final int BLOCK = 512;
    private static final int BLOCKS = 6000;
    private static final int SIZE = BLOCKS * BLOCK;
    private static final int[] IDS = {7, 9};

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void rangesEndWhereOneOfTheContextsChanges(long seed) throws IOException {
        Random random = new Random(seed);
        int[][] flags = {flags(random, 1 + random.nextInt(400)), flags(random, 1 + random.nextInt(40))};
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION, "qemu:dirty-bitmap:since");
        try (ScriptedServer server =
                        new ScriptedServer(folder.resolve("socket"), peer -> serve(peer, flags, new Random(seed)));
                NbdConnection connection = NbdConnection.open(server.address(), options)) {
            int from = random.nextInt(SIZE / 2);
            check(connection, flags, 0, SIZE);
            check(connection, flags, from, random.nextInt(SIZE - from));
        }
    }

    private static void check(NbdConnection connection, int[][] flags, int from, int length) {
        NbdStatusCursor cursor = connection.status(from, length);
        List<long[]> told = new ArrayList<>();
        long position = from;
        while (cursor.next()) {
            assertThat(cursor.offset()).isEqualTo(position);
            position += cursor.length();
            told.add(new long[] {cursor.offset(), cursor.length(), cursor.flags(0), cursor.flags(1)});
        }
        assertThat(position).isEqualTo(from + length);
        assertThat(merged(told)).isEqualTo(merged(expected(flags, from, length)));
    }

    private static List<long[]> expected(int[][] flags, int from, int length) {
        List<long[]> ranges = new ArrayList<>();
        for (int at = from; at < from + length; ) {
            int end = Math.min(from + length, (at / BLOCK + 1) * BLOCK);
            ranges.add(new long[] {at, end - at, flags[0][at / BLOCK], flags[1][at / BLOCK]});
            at = end;
        }
        return ranges;
    }

    /** With neighbours put together that are alike: a cursor may cut where it likes, but not leave a change out. */
    private static List<String> merged(List<long[]> ranges) {
        List<String> merged = new ArrayList<>();
        long start = 0;
        long end = -1;
        String kind = "";
        for (long[] range : ranges) {
            String its = range[2] + " " + range[3];
            if (range[0] != end || !its.equals(kind)) {
                if (end >= 0) {
                    merged.add(start + " to " + end + ": " + kind);
                }
                start = range[0];
                kind = its;
            }
            end = range[0] + range[1];
        }
        merged.add(start + " to " + end + ": " + kind);
        return merged;
    }

    private static int[] flags(Random random, int longest) {
        int[] flags = new int[BLOCKS];
        int flag = 0;
        for (int at = 0; at < BLOCKS; ) {
            int end = Math.min(BLOCKS, at + 1 + random.nextInt(longest));
            flag = random.nextInt(3);
            java.util.Arrays.fill(flags, at, end, flag);
            at = end;
        }
        return flags;
    }

    /** Tells of each context another part of what was asked for, and at times more than that. */
    private static void serve(ScriptedServer.Peer peer, int[][] flags, Random random) throws IOException {
        peer.negotiate(SIZE, 0, true);
        while (true) {
            ScriptedServer.Request request = peer.request();
            if (request.command() == NbdProtocol.COMMAND_DISCONNECT) {
                return;
            }
            int from = (int) request.offset();
            int first = random.nextInt(2);
            for (int i = 0; i < 2; i++) {
                int context = i == 0 ? first : 1 - first;
                List<Integer> runs = new ArrayList<>();
                int at = from;
                int runCount = 1 + random.nextInt(50);
                while (at < from + request.length() && runs.size() < 2 * runCount) {
                    int block = at / BLOCK;
                    int end = block + 1;
                    while (end < BLOCKS && flags[context][end] == flags[context][block] && random.nextInt(50) > 0) {
                        end++;
                    }
                    // Only the last run may go over what was asked for; this one is, if it does.
                    runs.add(end * BLOCK - at);
                    runs.add(flags[context][block]);
                    at = end * BLOCK;
                }
                peer.status(
                        request.cookie(),
                        i == 0 ? 0 : NbdProtocol.CHUNK_DONE,
                        IDS[context],
                        runs.stream().mapToInt(run -> run).toArray());
            }
            peer.send();
        }
    }

    @Test
    void aTebibyteWithoutDataTakesNoMoreMemoryThanAGibibyte() throws IOException {
        // What one request takes, times as many as a disk of 64 TiB needs: nothing is gathered.
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION, "qemu:dirty-bitmap:since");
        long size = 64L << 40;
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), peer -> {
                    peer.negotiate(size, 0, true);
                    for (ScriptedServer.Request request = peer.request();
                            request.command() != NbdProtocol.COMMAND_DISCONNECT;
                            request = peer.request()) {
                        peer.status(request.cookie(), 0, 7, request.length(), 3);
                        peer.status(request.cookie(), NbdProtocol.CHUNK_DONE, 9, request.length(), 0);
                        peer.send();
                    }
                });
                NbdConnection connection = NbdConnection.open(server.address(), options)) {
            walk(connection, 1L << 40);
            long before = Resources.allocated();
            int requests = walk(connection, size);
            long each = (Resources.allocated() - before) / requests;
            // Garbage of a request, and of what its answer is read into.
            assertThat(each).isLessThan(8192);
        }
    }

    private static int walk(NbdConnection connection, long size) {
        NbdStatusCursor cursor = connection.status(0, size);
        long end = 0;
        while (cursor.next()) {
            end += cursor.length();
            assertThat(cursor.flags(0)).isEqualTo(3);
        }
        assertThat(end).isEqualTo(size);
        return (int) (size >> 31);
    }
}
