package io.genievm.core.internal.repository;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.store.BlobStore;
import io.genievm.core.Codec;
import io.genievm.core.DiskPlan;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreReport;
import io.genievm.core.Trust;
import io.genievm.core.VerifyReport;
import io.genievm.core.internal.format.CollectionPlan;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.format.SessionRecord;
import io.genievm.core.internal.format.Witness;
import io.genievm.core.internal.index.IndexPublisher;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.index.SessionIndex;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One small repository with one of everything, kept as text. It must be read for ever, and what this version writes must
 * be these very bytes: where that fails, the format has changed. Then {@code docs/format} and its version have to change
 * as well, this sample stays as it is, and the new version gets a sample and a reader of its own.
 */
class GoldenRepositoryTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("000102030405060708090a0b0c0d0e0f");
    private static final SessionId SESSION = new SessionId("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    private static final SessionId DEAD = new SessionId("0f1f2f3f4f5f6f7f8f9fafbfcfdfefff");
    private static final SessionId FENCED = new SessionId("1f1f2f3f4f5f6f7f8f9fafbfcfdfefff");
    private static final VmId VM = new VmId("w\u00e4b 1");
    private static final Instant TIME = Instant.parse("2026-11-21T08:40:00.125Z");
    private static final int CHUNK = 4096;
    private static final long CAPACITY = 1029L * CHUNK + 100;

    @TempDir
    private Path directory;

    @Test
    @DisplayName("what version 1 wrote is read, checked and restored")
    void reads() throws IOException {
        try (Lab lab = new Lab()) {
            lab.store().reset(sample());
            lab.reopen();

            RestorePoint point = lab.repository().points().points().get(0);
            assertThat(lab.repository().id()).isEqualTo(REPOSITORY);
            assertThat(lab.repository().options()).isEqualTo(new RepositoryOptions(CHUNK, 65_536, 1 << 20));
            assertThat(point)
                    .isEqualTo(new PointCatalog(List.of(), List.of(), List.of(), List.of()).toRestorePoint(manifest()));
            assertThat(lab.repository().points().unreadable()).isEmpty();
            VerifyReport verified = lab.verify();
            assertThat(verified.damage()).isEmpty();
            // One disk of it changed while it was read.
            assertThat(verified.warnings()).extracting(Warning::code).containsExactly("INCONSISTENT");

            RestoreReport restored = lab.restore(VM.value(), null);

            assertThat(restored.files())
                    .extracting(path -> path.getFileName().toString())
                    .containsExactly("empty", "root", "zeroes");
            assertThat(Files.readAllBytes(restored.files().get(0))).isEmpty();
            assertThat(Arrays.mismatch(Files.readAllBytes(restored.files().get(1)), root()))
                    .isEqualTo(-1);
            assertThat(Arrays.mismatch(Files.readAllBytes(restored.files().get(2)), new byte[8192]))
                    .isEqualTo(-1);
        }
    }

    @Test
    @DisplayName("a second reader finds in it what the specification says")
    void isAsSpecified() throws IOException {
        PlainRepository plain = new PlainRepository(sample());

        PlainRepository.PlainDisk root = plain.disks().get(1);
        assertThat(root.capacity()).isEqualTo(CAPACITY);
        String[] expected = new String[1030];
        expected[0] = HexFormat.of().formatHex(id(chunkA()));
        expected[2] = HexFormat.of().formatHex(id(chunkB()));
        expected[3] = expected[0];
        expected[1029] = HexFormat.of().formatHex(id(chunkC()));
        assertThat(root.chunks()).containsExactly(expected);
        assertThat(plain.disks().get(0).root()).isNull();
        assertThat(plain.disks().get(2).root()).isNull();
        assertThat(plain.indexed()).hasSize(2);
    }

    @Test
    @DisplayName("this version writes the very bytes of version 1, but for what compressors make")
    void writes() throws IOException {
        Map<String, byte[]> sample = sample();
        Map<String, byte[]> written = written();

        assertThat(written.keySet()).isEqualTo(sample.keySet());
        String pack1 = PackName.of(SESSION, 1).key();
        String table1 = ObjectKeys.index(SESSION, 1);
        for (String key : written.keySet()) {
            // Lengths and bytes of compressed segments are the business of the compressors' versions.
            if (!key.equals(pack1) && !key.equals(table1)) {
                assertThat(text(key, written.get(key)))
                        .as(key)
                        .isEqualTo(text(key, Objects.requireNonNull(sample.get(key))));
            }
        }
    }

    /** Everything, as this version writes it. */
    private Map<String, byte[]> written() throws IOException {
        Map<String, byte[]> objects = new TreeMap<>();
        byte[] parameters = new RepositoryParameters(
                        REPOSITORY, TIME, "genievm 0.1", new RepositoryOptions(CHUNK, 65_536, 1 << 20))
                .encode();
        objects.put(ObjectKeys.REPOSITORY, parameters);
        objects.put(ObjectKeys.REPOSITORY_COPY, parameters);

        InterceptedStore store = new InterceptedStore();
        WorkFiles workFiles = new WorkFiles(directory);
        try (SessionIndex index = new SessionIndex(emptyIndex(store, workFiles), workFiles)) {
            IndexPublisher publisher = new IndexPublisher(store, REPOSITORY, workFiles, SESSION);
            Pack pack0 = new Pack(0, index);
            SegmentBuilder raw = new SegmentBuilder(SegmentType.CHUNKS, 65_536, 16);
            add(raw, chunkA());
            pack0.append(raw, Codec.NONE);
            SegmentBuilder pages = new SegmentBuilder(SegmentType.PAGES, 1 << 20, 8192);
            map(pages);
            pack0.append(pages, Codec.NONE);
            objects.put(pack0.name.key(), pack0.end());
            publisher.publish(index, Map.of(0, objects.get(pack0.name.key()).length));

            Pack pack1 = new Pack(1, index);
            SegmentBuilder lz4 = new SegmentBuilder(SegmentType.CHUNKS, 65_536, 16);
            add(lz4, chunkB());
            pack1.append(lz4, Codec.LZ4);
            SegmentBuilder zstd = new SegmentBuilder(SegmentType.CHUNKS, 65_536, 16);
            add(zstd, chunkC());
            pack1.append(zstd, Codec.DEFAULT);
            objects.put(pack1.name.key(), pack1.end());
            publisher.publish(index, Map.of(1, objects.get(pack1.name.key()).length));
        }
        store.content().forEach(objects::put);

        byte[] manifest = manifest().encode(CHUNK);
        objects.put(ObjectKeys.point(VM, SESSION), manifest);
        objects.put(
                ObjectKeys.witness(VM, SESSION),
                Witness.of(manifest(), manifest).encode());
        objects.put(ObjectKeys.point(VM, FENCED), new byte[0]);
        objects.put(
                ObjectKeys.session(VM, DEAD),
                new SessionRecord(REPOSITORY, DEAD, VM, TIME, "host", 4711, "genievm 0.1").encode());
        objects.put(ObjectKeys.progress(DEAD, 17), new byte[0]);
        String plan = "gc/" + "a".repeat(32) + ".plan";
        // Version 1 does not write plans.
        objects.put(plan, sample().get(plan));
        objects.put("gc/" + "a".repeat(32) + ".verdict", CollectionPlan.emptyVerdict(REPOSITORY, "a".repeat(32)));
        return objects;
    }

    private static IndexView emptyIndex(BlobStore store, WorkFiles workFiles) {
        return IndexView.load(store, REPOSITORY, workFiles, List.of(), IndexView.Adoption.ALL, () -> {});
    }

    private static Manifest manifest() {
        Manifest.Audit audit = new Manifest.Audit(3L, 4096, List.of(new Extent(0, 4096)));
        return new Manifest(
                REPOSITORY,
                SESSION,
                VM,
                "The \u201cweb\u201d server",
                7,
                FENCED,
                TIME,
                "genievm 0.1",
                "images",
                "source-1",
                QuiesceMode.FILE_SYSTEM,
                Codec.DEFAULT,
                2,
                2,
                Map.of("domain.xml", "<domain/>\n"),
                List.of(
                        new Manifest.Disk(
                                new DiskId("empty"),
                                0,
                                null,
                                DiskPlan.ALL,
                                null,
                                0,
                                0,
                                0,
                                null,
                                Trust.PROVEN,
                                SESSION,
                                true,
                                null,
                                null),
                        new Manifest.Disk(
                                new DiskId("root"),
                                CAPACITY,
                                map(new SegmentBuilder(SegmentType.PAGES, 1 << 20, 8192)),
                                DiskPlan.CHANGED,
                                "WHY",
                                1,
                                2,
                                3,
                                "token",
                                Trust.SAMPLED,
                                DEAD,
                                true,
                                new Manifest.AuditState("00112233445566ff", 64, 3, 2),
                                audit),
                        new Manifest.Disk(
                                new DiskId("zeroes"),
                                8192,
                                null,
                                DiskPlan.SCAN,
                                "RESIZED",
                                0,
                                0,
                                0,
                                null,
                                Trust.PROVEN,
                                SESSION,
                                false,
                                null,
                                null)),
                List.of(new Manifest.OmittedDisk(new DiskId("swap"), 4096, "EXCLUDED")),
                List.of(
                        new Warning("FILE_IGNORED", null, "a \u00e9"),
                        new Warning("SOURCE_CHANGED", new DiskId("zeroes"), "c")));
    }

    /** Adds the pages of the map of the one disk that has data, and gives the root's id. */
    private static byte[] map(SegmentBuilder pages) {
        MapPage first = new MapPage(0);
        System.arraycopy(id(chunkA()), 0, first.ids(), MapPage.offset(0), 32);
        System.arraycopy(id(chunkB()), 0, first.ids(), MapPage.offset(2), 32);
        System.arraycopy(id(chunkA()), 0, first.ids(), MapPage.offset(3), 32);
        MapPage second = new MapPage(0);
        System.arraycopy(id(chunkC()), 0, second.ids(), MapPage.offset(5), 32);
        MapPage root = new MapPage(1);
        System.arraycopy(add(pages, first), 0, root.ids(), MapPage.offset(0), 32);
        System.arraycopy(add(pages, second), 0, root.ids(), MapPage.offset(1), 32);
        return add(pages, root);
    }

    private static byte[] root() {
        byte[] root = new byte[(int) CAPACITY];
        System.arraycopy(chunkA(), 0, root, 0, CHUNK);
        System.arraycopy(chunkB(), 0, root, 2 * CHUNK, CHUNK);
        System.arraycopy(chunkA(), 0, root, 3 * CHUNK, CHUNK);
        System.arraycopy(chunkC(), 0, root, 1029 * CHUNK, 100);
        return root;
    }

    private static byte[] chunkA() {
        byte[] chunk = new byte[CHUNK];
        for (int i = 0; i < CHUNK; i++) {
            chunk[i] = (byte) (i >> 5);
        }
        return chunk;
    }

    private static byte[] chunkB() {
        byte[] chunk = new byte[CHUNK];
        Arrays.fill(chunk, (byte) 'B');
        return chunk;
    }

    private static byte[] chunkC() {
        byte[] chunk = new byte[CHUNK];
        Arrays.fill(chunk, 0, 100, (byte) 'C');
        return chunk;
    }

    private static byte[] id(byte[] chunk) {
        byte[] id = new byte[32];
        new IdHasher().chunk(chunk, 0, CHUNK, id, 0);
        return id;
    }

    private static void add(SegmentBuilder segment, byte[] chunk) {
        segment.add(id(chunk), 0, chunk, 0, CHUNK);
    }

    private static byte[] add(SegmentBuilder segment, MapPage page) {
        byte[] bytes = new byte[MapPage.MAX_BYTES];
        int length = page.encode(bytes);
        byte[] id = new byte[32];
        new IdHasher().page(bytes, 0, length, id, 0);
        segment.add(id, 0, bytes, 0, length);
        return id;
    }

    /** A pack that is being written. */
    private static final class Pack {
        private final PackName name;
        private final SessionIndex index;
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final PackFormat.FooterBuilder footer = new PackFormat.FooterBuilder();

        Pack(int number, SessionIndex index) {
            this.name = PackName.of(SESSION, number);
            this.index = index;
            bytes.writeBytes(PackFormat.header(REPOSITORY, name));
        }

        void append(SegmentBuilder segment, Codec codec) {
            for (int i = 0; i < segment.count(); i++) {
                assertThat(index.claim(segment.ids(), 32 * i, new Scratch(), new Location()))
                        .isTrue();
            }
            try (Compressor compressor = Compressor.of(codec)) {
                int length = segment.encode(compressor);
                footer.add(bytes.size(), length, segment.type(), segment.ids(), segment.count());
                index.located(segment.ids(), segment.count(), name.number(), bytes.size(), length, segment.type());
                bytes.write(segment.encoded(), 0, length);
            }
        }

        byte[] end() {
            bytes.write(footer.encode(bytes.size()), 0, footer.length());
            return bytes.toByteArray();
        }
    }

    // ---- the sample as text: documents as they are, other objects in hexadecimal digits

    private static Map<String, byte[]> sample() throws IOException {
        Map<String, StringBuilder> texts = new TreeMap<>();
        StringBuilder current = new StringBuilder();
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                GoldenRepositoryTest.class.getResourceAsStream("repository-1.txt"), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith("== ")) {
                    current = texts.computeIfAbsent(line.substring(3), key -> new StringBuilder());
                } else {
                    current.append(line).append('\n');
                }
            }
        }
        Map<String, byte[]> objects = new TreeMap<>();
        texts.forEach((key, text) -> objects.put(key, bytes(key, text.toString())));
        return objects;
    }

    private static boolean isBinary(String key) {
        return key.startsWith("packs/") || key.startsWith("index/");
    }

    private static byte[] bytes(String key, String text) {
        return isBinary(key) ? HexFormat.of().parseHex(text.replace("\n", "")) : text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(String key, byte[] bytes) {
        if (!isBinary(key)) {
            return new String(bytes, StandardCharsets.UTF_8);
        }
        StringBuilder text = new StringBuilder();
        for (int at = 0; at < bytes.length; at += 32) {
            text.append(HexFormat.of().formatHex(bytes, at, Math.min(bytes.length, at + 32)))
                    .append('\n');
        }
        return text.toString();
    }
}
