package io.genievm.core.internal.format;

import static io.genievm.core.internal.format.PackFormatTest.assertDamaged;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Map pages and ids, byte by byte as docs/format/map.md says. */
class MapPageTest {
    @Test
    @DisplayName("ids: chunks and pages are hashed each with a byte of their own before them")
    void ids() {
        IdHasher hasher = new IdHasher();
        byte[] content = "abc".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        byte[] id = new byte[34];
        hasher.chunk(content, 1, 2, id, 1);
        assertThat(HexFormat.of().formatHex(id, 1, 33))
                .isEqualTo("4075b6a68556aaa03188190d906199743692269dd8556b034c418f194a70e188");
        hasher.page(content, 1, 2, id, 1);
        assertThat(HexFormat.of().formatHex(id, 1, 33))
                .isEqualTo("c5d46142eda22574595a05e5b097a4af1607ed3d8a1e545b9294b1ca41f8586b");
    }

    @Test
    @DisplayName("these very bytes, for ever")
    void bytes() {
        MapPage page = new MapPage(2);
        Arrays.fill(page.ids(), MapPage.offset(0), MapPage.offset(1), (byte) 0xaa);
        Arrays.fill(page.ids(), MapPage.offset(9), MapPage.offset(10), (byte) 0xbb);
        Arrays.fill(page.ids(), MapPage.offset(1023), MapPage.offset(1024), (byte) 0xcc);

        assertThat(HexFormat.of().formatHex(encode(page)))
                .isEqualTo("02" + "00" + "0003"
                        + "0102" + "00".repeat(125) + "80"
                        + "aa".repeat(32) + "bb".repeat(32) + "cc".repeat(32));
    }

    @Test
    @DisplayName("what was written is read again, whatever is null")
    void roundTrip() {
        Random random = new Random(1);
        for (int count : new int[] {1, 2, 500, 1023, 1024}) {
            MapPage page = new MapPage(random.nextInt(6));
            for (int entry : random.ints(0, 1024).distinct().limit(count).toArray()) {
                byte[] id = new byte[32];
                random.nextBytes(id);
                System.arraycopy(id, 0, page.ids(), MapPage.offset(entry), 32);
            }

            MapPage again = MapPage.decode("x", ByteBuffer.wrap(encode(page)));

            assertThat(again.level()).isEqualTo(page.level());
            assertThat(again.ids()).isEqualTo(page.ids());
        }
    }

    @Test
    @DisplayName("a page of nulls is not written")
    void empty() {
        assertThat(encode(new MapPage(0))).isEmpty();
    }

    @Test
    @DisplayName("whatever is not the one way to write a page is damage")
    void notRight() {
        MapPage page = new MapPage(0);
        Arrays.fill(page.ids(), 0, 64, (byte) 1);
        byte[] bytes = encode(page);
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            assertDamaged("length " + length, () -> MapPage.decode("x", ByteBuffer.wrap(cut)));
        }
        assertDamaged("longer", () -> MapPage.decode("x", ByteBuffer.wrap(Arrays.copyOf(bytes, bytes.length + 1))));
        assertDamaged(
                "longer by an id", () -> MapPage.decode("x", ByteBuffer.wrap(Arrays.copyOf(bytes, bytes.length + 32))));
        assertDamaged("reserved", () -> MapPage.decode("x", changed(bytes, 1, 1)));
        assertDamaged("count 1", () -> MapPage.decode("x", changed(bytes, 3, 1)));
        assertDamaged("count 3", () -> MapPage.decode("x", changed(bytes, 3, 3)));
        assertDamaged("one bit", () -> MapPage.decode("x", changed(bytes, 4, 1)));
        assertDamaged("three bits", () -> MapPage.decode("x", changed(bytes, 4, 7)));
        assertDamaged("bits elsewhere", () -> MapPage.decode("x", changed(bytes, 5, 1)));
        byte[] nulls = bytes.clone();
        Arrays.fill(nulls, bytes.length - 32, bytes.length, (byte) 0);
        assertDamaged("a null id", () -> MapPage.decode("x", ByteBuffer.wrap(nulls)));
    }

    @Test
    @DisplayName("the height is the least that holds all chunks")
    void height() {
        long m = 1024;
        assertThat(MapPage.height(0)).isZero();
        assertThat(MapPage.height(1)).isEqualTo(1);
        assertThat(MapPage.height(m)).isEqualTo(1);
        assertThat(MapPage.height(m + 1)).isEqualTo(2);
        assertThat(MapPage.height(m * m)).isEqualTo(2);
        assertThat(MapPage.height(m * m + 1)).isEqualTo(3);
        assertThat(MapPage.height(m * m * m)).isEqualTo(3);
        assertThat(MapPage.height(m * m * m + 1)).isEqualTo(4);
        assertThat(MapPage.height(Long.MAX_VALUE / 4096)).isEqualTo(6);
    }

    private static byte[] encode(MapPage page) {
        byte[] target = new byte[MapPage.MAX_BYTES];
        Arrays.fill(target, (byte) 0x55);
        return Arrays.copyOf(target, page.encode(target));
    }

    private static ByteBuffer changed(byte[] bytes, int at, int value) {
        byte[] copy = bytes.clone();
        copy[at] = (byte) value;
        return ByteBuffer.wrap(copy);
    }
}
