package io.genievm.benchmarks;

import io.genievm.api.internal.UncachedChannel;
import io.genievm.core.Codec;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.spi.IoBuffers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.StringJoiner;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Measures what a pass over an image can not do without, one part after the other, on samples of that very image, in as many
 * threads at a time as the machine has processors, as two of these may be halves of one: {@code Limit <image> <codec> <folder for files>}.
 * Prints JSON: for each part how many megabytes of content a second of CPU time gets through. Summed up for the bytes
 * of a pass they are the CPU time below which nothing of the kind can be; what a pass takes more is its own. Not a JMH benchmark: the
 * parts are summed up, so all are measured on the same bytes and at about the same time.
 */
public final class Limit {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS = 16;
    private static final int BYTES = CHUNK * CHUNKS;
    private static final int SAMPLES = 160;
    private static final int ROUNDS = 7;

    private Limit() {}

    /** Something that a thread does with one of its samples. */
    @FunctionalInterface
    private interface Part {
        void run(int sample) throws IOException;
    }

    /** Runs it. */
    public static void main(String[] args) throws Exception {
        Path image = Path.of(args[0]);
        Codec codec = Codec.parse(args[1]);
        int threads = Runtime.getRuntime().availableProcessors();
        List<Worker> workers = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            workers.add(new Worker(image, codec, Path.of(args[2]).resolve("limit-" + i + ".bin"), i, threads));
        }
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        StringJoiner rates = new StringJoiner(",", "{", "}");
        try {
            for (String part : workers.get(0).parts.keySet()) {
                rates.add(String.format("\"%s\":%.0f", part, rate(executor, workers, part)));
            }
        } finally {
            executor.shutdown();
            for (Worker worker : workers) {
                worker.close();
            }
        }
        double stored =
                workers.stream().mapToDouble(Worker::storedShare).average().orElseThrow();
        System.out.printf(
                "{\"codec\":\"%s\",\"threads\":%d,\"storedShare\":%.4f,\"megabytesPerCpuSecond\":%s}%n",
                codec, threads, stored, rates);
    }

    /** Megabytes for a second of CPU time in the best of some rounds, as the others are for warming up. */
    private static double rate(ExecutorService executor, List<Worker> workers, String part) throws Exception {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            CyclicBarrier together = new CyclicBarrier(workers.size());
            List<Future<Long>> all = new ArrayList<>();
            for (Worker worker : workers) {
                all.add(executor.submit(() -> {
                    together.await();
                    return worker.nanos(part);
                }));
            }
            long nanos = 0;
            for (Future<Long> each : all) {
                nanos += each.get();
            }
            long bytes = workers.stream()
                    .mapToLong(worker -> (long) worker.samples.length * BYTES)
                    .sum();
            best = Math.max(best, bytes / 1e6 / (nanos / 1e9));
        }
        return best;
    }

    /** The samples of one thread, and what it does with them. */
    private static final class Worker implements AutoCloseable {
        private final Map<String, Part> parts = new LinkedHashMap<>();
        private final FileChannel channel;
        private final FileChannel out;
        private final UncachedChannel uncached;
        private final Path file;
        private final byte[][] samples;
        private final byte[][] stored;
        private final Compressor compressor;
        private final Segment segment = new Segment(CHUNK, BYTES);
        private long written;

        Worker(Path image, Codec codec, Path file, int number, int of) throws IOException {
            this.channel = FileChannel.open(image);
            this.file = file;
            long[] places = places(channel, number, of);
            this.samples = new byte[places.length][BYTES];
            this.stored = new byte[places.length][0];
            ByteBuffer buffer = IoBuffers.allocate(BYTES);
            byte[] data = new byte[BYTES];
            parts.put("read", sample -> {
                channel.read(buffer.clear(), places[sample]);
                buffer.flip().get(data);
            });
            for (int i = 0; i < places.length; i++) {
                Objects.requireNonNull(parts.get("read")).run(i);
                samples[i] = data.clone();
            }
            byte[] zeroes = new byte[CHUNK];
            byte[] ids = new byte[CHUNKS * IdHasher.ID_BYTES];
            IdHasher hasher = new IdHasher();
            parts.put("hash", sample -> {
                for (int i = 0; i < CHUNKS; i++) {
                    if (!Arrays.equals(samples[sample], i * CHUNK, (i + 1) * CHUNK, zeroes, 0, CHUNK)) {
                        hasher.chunk(samples[sample], i * CHUNK, CHUNK, ids, i * IdHasher.ID_BYTES);
                    }
                }
            });
            SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, BYTES, CHUNKS);
            this.compressor = Compressor.of(codec);
            parts.put("encode", sample -> {
                builder.clear();
                for (int i = 0; i < CHUNKS; i++) {
                    builder.add(ids, i * IdHasher.ID_BYTES, samples[sample], i * CHUNK, CHUNK);
                }
                int length = builder.encode(compressor);
                if (stored[sample].length == 0) {
                    stored[sample] = Arrays.copyOf(builder.encoded(), length);
                }
            });
            parts.put("decode", sample -> {
                System.arraycopy(stored[sample], 0, segment.buffer(stored[sample].length), 0, stored[sample].length);
                segment.open("sample", stored[sample].length);
            });
            this.out = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
            this.uncached = UncachedChannel.open(file);
            ByteBuffer aligned = IoBuffers.allocate(BYTES);
            parts.put("write", sample -> {
                aligned.clear().put(samples[sample]).flip();
                while (aligned.hasRemaining()) {
                    int direct = uncached.write(aligned, written);
                    written += direct > 0 ? direct : out.write(aligned, written);
                }
                if (sample % 32 == 31) {
                    out.force(true);
                }
            });
        }

        double storedShare() {
            return Arrays.stream(stored).mapToLong(each -> each.length).sum() / (double) BYTES / stored.length;
        }

        long nanos(String part) throws IOException {
            Part work = Objects.requireNonNull(parts.get(part));
            long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            for (int sample = 0; sample < samples.length; sample++) {
                work.run(sample);
            }
            return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
        }

        @Override
        public void close() throws IOException {
            segment.close();
            compressor.close();
            uncached.close();
            out.close();
            channel.close();
            Files.deleteIfExists(file);
        }

        /** Where samples begin, over the whole of an image: such as have data in each of their chunks. */
        private static long[] places(FileChannel channel, int number, int of) throws IOException {
            List<Long> found = new ArrayList<>();
            ByteBuffer buffer = ByteBuffer.allocate(BYTES);
            byte[] zeroes = new byte[CHUNK];
            long windows = channel.size() / BYTES;
            long step = Math.max(1, windows / (2 * SAMPLES));
            for (long window = number * step / of; window < windows && found.size() < SAMPLES; window += step) {
                channel.read(buffer.clear(), window * BYTES);
                boolean full = buffer.position() == BYTES;
                for (int i = 0; i < CHUNKS && full; i++) {
                    full = !Arrays.equals(buffer.array(), i * CHUNK, (i + 1) * CHUNK, zeroes, 0, CHUNK);
                }
                if (full) {
                    found.add(window * BYTES);
                }
            }
            if (found.isEmpty()) {
                throw new IllegalArgumentException("the image has no MiB without a chunk of zeroes");
            }
            return found.stream().mapToLong(Long::longValue).toArray();
        }
    }
}
