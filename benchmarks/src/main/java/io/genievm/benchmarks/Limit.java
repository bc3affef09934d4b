package io.genievm.benchmarks;

import io.genievm.api.internal.UncachedChannel;
import io.genievm.core.Codec;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Measures what a pass over an image can not do without, one part at a time, in one thread, on samples of that very image:
 * {@code Limit <image> <codec> <folder for a file>}. Prints JSON: for each part how many bytes of content a second of CPU time
 * gets through. Summed up for the bytes of a pass they are the CPU time below which nothing of the kind can be; what a
 * pass takes more is its own. Not a JMH benchmark: the parts are summed up, so all are measured on the same bytes and at about
 * the same time.
 */
public final class Limit {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS = 16;
    private static final int BYTES = CHUNK * CHUNKS;
    private static final int SAMPLES = 192;
    private static final int ROUNDS = 7;

    private Limit() {}

    /** Something that is done with one sample. */
    @FunctionalInterface
    private interface Part {
        void run(int sample) throws IOException;
    }

    /** Runs it. */
    public static void main(String[] args) throws IOException {
        Path image = Path.of(args[0]);
        Codec codec = Codec.parse(args[1]);
        Path file = Path.of(args[2]).resolve("limit.bin");
        try (FileChannel channel = FileChannel.open(image)) {
            long[] places = places(channel);
            ByteBuffer buffer = ByteBuffer.allocateDirect(BYTES);
            byte[][] samples = new byte[places.length][BYTES];
            for (int i = 0; i < places.length; i++) {
                channel.read(buffer.clear(), places[i]);
                buffer.flip().get(samples[i]);
            }
            byte[] data = new byte[BYTES];
            double read = rate(places.length, sample -> {
                channel.read(buffer.clear(), places[sample]);
                buffer.flip().get(data);
            });
            byte[] zeroes = new byte[CHUNK];
            byte[] ids = new byte[CHUNKS * IdHasher.ID_BYTES];
            IdHasher hasher = new IdHasher();
            double hash = rate(places.length, sample -> {
                for (int i = 0; i < CHUNKS; i++) {
                    if (!Arrays.equals(samples[sample], i * CHUNK, (i + 1) * CHUNK, zeroes, 0, CHUNK)) {
                        hasher.chunk(samples[sample], i * CHUNK, CHUNK, ids, i * IdHasher.ID_BYTES);
                    }
                }
            });
            SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, BYTES, CHUNKS);
            byte[][] stored = new byte[places.length][];
            double encode;
            try (Compressor compressor = Compressor.of(codec)) {
                encode = rate(places.length, sample -> {
                    builder.clear();
                    for (int i = 0; i < CHUNKS; i++) {
                        builder.add(ids, i * IdHasher.ID_BYTES, samples[sample], i * CHUNK, CHUNK);
                    }
                    int length = builder.encode(compressor);
                    if (stored[sample] == null) {
                        stored[sample] = Arrays.copyOf(builder.encoded(), length);
                    }
                });
            }
            long storedBytes =
                    Arrays.stream(stored).mapToLong(each -> each.length).sum();
            double decode;
            try (Segment segment = new Segment(CHUNK, BYTES)) {
                decode = rate(places.length, sample -> {
                    System.arraycopy(
                            stored[sample], 0, segment.buffer(stored[sample].length), 0, stored[sample].length);
                    segment.open("sample", stored[sample].length);
                });
            }
            double write;
            Files.deleteIfExists(file);
            try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                    UncachedChannel uncached = UncachedChannel.open(file)) {
                ByteBuffer aligned = ByteBuffer.allocateDirect(BYTES + 4096)
                        .alignedSlice(4096)
                        .slice(0, BYTES);
                long[] at = {0};
                write = rate(places.length, sample -> {
                    aligned.clear().put(samples[sample]).flip();
                    while (aligned.hasRemaining()) {
                        int direct = uncached.write(aligned, at[0]);
                        at[0] += direct > 0 ? direct : out.write(aligned, at[0]);
                    }
                    if (sample % 32 == 31) {
                        out.force(true);
                    }
                });
            } finally {
                Files.deleteIfExists(file);
            }
            System.out.printf(
                    "{\"codec\":\"%s\",\"storedShare\":%.4f,\"megabytesPerCpuSecond\":{\"read\":%.0f,\"hash\":%.0f,"
                            + "\"encode\":%.0f,\"decode\":%.0f,\"write\":%.0f}}%n",
                    codec, (double) storedBytes / BYTES / places.length, read, hash, encode, decode, write);
        }
    }

    /** Where samples begin, over the whole of an image: such as have data in each of their chunks. */
    private static long[] places(FileChannel channel) throws IOException {
        List<Long> found = new ArrayList<>();
        ByteBuffer buffer = ByteBuffer.allocate(BYTES);
        byte[] zeroes = new byte[CHUNK];
        long windows = channel.size() / BYTES;
        long step = Math.max(1, windows / (3 * SAMPLES));
        for (long window = 0; window < windows && found.size() < SAMPLES; window += step) {
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

    /** Megabytes of content for each second of this thread's CPU time, in the best of some rounds: the rest is warming up. */
    private static double rate(int samples, Part part) throws IOException {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            for (int sample = 0; sample < samples; sample++) {
                part.run(sample);
            }
            long nanos = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
            best = Math.max(best, (double) samples * BYTES / 1e6 / (nanos / 1e9));
        }
        return best;
    }
}
