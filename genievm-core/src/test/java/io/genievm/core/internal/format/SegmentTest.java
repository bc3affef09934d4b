package io.genievm.core.internal.format;

import static io.genievm.core.internal.format.PackFormatTest.assertDamaged;
import static org.assertj.core.api.Assertions.assertThat;

import com.github.luben.zstd.Zstd;
import io.genievm.core.Codec;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import net.jpountz.lz4.LZ4Factory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Segments, byte by byte as docs/format/packs.md says. */
class SegmentTest {
    private static final int CHUNK = 4096;
    private static final int SEGMENT = 16 * CHUNK;

    private final Segment segment = new Segment(CHUNK, SEGMENT);

    static Stream<Codec> codecs() {
        return Stream.of(Codec.NONE, Codec.LZ4, Codec.DEFAULT, Codec.zstd(-7), Codec.zstd(19), Codec.zstd(22));
    }

    @ParameterizedTest
    @MethodSource("codecs")
    @DisplayName("what was gathered is read again, with its ids")
    void roundTrip(Codec codec) {
        for (boolean compressible : new boolean[] {true, false}) {
            byte[] content = content(5, compressible);
            byte[] bytes = encode(codec, content);

            open(bytes);

            assertThat(segment.count()).isEqualTo(5);
            assertThat(segment.type()).isEqualTo(SegmentType.CHUNKS);
            for (int i = 0; i < 5; i++) {
                assertThat(segment.contentLength(i)).isEqualTo(CHUNK);
                assertThat(Arrays.copyOfRange(
                                segment.content(), segment.contentOffset(i), segment.contentOffset(i) + CHUNK))
                        .isEqualTo(Arrays.copyOfRange(content, i * CHUNK, (i + 1) * CHUNK));
                assertThat(segment.checkContent(i)).isTrue();
                assertThat(segment.checkEntry(i, id(content, i), 0)).isTrue();
            }
            assertThat(segment.checkEntry(1, id(content, 2), 0)).isFalse();
            assertThat(segment.checkEntry(5, id(content, 2), 0)).isFalse();
        }
    }

    @Test
    @DisplayName("these very bytes, for ever, when nothing is compressed")
    void bytes() {
        byte[] page = new byte[] {0, 0, 0, 1};
        SegmentBuilder builder = new SegmentBuilder(SegmentType.PAGES, 100, 10);
        builder.add(new byte[32], 0, page, 0, 4);
        int length = builder.encode(Compressor.of(Codec.LZ4));

        assertThat(HexFormat.of().formatHex(builder.encoded(), 0, length))
                .isEqualTo(
                        "47534547" // GSEG
                                + "02" // type
                                + "00" // codec
                                + "0001" // count
                                + "00000004" + "00000004"
                                + "ba0cc8c4" // of the payload
                                + "00000000"
                                + "00".repeat(32) + "00000004"
                                + "a8a1f182" // of the header
                                + "00000001");
    }

    @Test
    @DisplayName("what does not shrink is stored as it is")
    void storesRaw() {
        for (Codec codec : codecs().toList()) {
            byte[] random = encode(codec, content(5, false));
            byte[] text = encode(codec, content(5, true));

            assertThat(random[5]).as("%s of random bytes", codec).isZero();
            assertThat(random).hasSize(Segment.headerLength(5) + 5 * CHUNK);
            assertThat((int) text[5]).isEqualTo(codec.kind().ordinal());
        }
    }

    @ParameterizedTest
    @MethodSource("codecs")
    @DisplayName("every flipped bit is damage")
    void flipped(Codec codec) {
        byte[] bytes = encode(codec, content(2, true));
        for (int bit = 0; bit < 8 * Math.min(bytes.length, 400); bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertDamaged("bit " + bit, () -> open(flipped));
        }
    }

    @ParameterizedTest
    @MethodSource("codecs")
    @DisplayName("a length that is not the segment's is damage")
    void otherLength(Codec codec) {
        byte[] bytes = encode(codec, content(2, true));
        for (int length : new int[] {0, 1, 23, 24, 27, 28, 100, bytes.length - 1, bytes.length + 1}) {
            assertDamaged("length " + length, () -> open(Arrays.copyOf(bytes, length)));
        }
    }

    @Test
    @DisplayName("fields that can not be are damage, also under right checksums")
    void headerNotRight() {
        byte[] raw = encode(Codec.NONE, content(2, false));
        assertDamaged("type 0", () -> open(changed(raw, b -> b.put(4, (byte) 0))));
        assertDamaged("type 3", () -> open(changed(raw, b -> b.put(4, (byte) 3))));
        assertDamaged("type 255", () -> open(changed(raw, b -> b.put(4, (byte) 255))));
        assertDamaged("codec 3", () -> open(changed(raw, b -> b.put(5, (byte) 3))));
        assertDamaged("codec 255", () -> open(changed(raw, b -> b.put(5, (byte) 255))));
        assertDamaged("raw as lz4", () -> open(changed(raw, b -> b.put(5, (byte) 1))));
        assertDamaged("raw as zstd", () -> open(changed(raw, b -> b.put(5, (byte) 2))));
        assertDamaged("count 0", () -> open(changed(raw, b -> b.putShort(6, (short) 0))));
        assertDamaged("count 1", () -> open(changed(raw, b -> b.putShort(6, (short) 1))));
        assertDamaged("raw length", () -> open(changed(raw, b -> b.putInt(8, CHUNK))));
        assertDamaged("negative raw length", () -> open(changed(raw, b -> b.putInt(8, -1))));
        assertDamaged("stored length", () -> open(changed(raw, b -> b.putInt(12, CHUNK))));
        assertDamaged("negative stored length", () -> open(changed(raw, b -> b.putInt(12, -1))));
        assertDamaged("huge stored length", () -> open(changed(raw, b -> b.putInt(12, Integer.MAX_VALUE))));
        assertDamaged("reserved", () -> open(changed(raw, b -> b.putInt(20, 1))));
        assertDamaged("entry of 0", () -> open(changed(raw, b -> b.putInt(56, 0))));
        assertDamaged("entry of -1", () -> open(changed(raw, b -> b.putInt(56, -1))));
        assertDamaged("entry of half a chunk", () -> open(changed(raw, b -> b.putInt(56, CHUNK / 2))));
        assertDamaged(
                "entries that add up",
                () -> open(changed(raw, b -> b.putInt(56, CHUNK / 2).putInt(92, CHUNK + CHUNK / 2))));
    }

    @Test
    @DisplayName("more chunks or pages than a segment may hold are damage")
    void tooMuch() {
        byte[] content = content(17, true);
        SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, content.length, 100);
        for (int i = 0; i < 17; i++) {
            builder.add(id(content, i), 0, content, i * CHUNK, CHUNK);
        }
        int length = builder.encode(Compressor.of(Codec.DEFAULT));
        assertDamaged("17 chunks", () -> open(Arrays.copyOf(builder.encoded(), length)));

        byte[] page = new byte[MapPage.MAX_BYTES];
        SegmentBuilder pages = new SegmentBuilder(SegmentType.PAGES, 40 * page.length, 100);
        for (int i = 0; i < 32; i++) {
            pages.add(new byte[32], 0, page, 0, page.length);
        }
        int tooLong = pages.encode(Compressor.of(Codec.NONE));
        assertDamaged("more than 1 MiB of pages", () -> open(Arrays.copyOf(pages.encoded(), tooLong)));
    }

    @Test
    @DisplayName("payloads that decompress to something else than the header says are damage")
    void payloadNotRight() {
        byte[] content = content(2, true);
        for (int other : new int[] {0, 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK + 1, SEGMENT, 4 * SEGMENT}) {
            byte[] zstd = Zstd.compress(Arrays.copyOf(content, other));
            assertDamaged("zstd of " + other, () -> open(withPayload(2, content, zstd)));
            byte[] lz4 = LZ4Factory.fastestInstance().fastCompressor().compress(Arrays.copyOf(content, other));
            assertDamaged("lz4 of " + other, () -> open(withPayload(1, content, lz4)));
        }
        open(withPayload(2, content, Zstd.compress(content)));
        open(withPayload(
                1, content, LZ4Factory.fastestInstance().fastCompressor().compress(content)));
        for (int codec = 1; codec <= 2; codec++) {
            int number = codec;
            assertDamaged("empty payload", () -> open(withPayload(number, content, new byte[0])));
            assertDamaged("garbage", () -> open(withPayload(number, content, content(1, false))));
        }
        assertDamaged(
                "trailing bytes", () -> open(withPayload(2, content, Arrays.copyOf(Zstd.compress(content), 500))));
    }

    @Test
    @DisplayName("content that does not have the id that the segment says is found when it is asked for")
    void wrongContent() {
        byte[] content = content(2, false);
        byte[] other = content.clone();
        other[CHUNK] ^= 1;
        open(withPayload(0, content, other));

        assertThat(segment.checkContent(0)).isTrue();
        assertThat(segment.checkContent(1)).isFalse();
        assertThat(segment.checkEntry(1, id(content, 1), 0)).isFalse();
    }

    private void open(byte[] bytes) {
        System.arraycopy(bytes, 0, segment.buffer(bytes.length), 0, bytes.length);
        segment.open("packs/x", bytes.length);
    }

    /** Random letters compress, random bytes do not. */
    private static byte[] content(int chunks, boolean compressible) {
        byte[] content = new byte[chunks * CHUNK];
        Random random = new Random(chunks);
        random.nextBytes(content);
        if (compressible) {
            for (int i = 0; i < content.length; i++) {
                content[i] &= 3;
            }
        }
        return content;
    }

    private static byte[] id(byte[] content, int chunk) {
        byte[] id = new byte[32];
        new IdHasher().chunk(content, chunk * CHUNK, CHUNK, id, 0);
        return id;
    }

    private static byte[] encode(Codec codec, byte[] content) {
        SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, SEGMENT, SEGMENT / CHUNK);
        for (int i = 0; i < content.length / CHUNK; i++) {
            assertThat(builder.fits(CHUNK)).isTrue();
            builder.add(id(content, i), 0, content, i * CHUNK, CHUNK);
        }
        try (Compressor compressor = Compressor.of(codec)) {
            int length = builder.encode(compressor);
            return Arrays.copyOf(builder.encoded(), length);
        }
    }

    /** A segment that says that it holds some content, and holds some payload. */
    private static byte[] withPayload(int codec, byte[] content, byte[] payload) {
        byte[] header = Arrays.copyOf(encode(Codec.NONE, content), Segment.headerLength(content.length / CHUNK));
        byte[] bytes = Arrays.copyOf(header, header.length + payload.length);
        System.arraycopy(payload, 0, bytes, header.length, payload.length);
        return changed(bytes, b -> b.put(5, (byte) codec).putInt(12, payload.length));
    }

    /** A changed copy with checksums that are right for its count of entries, where it has one that can be. */
    private static byte[] changed(byte[] bytes, Consumer<ByteBuffer> change) {
        byte[] copy = bytes.clone();
        ByteBuffer buffer = ByteBuffer.wrap(copy);
        change.accept(buffer);
        int header = Segment.headerLength(buffer.getShort(6) & 0xffff);
        if (header <= copy.length) {
            byte[] payload = Arrays.copyOfRange(copy, header, copy.length + 4);
            PackFormatTest.mended(payload, 0, copy.length - header);
            buffer.putInt(16, ByteBuffer.wrap(payload).getInt(copy.length - header));
            PackFormatTest.mended(copy, 0, header - 4);
        }
        return copy;
    }
}
