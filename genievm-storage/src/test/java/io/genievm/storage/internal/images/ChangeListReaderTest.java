package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.hypervisor.ChangeToken;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What is a list of changes and what is none. */
class ChangeListReaderTest {
    private static final String FIRST = "{\"token\":\"T2\",\"since\":\"T1\"}\n";
    private static final String FORM_OF_FIRST = "the first line is {\"token\":\"T2\",\"since\":\"T1\"}";
    private static final String FORM_OF_EXTENT = "every line but the first is {\"offset\":N,\"length\":N}";

    // ---- what is allowed

    @Test
    void readsTokensAndExtents() throws Exception {
        String list = FIRST + "{\"offset\":0,\"length\":65536}\n{\"length\":1,\"offset\":9223372036854775807}\n";

        assertThat(tokens(list))
                .isEqualTo(new ChangeListReader.Tokens(new ChangeToken("T2"), Optional.of(new ChangeToken("T1"))));
        assertThat(extents(list)).containsExactly("0+65536", Long.MAX_VALUE + "+1");
    }

    @Test
    void aFirstListHasNoSince() throws Exception {
        assertThat(tokens("{\"token\":\"T2\"}").since()).isEmpty();
        assertThat(extents("{\"token\":\"T2\"}")).isEmpty();
    }

    @Test
    void theLastLineFeedMayBeMissing() throws Exception {
        assertThat(extents(FIRST + "{\"offset\":1,\"length\":2}")).containsExactly("1+2");
    }

    @Test
    void whiteSpaceOfJsonIsHarmless() throws Exception {
        String list = " { \"token\" :\t\"T2\" } \r\n\t{ \"offset\" : 1 , \"length\" : 2 }\r\n";

        assertThat(tokens(list).token()).isEqualTo(new ChangeToken("T2"));
        assertThat(extents(list)).containsExactly("1+2");
    }

    @Test
    void extentsArePassedOnWhateverTheyMean() throws Exception {
        String list = FIRST
                + "{\"offset\":9,\"length\":0}\n{\"offset\":3,\"length\":9}\n{\"offset\":3,\"length\":9223372036854775807}";

        assertThat(extents(list)).containsExactly("9+0", "3+9", "3+" + Long.MAX_VALUE);
    }

    @Test
    void aTokenMayBeAnyTextHoweverItIsWritten() throws Exception {
        String value = "\u00fc \ud83d\ude00 \"\\ \u0001".repeat(100);
        StringBuilder escaped = new StringBuilder();
        value.chars().forEach(unit -> escaped.append(String.format("\\u%04x", unit)));

        assertThat(tokens("{\"token\":\"" + escaped + "\"}").token()).isEqualTo(new ChangeToken(value));
        assertThat(tokens("{\"token\":\"\u00fc\ud83d\ude00\"}").token())
                .isEqualTo(new ChangeToken("\u00fc\ud83d\ude00"));
    }

    @Test
    void theLongestTokensFitALine() throws Exception {
        String escapedA = "\\u0061".repeat(4096);
        String escapedB = "\\u0062".repeat(4096);

        assertThat(tokens("{\"token\":\"" + escapedA + "\",\"since\":\"" + escapedB + "\"}"))
                .isEqualTo(new ChangeListReader.Tokens(
                        new ChangeToken("a".repeat(4096)), Optional.of(new ChangeToken("b".repeat(4096)))));
    }

    @Test
    void aLineMayBeAsLongAsTheBoundAndNoLonger() throws Exception {
        String extent = "{\"offset\":1,\"length\":2}";
        String padding = " ".repeat(ChangeListReader.MAX_LINE - extent.length());

        assertThat(extents(FIRST + padding + extent + "\n" + extent + padding)).containsExactly("1+2", "1+2");
        assertThat(failure(FIRST + " " + padding + extent + "\n")).startsWith("line 2: longer than 65536 bytes");
        assertThat(failure(FIRST + extent + "\n" + extent + padding + " ")).startsWith("line 3: longer than");
    }

    @Test
    void linesAreFoundHoweverTheyArrive() throws Exception {
        StringBuilder list = new StringBuilder(FIRST);
        List<String> expected = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < 20_000; i++) {
            long offset = random.nextLong() >>> 1 + random.nextInt(60);
            list.append("{\"offset\":" + offset + ",\"length\":" + i + "}\n");
            expected.add(offset + "+" + i);
        }
        byte[] bytes = list.toString().getBytes(StandardCharsets.UTF_8);
        for (int most : new int[] {1, 7, 4096, 65_536, Integer.MAX_VALUE}) {
            assertThat(extents(new Dripping(bytes, most)))
                    .as("in pieces of %s", most)
                    .isEqualTo(expected);
        }
    }

    // ---- what is not

    @Test
    void whatIsNoFirstLineIsRefused() throws Exception {
        Map<String, String> bad = Map.ofEntries(
                Map.entry("", "the list is empty"),
                Map.entry("\n", "a blank line"),
                Map.entry(" \r\n" + FIRST, "a blank line"),
                Map.entry("{}", "no \"token\""),
                Map.entry("{\"since\":\"T1\"}", "no \"token\""),
                Map.entry("{\"token\":\"\"}", "\"token\": a change token is valid Unicode of 1 to 4096 bytes"),
                Map.entry("{\"token\":\"" + "x".repeat(4097) + "\"}", "\"token\": a change token"),
                Map.entry("{\"token\":\"T2\",\"since\":\"\"}", "\"since\": a change token"),
                Map.entry("{\"token\":\"\\ud83d\"}", "\"token\": a change token"),
                Map.entry("{\"token\":\"T2\",\"since\":\"T2\"}", "equal: the list was not begun anew"),
                Map.entry("{\"token\":null}", "\"token\" is no text"),
                Map.entry("{\"token\":2}", "\"token\" is no text"),
                Map.entry("{\"token\":true}", "\"token\" is no text"),
                Map.entry("{\"token\":[\"T2\"]}", "\"token\" is no text"),
                Map.entry("{\"token\":{\"token\":\"T2\"}}", "\"token\" is no text"),
                Map.entry("{\"token\":\"T2\",\"since\":null}", "\"since\" is no text"),
                Map.entry("{\"token\":\"T2\",\"vm\":\"web\"}", "unknown field \"vm\""),
                Map.entry("{\"Token\":\"T2\"}", "unknown field \"Token\""),
                Map.entry("{\"token\":\"T2\",\"token\":\"T2\"}", "Duplicate"),
                Map.entry("{\"token\":\"T2\",\"t\\u006fken\":\"T3\"}", "Duplicate"),
                Map.entry("{\"token\":\"T2\"} {}", "more than one object"),
                Map.entry("{\"token\":\"T2\"},", "no JSON"),
                Map.entry("{\"token\":\"T2\"}x", "no JSON"),
                Map.entry("{\"token\":\"T2\"}\0", "no JSON"),
                Map.entry("{\"token\":\"T2\",}", "no JSON"),
                Map.entry("{\"token\":\"T2\"", "no JSON"),
                Map.entry("{\"token\":\"T2", "no JSON"),
                Map.entry("{\"token\":\n\"T2\"}", "no JSON"),
                Map.entry("{'token':'T2'}", "no JSON"),
                Map.entry("{token:\"T2\"}", "no JSON"),
                Map.entry("{\"token\":\"a\tb\"}", "no JSON"),
                Map.entry("// T2\n", "no JSON"),
                Map.entry("T2", "no JSON"),
                Map.entry("\"T2\"", "not one object in braces"),
                Map.entry("[{\"token\":\"T2\"}]", "not one object in braces"),
                Map.entry("null", "not one object in braces"),
                Map.entry("\ufeff" + FIRST, "a byte order mark"));

        for (var one : bad.entrySet()) {
            assertThat(failure(one.getKey()))
                    .as("the failure of %s", one.getKey())
                    .startsWith("line 1: ")
                    .contains(one.getValue())
                    .contains(FORM_OF_FIRST)
                    .hasSizeLessThan(500);
        }
    }

    @Test
    void whatIsNoExtentIsRefused() throws Exception {
        Map<String, String> bad = Map.ofEntries(
                Map.entry("\n", "a blank line"),
                Map.entry(" ", "a blank line"),
                Map.entry("\r\n", "a blank line"),
                Map.entry("{}", "no \"offset\""),
                Map.entry("{\"length\":1}", "no \"offset\""),
                Map.entry("{\"offset\":1}", "no \"length\""),
                Map.entry(FIRST, "unknown field \"token\""),
                Map.entry(extent("1", "2") + extent("1", "2"), "more than one object"),
                Map.entry(extent("1", "2") + "\r" + extent("1", "2"), "more than one object"),
                Map.entry(extent("1", "2") + ",", "no JSON"),
                Map.entry("{\"offset\":1,\"offset\":1,\"length\":2}", "Duplicate"),
                Map.entry("{\"offset\":1,\"length\":2,\"zero\":true}", "unknown field \"zero\""),
                Map.entry("{\"offset\":1,\"length\":2", "no JSON"),
                Map.entry("[1,2]", "not one object in braces"),
                Map.entry("1", "not one object in braces"),
                Map.entry(extent("\"1\"", "2"), "\"offset\" is no whole number"),
                Map.entry(extent("null", "2"), "\"offset\" is no whole number"),
                Map.entry(extent("[1]", "2"), "\"offset\" is no whole number"),
                Map.entry(extent("1.0", "2"), "\"offset\" is no whole number"),
                Map.entry(extent("1e3", "2"), "\"offset\" is no whole number"),
                Map.entry(extent("1", "2.5"), "\"length\" is no whole number"),
                Map.entry(extent("-1", "2"), "\"offset\" is negative"),
                Map.entry(extent("-0", "2"), "\"offset\" is negative"),
                Map.entry(extent("1", "-2"), "\"length\" is negative"),
                Map.entry(extent("9223372036854775808", "2"), "\"offset\" is larger than 9223372036854775807"),
                Map.entry(extent("1", "18446744073709551616"), "\"length\" is larger"),
                Map.entry(extent("1", "9".repeat(999)), "\"length\" is larger"),
                Map.entry(extent("1", "9".repeat(9999)), "line 3: "),
                Map.entry(extent("01", "2"), "no JSON"),
                Map.entry(extent("+1", "2"), "no JSON"),
                Map.entry(extent("0x1", "2"), "no JSON"),
                Map.entry(extent("NaN", "2"), "no JSON"),
                Map.entry(extent("1 2", "2"), "no JSON"),
                Map.entry("\ufeff" + extent("1", "2"), "a byte order mark"));

        for (var one : bad.entrySet()) {
            for (String end : new String[] {"", "\n", "\n" + extent("1", "2") + "\n"}) {
                assertThat(failure(FIRST + extent("0", "1") + "\n" + one.getKey() + end))
                        .as("the failure of %s", one.getKey())
                        .startsWith("line 3: ")
                        .contains(one.getValue())
                        .contains(FORM_OF_EXTENT)
                        .hasSizeLessThan(500);
            }
        }
    }

    @Test
    void whatIsNotUtf8IsRefused() throws Exception {
        byte[][] bad = {
            {(byte) 0x80}, // a continuation of nothing
            {(byte) 0xc3}, // half a character
            {(byte) 0xc0, (byte) 0x80}, // zero in two bytes
            {(byte) 0xc1, (byte) 0x81}, // a letter in two bytes
            {(byte) 0xed, (byte) 0xa0, (byte) 0x80}, // half a surrogate pair
            {(byte) 0xf4, (byte) 0x90, (byte) 0x80, (byte) 0x80}, // beyond Unicode
            {(byte) 0xe4} // Latin-1
        };
        for (byte[] one : bad) {
            ByteArrayOutputStream list = new ByteArrayOutputStream();
            list.writeBytes("{\"token\":\"T".getBytes(StandardCharsets.UTF_8));
            list.writeBytes(one);
            list.writeBytes("\"}\n".getBytes(StandardCharsets.UTF_8));
            assertThat(failure(list.toByteArray())).startsWith("line 1: not UTF-8");
        }
        for (Charset other : List.of(StandardCharsets.UTF_16BE, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16)) {
            assertThat(failure(FIRST.getBytes(other))).as("%s", other).startsWith("line 1: ");
        }
    }

    @Test
    void messagesAreShortAndSafeToPrint() throws Exception {
        String message = failure("{\"" + "\\u001b[31m\\u202e".repeat(1000) + "\":1}");

        assertThat(message).contains("unknown field \"?[31m?").hasSizeLessThan(500);
        assertThat(message.chars().noneMatch(Character::isISOControl)).isTrue();
    }

    @Test
    void aLineWithoutEndIsNotReadToItsEnd() {
        ReadableByteChannel endless = new Endless();

        assertThat(catchThrowableOfType(MalformedChangeListException.class, () -> extents(endless)))
                .hasMessageStartingWith("line 1: longer than 65536 bytes");
    }

    @Test
    void whateverIsReadIsAListOrRefused() throws Exception {
        byte[] good = (FIRST + extent("0", "65536") + "\r\n" + extent("1048576", "512") + "\n")
                .getBytes(StandardCharsets.UTF_8);
        byte[] spice = "{}[]\":,\\/ \n\r\t\0-+.eE019tfnu\u00fc\ufeff".getBytes(StandardCharsets.UTF_8);
        int lists = 0;
        for (int seed = 0; seed < 50_000; seed++) {
            Random random = new Random(seed);
            byte[] bytes = good.clone();
            for (int i = random.nextInt(3); i >= 0; i--) {
                boolean any = random.nextInt(4) == 0;
                bytes[random.nextInt(bytes.length)] =
                        any ? (byte) random.nextInt() : spice[random.nextInt(spice.length)];
            }
            try {
                extents(Channels.newChannel(new ByteArrayInputStream(bytes, 0, 1 + random.nextInt(bytes.length))));
                lists++;
            } catch (MalformedChangeListException e) {
                assertThat(e).as("seed %s", seed).hasMessageStartingWith("line ");
            }
        }
        assertThat(lists).isBetween(100, 49_000);
    }

    private static String extent(String offset, String length) {
        return "{\"offset\":" + offset + ",\"length\":" + length + "}";
    }

    private static ChangeListReader.Tokens tokens(String list) throws Exception {
        return new ChangeListReader(channel(list.getBytes(StandardCharsets.UTF_8))).tokens();
    }

    private static List<String> extents(String list) throws Exception {
        return extents(channel(list.getBytes(StandardCharsets.UTF_8)));
    }

    private static List<String> extents(ReadableByteChannel list) throws IOException, MalformedChangeListException {
        ChangeListReader reader = new ChangeListReader(list);
        reader.tokens();
        List<String> extents = new ArrayList<>();
        while (reader.next()) {
            extents.add(reader.offset() + "+" + reader.length());
        }
        assertThat(reader.next()).as("after the end").isFalse();
        return extents;
    }

    private static String failure(String list) {
        return failure(list.getBytes(StandardCharsets.UTF_8));
    }

    private static String failure(byte[] list) {
        MalformedChangeListException failure =
                catchThrowableOfType(MalformedChangeListException.class, () -> extents(channel(list)));
        assertThat(failure)
                .as("the failure of '%s'", new String(list, StandardCharsets.UTF_8))
                .isNotNull();
        return String.valueOf(failure.getMessage());
    }

    private static ReadableByteChannel channel(byte[] bytes) {
        return Channels.newChannel(new ByteArrayInputStream(bytes));
    }

    /** Gives at most so many bytes at a time. */
    private static final class Dripping implements ReadableByteChannel {
        private final ByteBuffer left;
        private final int most;

        Dripping(byte[] bytes, int most) {
            this.left = ByteBuffer.wrap(bytes);
            this.most = most;
        }

        @Override
        public int read(ByteBuffer target) {
            int piece = Math.min(most, Math.min(left.remaining(), target.remaining()));
            target.put(left.slice().limit(piece));
            left.position(left.position() + piece);
            return piece == 0 ? -1 : piece;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    /** Blanks for ever. */
    private static final class Endless implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer target) {
            int length = target.remaining();
            target.put(" ".repeat(length).getBytes(StandardCharsets.US_ASCII));
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
