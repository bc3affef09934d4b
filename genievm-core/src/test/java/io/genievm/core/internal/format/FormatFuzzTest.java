package io.genievm.core.internal.format;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.CorruptDataException;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.core.Codec;
import io.genievm.core.testing.Allocation;
import io.genievm.core.testing.Mutations;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whatever bytes a parser is given, also under right checksums: it reads them, or says that they are damaged or too new, in
 * bounded memory.
 */
class FormatFuzzTest {
    private static final long MOST_BYTES = 4 << 20;
    private static final List<Samples.Kind> KINDS = Samples.kinds();
    private static final PackName NAME = PackName.of(Samples.POINT, 7);

    private final Segment segment = new Segment(4096, 65_536);

    @Test
    @DisplayName("documents, changed at random")
    void documents() {
        Seeds.run(FormatFuzzTest.class, "documents", 2000, this::document);
    }

    @Test
    @Tag("torture")
    @DisplayName("documents, changed at random, 100 000 times")
    void manyDocuments() {
        Seeds.torture(FormatFuzzTest.class, "manyDocuments", 100_000, this::document);
    }

    private void document(Random random) {
        Samples.Kind kind = KINDS.get(random.nextInt(KINDS.size()));
        if (random.nextInt(10) == 0) {
            // Without mending the last line.
            assertSurvives(() -> kind.decode(Mutations.ofText(kind.bytes(), random)));
            return;
        }
        byte[] body = Mutations.ofText(kind.json().toString().getBytes(StandardCharsets.UTF_8), random);
        byte[] line = Arrays.copyOf(body, body.length + 1);
        line[body.length] = '\n';
        byte[] document = PlainRepository.sealed(kind.name(), line);
        assertSurvives(() -> kind.decode(document));
    }

    @Test
    @DisplayName("headers, footers and trailers of packs, changed at random under right checksums")
    void packs() {
        Seeds.run(FormatFuzzTest.class, "packs", 2000, this::pack);
    }

    @Test
    @Tag("torture")
    @DisplayName("headers, footers and trailers of packs, changed at random under right checksums, 100 000 times")
    void manyPacks() {
        Seeds.torture(FormatFuzzTest.class, "manyPacks", 100_000, this::pack);
    }

    private void pack(Random random) {
        byte[] header = Mutations.ofBinary(Arrays.copyOf(PackFormat.header(Samples.REPOSITORY, NAME), 52), random);
        assertSurvives(() -> PackFormat.checkHeader(Samples.REPOSITORY, NAME, ByteBuffer.wrap(mended(header))));

        PackFormat.FooterBuilder builder = new PackFormat.FooterBuilder();
        int offset = 56;
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            int length = 100 + random.nextInt(1000);
            builder.add(offset, length, SegmentType.CHUNKS, new byte[32 * i], i);
            offset += length;
        }
        byte[] end = Arrays.copyOf(builder.encode(offset), builder.length());
        int footerOffset = offset;
        byte[] footer = Mutations.ofBinary(Arrays.copyOf(end, end.length - 28), random);
        assertSurvives(() -> PackFormat.footer(NAME.key(), mended(footer), footerOffset));

        byte[] trailer = Mutations.ofBinary(Arrays.copyOfRange(end, end.length - 24, end.length - 8), random);
        byte[] whole = Arrays.copyOf(mended(Arrays.copyOf(trailer, 16)), 24);
        ByteBuffer.wrap(whole).putInt(20, 0x47454e44);
        long length = (long) offset + end.length;
        assertSurvives(() -> PackFormat.footerOffset(NAME.key(), ByteBuffer.wrap(whole), length));
    }

    @Test
    @DisplayName("segments, changed at random under right checksums")
    void segments() {
        Seeds.run(FormatFuzzTest.class, "segments", 1000, this::segment);
    }

    @Test
    @Tag("torture")
    @DisplayName("segments, changed at random under right checksums, 50 000 times")
    void manySegments() {
        Seeds.torture(FormatFuzzTest.class, "manySegments", 50_000, this::segment);
    }

    private void segment(Random random) {
        SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, 65_536, 16);
        byte[] chunk = new byte[4096];
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            byte[] id = new byte[32];
            Arrays.fill(chunk, 0, random.nextInt(4096), (byte) random.nextInt());
            new IdHasher().chunk(chunk, 0, chunk.length, id, 0);
            builder.add(id, 0, chunk, 0, chunk.length);
        }
        Codec codec = List.of(Codec.NONE, Codec.LZ4, Codec.DEFAULT).get(random.nextInt(3));
        byte[] bytes;
        try (Compressor compressor = Compressor.of(codec)) {
            int length = builder.encode(compressor);
            bytes = Arrays.copyOf(builder.encoded(), length);
        }
        int headerLength = Segment.headerLength(builder.count());
        byte[] header = Arrays.copyOf(bytes, headerLength - 4);
        byte[] payload = Arrays.copyOfRange(bytes, headerLength, bytes.length);
        if (random.nextBoolean()) {
            header = Mutations.ofBinary(header, random);
        } else {
            payload = Mutations.ofBinary(payload, random);
        }
        byte[] changed = assembled(header, payload);
        assertSurvives(() -> open(changed));
    }

    private void open(byte[] bytes) {
        System.arraycopy(bytes, 0, segment.buffer(bytes.length), 0, bytes.length);
        segment.open("packs/x", bytes.length);
        for (int i = 0; i < segment.count(); i++) {
            segment.checkContent(i);
        }
        Segment.readHeader("packs/x", Arrays.copyOf(bytes, Segment.headerLength(segment.count())), 56, bytes.length);
    }

    /** Header and payload with checksums and a stored length that fit, as far as there is room for them. */
    private static byte[] assembled(byte[] header, byte[] payload) {
        byte[] bytes = new byte[header.length + 4 + payload.length];
        System.arraycopy(payload, 0, bytes, header.length + 4, payload.length);
        System.arraycopy(header, 0, bytes, 0, header.length);
        if (header.length >= 24) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            buffer.putInt(12, payload.length);
            buffer.putInt(16, ByteBuffer.wrap(mended(payload)).getInt(payload.length));
            byte[] mended = mended(Arrays.copyOf(bytes, header.length));
            System.arraycopy(mended, 0, bytes, 0, mended.length);
        }
        return bytes;
    }

    @Test
    @DisplayName("map pages, changed at random")
    void pages() {
        Seeds.run(FormatFuzzTest.class, "pages", 2000, this::page);
    }

    @Test
    @Tag("torture")
    @DisplayName("map pages, changed at random, 100 000 times")
    void manyPages() {
        Seeds.torture(FormatFuzzTest.class, "manyPages", 100_000, this::page);
    }

    private void page(Random random) {
        MapPage page = new MapPage(random.nextInt(3));
        for (int i = random.nextInt(6); i >= 0; i--) {
            page.ids()[MapPage.offset(random.nextInt(1024)) + random.nextInt(32)] = (byte) random.nextInt();
        }
        byte[] target = new byte[MapPage.MAX_BYTES];
        byte[] bytes = Mutations.ofBinary(Arrays.copyOf(target, page.encode(target)), random);
        assertSurvives(() -> {
            MapPage read = MapPage.decode("packs/x", ByteBuffer.wrap(bytes));
            // What can be read is the one way to write it.
            assertThat(Arrays.copyOf(target, read.encode(target))).isEqualTo(bytes);
        });
    }

    @Test
    @DisplayName("keys, changed at random")
    void keys() {
        List<String> keys = List.of(
                NAME.key(),
                ObjectKeys.point(Samples.VM, Samples.POINT),
                ObjectKeys.index(Samples.POINT, 3),
                ObjectKeys.progress(Samples.POINT, 3),
                Samples.PLAN_KEY,
                Samples.VERDICT_KEY);
        Seeds.run(FormatFuzzTest.class, "keys", 5000, random -> {
            byte[] key = keys.get(random.nextInt(keys.size())).getBytes(StandardCharsets.UTF_8);
            String changed = new String(Mutations.ofText(key, random), StandardCharsets.UTF_8);
            PackName name = PackName.ofKey(changed);
            assertThat(name == null || name.key().equals(changed)).isTrue();
            ObjectKeys.NumberedKey table = ObjectKeys.parseIndex(changed);
            assertThat(table == null
                            || ObjectKeys.index(table.id(), table.number()).equals(changed))
                    .isTrue();
            ObjectKeys.parsePoint(changed);
            ObjectKeys.parseProgress(changed);
            ObjectKeys.parseCollection(changed);
        });
    }

    private static byte[] mended(byte[] bytes) {
        return PackFormatTest.mended(Arrays.copyOf(bytes, bytes.length + 4), 0, bytes.length);
    }

    private static void assertSurvives(Runnable parser) {
        long before = Allocation.ofCurrentThread();
        try {
            parser.run();
        } catch (CorruptDataException | UnsupportedFormatVersionException e) {
            assertThat(e.resource().name()).isNotEmpty();
            assertThat(e.getMessage()).isNotEmpty().hasSizeLessThan(2000);
        }
        assertThat(Allocation.ofCurrentThread() - before).as("bytes allocated").isLessThan(MOST_BYTES);
    }
}
