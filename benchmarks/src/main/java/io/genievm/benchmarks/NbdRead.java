package io.genievm.benchmarks;

import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.nbd.NbdStatusCursor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Reads what is allocated of an NBD export to nothing and prints how long that took, as JSON:
 * {@code NbdRead <uri> <connections> <threads> <bytes of a read>}. Not a JMH benchmark: it is measured in turn with another
 * program.
 */
public final class NbdRead {
    private NbdRead() {}

    /** Runs it. */
    public static void main(String[] args) throws Exception {
        NbdAddress address = NbdAddress.parse(args[0]);
        int threads = Integer.parseInt(args[2]);
        int length = Integer.parseInt(args[3]);
        long start = System.nanoTime();
        long bytes = 0;
        try (NbdPool pool = NbdPool.open(
                address, NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION), Integer.parseInt(args[1]))) {
            Ranges ranges = new Ranges(pool.status(0, pool.export().size()), length);
            ExecutorService readers = Executors.newFixedThreadPool(threads);
            List<Future<Long>> all = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                all.add(readers.submit(() -> readAll(pool, ranges, length)));
            }
            for (Future<Long> each : all) {
                bytes += each.get();
            }
            readers.shutdown();
        }
        long nanos = System.nanoTime() - start;
        System.out.printf(
                "{\"bytes\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n",
                bytes,
                nanos / 1e9,
                ProcessHandle.current().info().totalCpuDuration().orElseThrow().toMillis() / 1e3);
    }

    private static long readAll(NbdPool pool, Ranges ranges, int length) {
        ByteBuffer target = ByteBuffer.allocateDirect(length);
        long bytes = 0;
        for (long[] range = ranges.next(); range.length > 0; range = ranges.next()) {
            pool.read(range[0], target.clear().limit((int) range[1]));
            bytes += range[1];
        }
        return bytes;
    }

    /** Hands out what has to be read, in pieces. */
    private static final class Ranges {
        private final NbdStatusCursor status;
        private final int longest;
        private long offset;
        private long end;

        private Ranges(NbdStatusCursor status, int longest) {
            this.status = status;
            this.longest = longest;
        }

        private synchronized long[] next() {
            while (offset == end) {
                if (!status.next()) {
                    return new long[0];
                }
                if ((status.flags(0) & NbdStatusCursor.ZERO) == 0) {
                    offset = status.offset();
                    end = offset + status.length();
                }
            }
            long length = Math.min(longest, end - offset);
            offset += length;
            return new long[] {offset - length, length};
        }
    }
}
