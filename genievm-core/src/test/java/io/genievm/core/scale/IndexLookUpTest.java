package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.IndexTableFormat;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.work.WorkFiles;
import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An index of any size is looked up with little heap. */
class IndexLookUpTest {
    @TempDir
    private Path folder;

    @Test
    @Tag("torture")
    void twentyMillionEntriesIn64MebibytesOfHeap() throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.run(
                folder,
                List.of("-Xmx64m", "-XX:+ExitOnOutOfMemoryError"),
                Job.class,
                folder.resolve("repository").toString(),
                Long.toString(Torture.scaled(20_000_000)));

        assertThat(outcome.status()).as(outcome.output()).isZero();
        assertThat(outcome.output()).contains("all right");
        assertThat(outcome.peakBytes()).isBetween(1L, 200L << 20);
    }

    /**
     * Writes tables, loads them and looks up. Entry {@code n} of the repository has an id that follows from {@code n}; one
     * in seven has a second copy in the last table, and the packs of one in eleven are gone.
     */
    static final class Job {
        private static final int TABLES = 40;
        private static final int PACK_ENTRIES = 500;
        private static final int ENTRIES_PER_SEGMENT = 16;
        private static final int SEGMENT_BYTES = 10_000;
        private static final int PACK_BYTES = 8 << 20;
        private static final RepositoryId REPOSITORY = new RepositoryId("00112233445566778899aabbccddeeff");

        private final long count;
        private final long step;
        private final byte[] id = new byte[IdHasher.ID_BYTES];

        private Job(long count) {
            this.count = count / TABLES * TABLES;
            this.step = Long.divideUnsigned(-1, this.count);
        }

        public static void main(String... arguments) throws Exception {
            new Job(Long.parseLong(arguments[1])).run(Path.of(arguments[0]));
            System.out.println("all right");
        }

        private void run(Path root) throws Exception {
            for (int table = 0; table < TABLES; table++) {
                write(root, table);
            }
            FolderStore store = new FolderStore(root);
            long start = System.nanoTime();
            try (IndexView index =
                    IndexView.load(store, REPOSITORY, new WorkFiles(null), List.of(), session -> false, () -> {})) {
                System.out.printf("%d entries loaded in %.2f s%n", index.size(), (System.nanoTime() - start) / 1e9);
                require(index.problems().isEmpty(), "no problems");
                require(index.size() == count + copies(), "all entries are there, and no other");
                lookUpAll(index);
                measure(index);
            }
        }

        private long copies() {
            return LongStream.range(0, count).filter(Job::isCopied).count();
        }

        /** Whether the last table has a copy of an entry that is another table's. */
        private static boolean isCopied(long number) {
            return number % 7 == 0 && number % TABLES != TABLES - 1;
        }

        /** Ids go up with the number, so that a table is written in order without being sorted. */
        private void idOf(long number) {
            long high = number * step + (mix(number) >>> 1) % (step - 1);
            ByteBuffer.wrap(id)
                    .putLong(high)
                    .putLong(mix(number + 1))
                    .putLong(mix(number + 2))
                    .putLong(mix(number + 3));
        }

        /** Table t holds the entries whose number is t modulo the number of tables. */
        private void write(Path root, int table) throws Exception {
            SessionId session = session(table);
            boolean last = table == TABLES - 1;
            long own = count / TABLES;
            long entries = own + (last ? copies() : 0);
            int packs = (int) ((entries + PACK_ENTRIES - 1) / PACK_ENTRIES);
            IndexTableFormat.Header header = new IndexTableFormat.Header(session, 0, packs, entries);
            Path file = root.resolve(ObjectKeys.index(session, 0));
            Files.createDirectories(file.getParent());
            CRC32C crc = new CRC32C();
            ByteBuffer bytes = ByteBuffer.allocate(IndexTableFormat.HEADER_BYTES);
            try (OutputStream out =
                    new CheckedOutputStream(new BufferedOutputStream(Files.newOutputStream(file), 1 << 16), crc)) {
                header.write(REPOSITORY, bytes);
                out.write(bytes.array(), 0, bytes.position());
                int[] order = new int[packs];
                int position = 0;
                // The order of keys is that of the folders, then of the numbers.
                for (int folder = 0; folder < 256; folder++) {
                    for (int pack = 0; pack < packs; pack++) {
                        PackName name = PackName.of(session, pack);
                        if (Integer.parseInt(name.key().substring(6, 8), 16) == folder) {
                            bytes.clear();
                            name.write(bytes);
                            bytes.putInt(PACK_BYTES);
                            out.write(bytes.array(), 0, bytes.position());
                            order[pack] = position++;
                            if (!isGone(table, pack)) {
                                makePack(root, name);
                            }
                        }
                    }
                }
                long written = 0;
                for (long number = last ? 0 : table; number < count; number += last ? 1 : TABLES) {
                    if (number % TABLES == table || last && isCopied(number)) {
                        idOf(number);
                        bytes.clear();
                        bytes.put(id)
                                .putInt(order[(int) (written / PACK_ENTRIES)])
                                .putInt(offsetOf(written))
                                .putInt(SEGMENT_BYTES)
                                .putShort((short) (written % ENTRIES_PER_SEGMENT))
                                .put((byte) SegmentType.CHUNKS.number())
                                .put((byte) 0);
                        out.write(bytes.array(), 0, bytes.position());
                        written++;
                    }
                }
                require(written == entries, "written as many as announced");
                bytes.clear();
                bytes.putLong(header.tableLength());
                out.write(bytes.array(), 0, Long.BYTES);
                bytes.clear();
                IndexTableFormat.writeTrailer(bytes, header.tableLength(), (int) crc.getValue());
                out.write(bytes.array(), Long.BYTES, IndexTableFormat.TRAILER_BYTES - Long.BYTES);
            }
        }

        private static SessionId session(int table) {
            return new SessionId(String.format("%02x%030x", table * 5, table));
        }

        private static int offsetOf(long at) {
            return PackFormat.HEADER_BYTES + (int) (at % PACK_ENTRIES) * SEGMENT_BYTES;
        }

        private static boolean isGone(int table, int pack) {
            return (table + pack) % 11 == 0;
        }

        private static void makePack(Path root, PackName name) throws Exception {
            Path file = root.resolve(name.key());
            Files.createDirectories(file.getParent());
            try (RandomAccessFile pack = new RandomAccessFile(file.toFile(), "rw")) {
                pack.setLength(PACK_BYTES);
            }
        }

        /** Looks every entry up in order, with every copy, and as many ids that are not there. */
        private void lookUpAll(IndexView index) {
            Scratch scratch = new Scratch();
            Location location = new Location();
            long inLast = 0;
            long found = 0;
            for (long number = 0; number < count; number++) {
                int table = (int) (number % TABLES);
                long own = number / TABLES;
                boolean copied = isCopied(number);
                long inLastAt = inLast;
                if (copied || table == TABLES - 1) {
                    own = copied ? own : inLastAt;
                    inLast++;
                }
                if (number % 13 != 0 && count > 3_000_000) {
                    continue;
                }
                idOf(number);
                boolean here = isThere(table, own);
                boolean copyHere = copied && isThere(TABLES - 1, inLastAt);
                int copies = (here ? 1 : 0) + (copyHere ? 1 : 0);
                int seen = 0;
                while (index.findCopy(id, 0, seen, scratch, location)) {
                    String key = index.packs().name(location.pack()).key();
                    boolean isOwn = here && matches(location, key, table, own);
                    boolean isCopy = copyHere && matches(location, key, TABLES - 1, inLastAt);
                    require(isOwn || isCopy, "entry " + number + " is where it was put");
                    seen++;
                }
                require(seen == copies, "entry " + number + " has " + copies + " copies, not " + seen);
                require(index.find(id, 0, scratch, location) == copies > 0, "found if there is a copy");
                require(
                        copies > 0 || index.findMissing(id, 0, scratch, location),
                        "entry " + number + " is known to be gone");
                found += copies;
                id[31] ^= 1;
                require(!index.find(id, 0, scratch, location), "no id that differs in its last bit");
                id[31] ^= 1;
                id[8] ^= 1;
                require(!index.find(id, 0, scratch, location), "no id that differs in the middle");
            }
            System.out.printf("%d copies found where they are%n", found);
        }

        private static boolean isThere(int table, long at) {
            return !isGone(table, (int) (at / PACK_ENTRIES));
        }

        private static boolean matches(Location location, String key, int table, long at) {
            return key.equals(PackName.of(session(table), (int) (at / PACK_ENTRIES))
                            .key())
                    && location.offset() == offsetOf(at)
                    && location.length() == SEGMENT_BYTES
                    && location.position() == at % ENTRIES_PER_SEGMENT;
        }

        private void measure(IndexView index) {
            Scratch scratch = new Scratch();
            Location location = new Location();
            int lookUps = (int) Math.min(1_000_000, count / 10);
            for (boolean hits : new boolean[] {true, false, true, false}) {
                SplittableRandom random = new SplittableRandom(1);
                int found = 0;
                long start = System.nanoTime();
                for (int i = 0; i < lookUps; i++) {
                    idOf(random.nextLong(count));
                    id[0] ^= (byte) (hits ? 0 : 1 + random.nextInt(255));
                    found += index.find(id, 0, scratch, location) ? 1 : 0;
                }
                System.out.printf(
                        "%s: %.2f us each, %d of %d found%n",
                        hits ? "hits" : "misses", (System.nanoTime() - start) / 1e3 / lookUps, found, lookUps);
                require(hits ? found > lookUps * 8 / 10 : found == 0, "hits are found, misses are not");
            }
        }

        private static void require(boolean condition, String what) {
            if (!condition) {
                throw new AssertionError(what);
            }
        }

        private static long mix(long value) {
            long z = value * 0x9E3779B97F4A7C15L;
            z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
            z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
            return z ^ z >>> 31;
        }
    }
}
