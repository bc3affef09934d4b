package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.Codec;
import io.genievm.core.DiskPlan;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.Trust;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.PointCommit;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ForkJoinPool;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The map of a full disk of 4 TiB: built in little heap, and a change of one chunk adds little to it. */
class WholeMapTest {
    @TempDir
    private Path folder;

    @Test
    @Tag("torture")
    void oneChangedChunkOf4Tebibytes() throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.run(
                folder,
                List.of("-Xmx64m", "-XX:+ExitOnOutOfMemoryError"),
                Job.class,
                Long.toString(Torture.scaled((4L << 40) / (64 << 10))));

        assertThat(outcome.status()).as(outcome.output()).isZero();
        assertThat(outcome.output()).contains("all right");
    }

    /** Writes the map of a disk whose every chunk is different, then that of the disk with one other chunk. */
    static final class Job {
        private static final RepositoryOptions OPTIONS = RepositoryOptions.DEFAULT;
        private static final VmId VM = new VmId("whole");
        private static final int RUN = 16;

        private final Counting store = new Counting();
        private final RepositoryAccess access = new RepositoryAccess(
                store,
                new RepositoryParameters(
                        new RepositoryId("00112233445566778899aabbccddeeff"), Instant.EPOCH, "test", OPTIONS),
                new WorkFiles(null),
                ForkJoinPool.commonPool(),
                Clock.systemUTC(),
                32 << 20,
                2,
                Compressor::of);
        private final long chunks;

        private Job(long chunks) {
            this.chunks = chunks;
        }

        public static void main(String... arguments) {
            new Job(Long.parseLong(arguments[0])).run();
            System.out.println("all right");
        }

        private void run() {
            long before = store.bytes;
            byte[] first = backUp(1, -1, null);
            long full = store.bytes - before;
            System.out.printf("full map: %d chunks, %d bytes put, %d objects%n", chunks, full, store.puts);
            require(full > chunks * IdHasher.ID_BYTES, "all ids are there");
            require(full < chunks * IdHasher.ID_BYTES * 21 / 20, "and little else");

            before = store.bytes;
            byte[] again = backUp(2, -1, null);
            System.out.printf("no change: %d bytes put%n", store.bytes - before);
            require(Arrays.equals(first, again), "the same map has the same root");
            require(store.bytes - before < 4096, "and nothing is stored of it again");

            before = store.bytes;
            byte[] chunk = new byte[OPTIONS.chunkSize()];
            Noise.random(5).fill(0, chunk, chunk.length);
            byte[] changed = backUp(3, chunks * 2 / 3, chunk);
            System.out.printf("one chunk changed: %d bytes put%n", store.bytes - before);
            require(!Arrays.equals(first, changed), "another chunk makes another root");
            require(store.bytes - before > OPTIONS.chunkSize(), "the chunk is stored");
            require(store.bytes - before < 256 << 10, "a change of one chunk adds less than 256 KiB");
        }

        /** Gives the root of the map; of the changed chunk the content is stored, of the others only the ids are known. */
        private byte[] backUp(long sequence, long changed, byte[] content) {
            long start = System.nanoTime();
            ChunkBitmap planned = new ChunkBitmap(chunks);
            planned.set(0, chunks);
            byte[] ids = new byte[RUN * IdHasher.ID_BYTES];
            try (WriterSession session = WriterSession.open(access, VM, 16 << 20, () -> {})) {
                MapWriter map = new MapWriter(planned, null, session::storePage, (number, page) -> {});
                // Two places at a time, as workers do.
                long half = chunks / 2 / RUN * RUN;
                for (long done = 0; done < chunks - half; done += RUN) {
                    if (done < half) {
                        set(map, done, ids, session, changed, content);
                    }
                    set(map, half + done, ids, session, changed, content);
                }
                byte[] root = map.finish();
                session.finishData();
                require(
                        session.commit(manifest(session, sequence, root)) == PointCommit.Outcome.COMMITTED,
                        "committed");
                System.out.printf("%.1f s%n", (System.nanoTime() - start) / 1e9);
                return root;
            }
        }

        private void set(MapWriter map, long first, byte[] ids, WriterSession session, long changed, byte[] content) {
            int count = (int) Math.min(RUN, chunks - first);
            if (count <= 0) {
                return;
            }
            ByteBuffer buffer = ByteBuffer.wrap(ids);
            for (long chunk = first; chunk < first + count; chunk++) {
                buffer.putLong(chunk * 0x9E3779B97F4A7C15L)
                        .putLong(chunk ^ -1L)
                        .putLong(chunk * 31)
                        .putLong(7);
            }
            if (changed >= first && changed < first + count) {
                int at = (int) (changed - first) * IdHasher.ID_BYTES;
                new IdHasher().chunk(content, 0, content.length, ids, at);
                require(session.index().claim(ids, at, new Scratch(), new Location()), "the chunk is new");
                SegmentBuilder segment = new SegmentBuilder(SegmentType.CHUNKS, OPTIONS.segmentSize(), 16);
                segment.add(ids, at, content, 0, content.length);
                session.append(segment, segment.encode(Compressor.of(Codec.DEFAULT)));
            }
            map.set(first, count, ids);
        }

        private Manifest manifest(WriterSession session, long sequence, byte[] root) {
            return new Manifest(
                    access.id(),
                    session.id(),
                    VM,
                    VM.value(),
                    sequence,
                    null,
                    Instant.EPOCH,
                    "test",
                    "test",
                    "test",
                    QuiesceMode.NONE,
                    Codec.DEFAULT,
                    session.packCount(),
                    session.tableCount(),
                    Map.of(),
                    List.of(new Manifest.Disk(
                            new DiskId("disk"),
                            chunks * OPTIONS.chunkSize(),
                            root,
                            DiskPlan.ALL,
                            null,
                            0,
                            0,
                            0,
                            null,
                            Trust.PROVEN,
                            session.id(),
                            true,
                            null,
                            null)),
                    List.of(),
                    List.of());
        }

        private static void require(boolean condition, String what) {
            if (!condition) {
                throw new AssertionError(what);
            }
        }
    }

    /** Counts what is put; of packs only the length is kept, so that heap is left for what is tested. */
    private static final class Counting implements BlobStore {
        private final ConcurrentSkipListMap<String, byte[]> objects = new ConcurrentSkipListMap<>();
        private final ConcurrentSkipListMap<String, Long> lengths = new ConcurrentSkipListMap<>();
        private volatile long bytes;
        private volatile int puts;

        @Override
        public synchronized PutOutcome put(String key, BlobContent content) {
            if (lengths.putIfAbsent(key, content.length()) != null) {
                return PutOutcome.EXISTS;
            }
            bytes += content.length();
            puts++;
            if (!key.startsWith("packs/")) {
                try (var in = content.open()) {
                    objects.put(key, in.readAllBytes());
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            }
            return PutOutcome.CREATED;
        }

        @Override
        public void get(String key, long offset, ByteBuffer target) {
            target.put(objects.get(key), (int) offset, target.remaining());
        }

        @Override
        public BlobCursor list(String prefix) {
            return BlobCursor.of(lengths.entrySet().stream()
                    .filter(entry -> entry.getKey().startsWith(prefix))
                    .map(entry -> new BlobEntry(entry.getKey(), entry.getValue()))
                    .iterator());
        }

        @Override
        public void delete(String key) {
            lengths.remove(key);
            objects.remove(key);
        }

        @Override
        public Optional<BlobEntry> stat(String key) {
            return Optional.ofNullable(lengths.get(key)).map(length -> new BlobEntry(key, length));
        }

        @Override
        public void close() {}
    }
}
