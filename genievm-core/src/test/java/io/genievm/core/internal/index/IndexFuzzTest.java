package io.genievm.core.internal.index;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.CorruptDataException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.store.BlobEntry;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.Allocation;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Mutations;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Index tables and whole packs with anything in them: what can not be is damage, and nothing else comes out. */
class IndexFuzzTest {
    private static final long MOST_BYTES = 4 << 20;

    @TempDir
    private Path directory;

    private InterceptedStore store;
    private RepositoryId repository;
    private String table;
    private byte[] tableBytes;
    private String pack;
    private byte[] packBytes;
    private WorkFiles workFiles;

    @BeforeEach
    void prepare() {
        try (Lab lab = new Lab()) {
            lab.addVm("web", 60_000);
            SessionId session = lab.backup("web").point();
            store = lab.store();
            repository = lab.repository().id();
            table = "index/" + session + "-00000000";
            tableBytes = store.bytes(table);
            pack = store.keys("packs/").get(0);
            packBytes = store.bytes(pack);
        }
        workFiles = new WorkFiles(directory);
    }

    @Test
    @DisplayName("index tables, changed at random under a right checksum")
    void tables() {
        Seeds.run(IndexFuzzTest.class, "tables", 500, this::table);
    }

    @Test
    @Tag("torture")
    @DisplayName("index tables, changed at random under a right checksum, 20 000 times")
    void manyTables() {
        Seeds.torture(IndexFuzzTest.class, "manyTables", 20_000, this::table);
    }

    private void table(Random random) {
        byte[] body = Mutations.ofBinary(Arrays.copyOf(tableBytes, tableBytes.length - 8), random);
        byte[] changed = Arrays.copyOf(body, body.length + 8);
        if (body.length > 8) {
            // The length is checked first, so that it has to be right for anything else to be looked at.
            if (random.nextInt(5) > 0) {
                ByteBuffer.wrap(changed).putLong(body.length - 8, changed.length);
            }
            CRC32C crc = new CRC32C();
            crc.update(changed, 0, body.length);
            ByteBuffer.wrap(changed).putInt(body.length, (int) crc.getValue());
        }
        ByteBuffer.wrap(changed).putInt(body.length + 4, 0x47494458);
        store.replace(table, changed);
        assertSurvives(() -> {
            PackList packs = PackList.read(store, List.of());
            try (LocalTable read =
                    new StoredTables(workFiles, repository).load(store, new BlobEntry(table, changed.length), packs)) {
                Scratch scratch = new Scratch();
                Location location = new Location();
                for (LocalTable.Cursor cursor = read.cursor(); cursor.next(); ) {
                    assertThat(read.find(cursor.array(), cursor.offset(), 0, true, scratch, location))
                            .isTrue();
                    assertThat(location.offset()).isPositive();
                    assertThat(location.length()).isPositive();
                    packs.name(location.pack());
                }
            }
        });
    }

    @Test
    @DisplayName("packs, changed at random")
    void packs() {
        Seeds.run(IndexFuzzTest.class, "packs", 500, this::pack);
    }

    @Test
    @Tag("torture")
    @DisplayName("packs, changed at random, 20 000 times")
    void manyPacks() {
        Seeds.torture(IndexFuzzTest.class, "manyPacks", 20_000, this::pack);
    }

    private void pack(Random random) {
        byte[] changed = packBytes;
        for (int i = random.nextInt(3); i >= 0; i--) {
            changed = Mutations.ofBinary(changed, random);
        }
        if (random.nextInt(3) == 0) {
            // So that the footer can not be read, and the segments are walked.
            changed[changed.length - 1 - random.nextInt(Math.min(changed.length, 100))] ^= 1;
        }
        store.replace(pack, changed);
        PackName name = Objects.requireNonNull(PackName.ofKey(pack));
        PackFooters footers = new PackFooters(store);
        int length = changed.length;
        byte[] bytes = changed;
        assertSurvives(() -> footers.readWhole(repository, name, length));
        assertSurvives(() -> {
            try (Segment segment = new Segment(Lab.SMALL.chunkSize(), Lab.SMALL.segmentSize())) {
                for (PackFormat.SegmentEntry entry : footers.read(name, length)) {
                    assertThat(entry.offset()).isNotNegative();
                    assertThat((long) entry.offset() + entry.length()).isLessThanOrEqualTo(length);
                    assertSurvives(() -> {
                        System.arraycopy(bytes, entry.offset(), segment.buffer(entry.length()), 0, entry.length());
                        segment.open(pack, entry.length());
                    });
                }
            }
        });
    }

    @Test
    @DisplayName("a table that can not be read covers no packs, so that their footers are looked into")
    void unreadableTableCoversNothing() {
        byte[] changed = tableBytes.clone();
        // The last entry's reserved byte, after packs and all other entries have been read.
        changed[changed.length - 17] = 1;
        CRC32C crc = new CRC32C();
        crc.update(changed, 0, changed.length - 8);
        ByteBuffer.wrap(changed).putInt(changed.length - 8, (int) crc.getValue());
        store.replace(table, changed);

        try (IndexView view =
                IndexView.load(store, repository, workFiles, List.of(), IndexView.Adoption.ALL, () -> {})) {
            assertThat(view.problems()).extracting(IndexView.Problem::key).containsExactly(table);
            assertThat(view.size()).isPositive();
        }
    }

    private static void assertSurvives(Runnable parser) {
        long before = Allocation.ofCurrentThread();
        try {
            parser.run();
        } catch (CorruptDataException | UnsupportedFormatVersionException e) {
            assertThat(e.resource().name()).isNotEmpty();
        }
        assertThat(Allocation.ofCurrentThread() - before).as("bytes allocated").isLessThan(MOST_BYTES);
    }
}
