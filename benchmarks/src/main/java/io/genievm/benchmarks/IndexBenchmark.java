package io.genievm.benchmarks;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.IndexPublisher;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.index.SessionIndex;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.testkit.InMemoryBlobStore;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Whether an id is stored, and where: what each chunk costs that is not zero. The index has as many tables as sessions would
 * have left, and its merged copy lies in the folder for temporary files. An operation is one id, of {@link #load} the whole
 * index.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class IndexBenchmark {
    private static final RepositoryId REPOSITORY = new RepositoryId("0".repeat(32));
    private static final SessionId SESSION = new SessionId("1".repeat(32));
    private static final int ENTRIES_OF_A_TABLE = 1 << 15;
    private static final int ENTRIES_OF_A_SEGMENT = 16;
    private static final int SEGMENT_BYTES = 1 << 19;
    // Nobody reads the packs here, so they may be short.
    private static final int PACK_BYTES = 1024;
    private static final int OTHERS = 1 << 14;
    // Prime, so that ids are asked for in an order that no cache foresees.
    private static final int STRIDE = 1_000_003;

    private final InMemoryBlobStore store = new InMemoryBlobStore();
    private final WorkFiles workFiles = new WorkFiles(null);
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();
    private final byte[] others = ids(2, OTHERS);
    private byte[] known;
    private IndexView view;
    private SessionIndex session;
    private int next;

    /** How many ids there are: of the chunks of 64 KiB in 4 GiB and in 64 GiB. */
    @Param({"65536", "1048576"})
    public int entries;

    /** Publishes the tables, reads them, and lets a session claim some more. */
    @Setup
    public void fill() {
        known = ids(1, entries);
        IndexPublisher publisher = new IndexPublisher(store, REPOSITORY, workFiles, SESSION);
        try (SessionIndex writer = new SessionIndex(read(), workFiles)) {
            for (int table = 0; table * ENTRIES_OF_A_TABLE < entries; table++) {
                store.put(PackName.of(SESSION, table).key(), BlobContent.of(new byte[PACK_BYTES]));
                store(writer, table);
                publisher.publish(writer, Map.of(table, PACK_BYTES));
            }
        }
        view = read();
        session = new SessionIndex(view, workFiles);
        claimOthers(session);
    }

    private static byte[] ids(long seed, int count) {
        SplittableRandom random = new SplittableRandom(seed);
        ByteBuffer ids = ByteBuffer.allocate(count * IdHasher.ID_BYTES);
        while (ids.hasRemaining()) {
            ids.putLong(random.nextLong());
        }
        return ids.array();
    }

    private void store(SessionIndex writer, int table) {
        byte[] segment = new byte[ENTRIES_OF_A_SEGMENT * IdHasher.ID_BYTES];
        int end = Math.min(entries, (table + 1) * ENTRIES_OF_A_TABLE);
        for (int entry = table * ENTRIES_OF_A_TABLE; entry < end; entry += ENTRIES_OF_A_SEGMENT) {
            System.arraycopy(known, entry * IdHasher.ID_BYTES, segment, 0, segment.length);
            for (int at = 0; at < segment.length; at += IdHasher.ID_BYTES) {
                writer.claim(segment, at, scratch, location);
            }
            int offset = (entry % ENTRIES_OF_A_TABLE + ENTRIES_OF_A_SEGMENT) / ENTRIES_OF_A_SEGMENT * SEGMENT_BYTES;
            writer.located(segment, ENTRIES_OF_A_SEGMENT, table, offset, SEGMENT_BYTES, SegmentType.CHUNKS);
        }
    }

    private IndexView read() {
        return IndexView.load(store, REPOSITORY, workFiles, List.of(), IndexView.Adoption.ALL, () -> {});
    }

    private int claimOthers(SessionIndex index) {
        int claimed = 0;
        for (int at = 0; at < others.length; at += IdHasher.ID_BYTES) {
            claimed += index.claim(others, at, scratch, location) ? 1 : 0;
        }
        return claimed;
    }

    /** Closes the index. */
    @TearDown
    public void close() {
        session.close();
    }

    /** An id that is stored, and where. */
    @Benchmark
    public boolean hit() {
        next = (int) ((next + (long) STRIDE) % entries);
        return view.find(known, next * IdHasher.ID_BYTES, scratch, location);
    }

    /** An id that is not stored. */
    @Benchmark
    public boolean miss() {
        return view.find(others, nextOther(), scratch, location);
    }

    /** An id that is not in the index, but that the session has met before. */
    @Benchmark
    public boolean claimAgain() {
        return session.claim(others, nextOther(), scratch, location);
    }

    /** Ids that are stored nowhere, claimed by a session that begins. */
    @Benchmark
    @OperationsPerInvocation(OTHERS)
    public int claimNew() {
        // Not closed, as that would close the view; it has no file before anything is published.
        return claimOthers(new SessionIndex(view, workFiles));
    }

    /** All tables, from the store to a merged copy, as every task begins. */
    @Benchmark
    public long load() {
        try (IndexView loaded = read()) {
            return loaded.size();
        }
    }

    private int nextOther() {
        next = (next + 1) % OTHERS;
        return next * IdHasher.ID_BYTES;
    }
}
