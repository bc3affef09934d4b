package io.genievm.core.internal.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.CorruptDataException;
import io.genievm.api.RepositoryId;
import io.genievm.api.UnsupportedFormatVersionException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Header, footer and trailer of packs, byte by byte as docs/format/packs.md says. */
class PackFormatTest {
    private static final PackName NAME = PackName.of(Samples.POINT, 7);
    private static final int SEGMENTS_END = 56 + 1000 + 500;

    @Test
    @DisplayName("header: these very bytes, for ever")
    void headerBytes() {
        assertThat(HexFormat.of().formatHex(header()))
                .isEqualTo(
                        "47564d5041434b0a" // GVMPACK\n
                                + "0001" // version
                                + "0000" // flags
                                + "00000038" // length
                                + "000102030405060708090a0b0c0d0e0f"
                                + "0123456789abcdef0123456789abcdef"
                                + "00000007"
                                + "935c95e7");
        check(header());
    }

    @Test
    @DisplayName("header: every flipped bit is damage, and never too new")
    void headerFlipped() {
        byte[] header = header();
        for (int bit = 0; bit < 8 * header.length; bit++) {
            byte[] flipped = header.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertDamaged("bit " + bit, () -> check(flipped));
        }
    }

    @Test
    @DisplayName("header: a greater version under a right checksum is too new, also with flags and another repository")
    void headerTooNew() {
        assertTooNew(() -> check(header(buffer -> buffer.putShort(8, (short) 2))));
        assertTooNew(() -> check(header(buffer -> buffer.putShort(8, (short) 0xffff))));
        assertTooNew(() -> check(header(
                buffer -> buffer.putShort(8, (short) 2).putShort(10, (short) 1).putInt(16, 99))));
    }

    @Test
    @DisplayName(
            "header: unknown flags, another length, repository, session or number under a right checksum are damage")
    void headerNotRight() {
        assertDamaged("version 0", () -> check(header(buffer -> buffer.putShort(8, (short) 0))));
        assertDamaged("flags", () -> check(header(buffer -> buffer.putShort(10, (short) 1))));
        assertDamaged("length", () -> check(header(buffer -> buffer.putInt(12, 57))));
        assertDamaged("repository", () -> check(header(buffer -> buffer.putInt(16, 99))))
                .hasMessageContaining("0000006304050607");
        assertDamaged("session", () -> check(header(buffer -> buffer.putInt(32, 99))))
                .hasMessageContaining("packs/07/0000006389abcdef0123456789abcdef-00000007");
        assertDamaged("number", () -> check(header(buffer -> buffer.putInt(48, 8))));
        assertDamaged("too short", () -> check(Arrays.copyOf(header(), 55)));
        assertDamaged("empty", () -> check(new byte[0]));
        assertDamaged(
                "of another repository",
                () -> PackFormat.checkHeader(new RepositoryId("f".repeat(32)), NAME, ByteBuffer.wrap(header())));
    }

    @Test
    @DisplayName("header: damage is no evidence that a pack is another one, a right header of another is")
    void tellsOthers() {
        assertThat(PackFormat.mayBe(Samples.REPOSITORY, NAME, ByteBuffer.wrap(header())))
                .isTrue();
        byte[] flipped = header();
        flipped[20] ^= 1;
        assertThat(PackFormat.mayBe(Samples.REPOSITORY, NAME, ByteBuffer.wrap(flipped)))
                .isTrue();
        assertThat(PackFormat.mayBe(Samples.REPOSITORY, PackName.of(Samples.POINT, 8), ByteBuffer.wrap(header())))
                .isFalse();
    }

    @Test
    @DisplayName("footer and trailer: these very bytes, for ever")
    void footerBytes() {
        String ids = HexFormat.of().formatHex(ids(3));

        assertThat(HexFormat.of().formatHex(end()))
                .isEqualTo(
                        "47564d50464f4f54" // GVMPFOOT
                                + "00000002"
                                + "00000038000003e8" + "0100" + "0002" + ids.substring(0, 128)
                                + "00000420000001f4" + "0200" + "0001" + ids.substring(0, 64)
                                + "11e2f7f4"
                                + "00000000000006b4" + "00000614" + "00000000" + "13f855b8" + "47454e44");
    }

    @Test
    @DisplayName("footer: tells the segments that were added")
    void footerRoundTrip() {
        List<PackFormat.SegmentEntry> entries = readEnd(end());

        assertThat(entries).hasSize(2);
        assertThat(entries.get(0))
                .usingRecursiveComparison()
                .isEqualTo(new PackFormat.SegmentEntry(56, 1000, SegmentType.CHUNKS, ids(2)));
        assertThat(entries.get(1))
                .usingRecursiveComparison()
                .isEqualTo(new PackFormat.SegmentEntry(1056, 500, SegmentType.PAGES, ids(1)));
        assertThat(entries.get(0).count()).isEqualTo(2);
    }

    @Test
    @DisplayName("footer and trailer: every flipped bit is damage")
    void footerFlipped() {
        byte[] end = end();
        for (int bit = 0; bit < 8 * end.length; bit++) {
            byte[] flipped = end.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertDamaged("bit " + bit, () -> readEnd(flipped));
        }
    }

    @Test
    @DisplayName("footer: what does not fit its segments under a right checksum is damage")
    void footerNotRight() {
        assertDamaged("count 0", () -> readFooter(footer(buffer -> buffer.putInt(8, 0))));
        assertDamaged("count 1", () -> readFooter(footer(buffer -> buffer.putInt(8, 1))));
        assertDamaged("count 3", () -> readFooter(footer(buffer -> buffer.putInt(8, 3))));
        assertDamaged("count -1", () -> readFooter(footer(buffer -> buffer.putInt(8, -1))));
        assertDamaged("first offset", () -> readFooter(footer(buffer -> buffer.putInt(12, 57))));
        assertDamaged("gap", () -> readFooter(footer(buffer -> buffer.putInt(16, 999))));
        assertDamaged("negative", () -> readFooter(footer(buffer -> buffer.putInt(16, -1))));
        assertDamaged("no length", () -> readFooter(footer(buffer -> buffer.putInt(16, 0))));
        assertDamaged("type 0", () -> readFooter(footer(buffer -> buffer.put(20, (byte) 0))));
        assertDamaged("type 3", () -> readFooter(footer(buffer -> buffer.put(20, (byte) 3))));
        assertDamaged("reserved", () -> readFooter(footer(buffer -> buffer.put(21, (byte) 1))));
        assertDamaged("no ids", () -> readFooter(footer(buffer -> buffer.putShort(22, (short) 0))));
        assertDamaged("too many ids", () -> readFooter(footer(buffer -> buffer.putShort(22, (short) 0xffff))));
        assertDamaged("end elsewhere", () -> PackFormat.footer(NAME.key(), footer(b -> {}), SEGMENTS_END + 1));
        assertDamaged("nothing", () -> PackFormat.footer(NAME.key(), new byte[0], 56));

        PackFormat.FooterBuilder empty = new PackFormat.FooterBuilder();
        byte[] none = Arrays.copyOf(empty.encode(56), empty.length());
        assertDamaged(
                "a pack without segments",
                () -> PackFormat.footer(NAME.key(), Arrays.copyOf(none, none.length - 24), 56));
    }

    @Test
    @DisplayName("trailer: what points out of the pack or tells another length under a right checksum is damage")
    void trailerNotRight() {
        long length = (long) SEGMENTS_END + end().length;
        assertDamaged("shorter", () -> trailer(length - 1, buffer -> {}));
        assertDamaged("longer", () -> trailer(length + 1, buffer -> {}));
        for (int offset : new int[] {0, 55, -1, Integer.MAX_VALUE, (int) length - 24, (int) length - 39}) {
            assertDamaged("footer at " + offset, () -> trailer(length, buffer -> buffer.putInt(8, offset)));
        }
        assertDamaged("reserved", () -> trailer(length, buffer -> buffer.putInt(12, 1)));
        assertThat(trailer(length, buffer -> {})).isEqualTo(SEGMENTS_END);
    }

    private static byte[] header() {
        return PackFormat.header(Samples.REPOSITORY, NAME);
    }

    private static byte[] header(Consumer<ByteBuffer> change) {
        byte[] header = header();
        change.accept(ByteBuffer.wrap(header));
        return mended(header, 0, 52);
    }

    private static void check(byte[] header) {
        PackFormat.checkHeader(Samples.REPOSITORY, NAME, ByteBuffer.wrap(header));
    }

    /** Footer and trailer. */
    private static byte[] end() {
        PackFormat.FooterBuilder builder = new PackFormat.FooterBuilder();
        builder.add(56, 1000, SegmentType.CHUNKS, ids(3), 2);
        builder.add(1056, 500, SegmentType.PAGES, ids(3), 1);
        return Arrays.copyOf(builder.encode(SEGMENTS_END), builder.length());
    }

    private static byte[] ids(int count) {
        byte[] ids = new byte[32 * count];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (byte) (3 * i + 1);
        }
        return ids;
    }

    private static byte[] footer(Consumer<ByteBuffer> change) {
        byte[] footer = Arrays.copyOf(end(), end().length - 24);
        change.accept(ByteBuffer.wrap(footer));
        return mended(footer, 0, footer.length - 4);
    }

    private static List<PackFormat.SegmentEntry> readFooter(byte[] footer) {
        return PackFormat.footer(NAME.key(), footer, SEGMENTS_END);
    }

    private static int trailer(long packLength, Consumer<ByteBuffer> change) {
        byte[] trailer = Arrays.copyOfRange(end(), end().length - 24, end().length);
        change.accept(ByteBuffer.wrap(trailer));
        return PackFormat.footerOffset(NAME.key(), ByteBuffer.wrap(mended(trailer, 0, 16)), packLength);
    }

    private static List<PackFormat.SegmentEntry> readEnd(byte[] end) {
        long length = (long) SEGMENTS_END + end.length;
        int footer = PackFormat.footerOffset(
                NAME.key(), ByteBuffer.wrap(end, end.length - 24, 24).slice(), length);
        return PackFormat.footer(NAME.key(), Arrays.copyOf(end, end.length - 24), footer);
    }

    /** Writes a right checksum behind a range. */
    static byte[] mended(byte[] bytes, int start, int end) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, start, end - start);
        ByteBuffer.wrap(bytes).putInt(end, (int) crc.getValue());
        return bytes;
    }

    static AbstractThrowableAssert<?, ? extends Throwable> assertDamaged(String description, ThrowingCallable call) {
        return assertThat(catchThrowable(call)).as(description).isInstanceOf(CorruptDataException.class);
    }

    static void assertTooNew(ThrowingCallable call) {
        assertThat(catchThrowable(call)).isInstanceOf(UnsupportedFormatVersionException.class);
    }
}
