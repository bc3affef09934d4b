package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.kvm.internal.nbd.ScriptedServer.Peer;
import io.genievm.kvm.internal.nbd.ScriptedServer.Request;
import io.genievm.kvm.internal.nbd.ScriptedServer.Script;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Servers that break the protocol in every phase: each ends in a typed error, soon, and without much memory. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class HostileServerTest {
    private static final int SIZE = 1 << 20;
    private static final int FIXED = NbdProtocol.HANDSHAKE_FIXED_NEWSTYLE | NbdProtocol.HANDSHAKE_NO_ZEROES;
    private static final int GO = NbdProtocol.OPTION_GO;
    private static final int SET = NbdProtocol.OPTION_SET_META_CONTEXT;
    private static final int ACK = NbdProtocol.REPLY_ACK;
    private static final int DONE = NbdProtocol.CHUNK_DONE;
    private static final int BITE = 4096;
    private static final NbdOptions PATIENT =
            NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION, "qemu:dirty-bitmap:since");
    /** For servers that keep silent; with others a busy machine must not be taken for silence. */
    private static final NbdOptions IMPATIENT =
            PATIENT.withLimits(Duration.ofSeconds(1), Duration.ofMillis(250), Duration.ofSeconds(1));

    @TempDir
    private Path folder;

    /** What a server does with an option. */
    private interface OptionScript {
        void run(Peer peer, int option) throws IOException;
    }

    /** What a server does with a request. */
    private interface RequestScript {
        void run(Peer peer, Request request) throws IOException;
    }

    private static Arguments greeting(String name, Script script) {
        return Arguments.of(name, NbdErrors.PROTOCOL_BROKEN, script);
    }

    /** Good up to the option; then the script, and no more. */
    private static Arguments option(String name, ErrorCode code, int which, OptionScript script) {
        return Arguments.of(name, code, (Script) peer -> {
            peer.greet(FIXED);
            int option = peer.option();
            while (option != which) {
                peer.reply(option, ACK);
                peer.send();
                option = peer.option();
            }
            script.run(peer, option);
            peer.send();
            peer.channel.shutdownOutput();
            peer.drain();
        });
    }

    private static Arguments option(String name, int which, OptionScript script) {
        return option(name, NbdErrors.PROTOCOL_BROKEN, which, script);
    }

    private static Script good(boolean structured, RequestScript script) {
        return peer -> {
            peer.negotiate(SIZE, NbdProtocol.FLAG_SEND_FLUSH, structured);
            script.run(peer, peer.request());
            peer.send();
            peer.channel.shutdownOutput();
            peer.drain();
        };
    }

    private static Arguments reply(String name, RequestScript script) {
        return Arguments.of(name, NbdErrors.PROTOCOL_BROKEN, good(true, script));
    }

    static Stream<Arguments> handshakes() {
        return Stream.of(
                greeting("wrong magic", peer -> {
                    peer.out.writeLong(NbdProtocol.MAGIC + 1);
                    peer.out.writeLong(NbdProtocol.OPTION_MAGIC);
                    peer.out.writeShort(FIXED);
                    peer.send();
                    peer.drain();
                }),
                greeting("another protocol", peer -> {
                    peer.out.write(
                            "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
                    peer.send();
                    peer.drain();
                }),
                Arguments.of("oldstyle", ErrorCode.UNSUPPORTED, (Script) peer -> {
                    peer.out.writeLong(NbdProtocol.MAGIC);
                    peer.out.writeLong(NbdProtocol.OLD_STYLE_MAGIC);
                    peer.out.write(new byte[136]);
                    peer.send();
                    peer.drain();
                }),
                Arguments.of("hangs up at once", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {}),
                Arguments.of("half a greeting", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.out.writeLong(NbdProtocol.MAGIC);
                    peer.send();
                }),
                Arguments.of("silence from the start", ErrorCode.TRANSIENT_IO_ERROR, (Script) Peer::drain),
                Arguments.of("silence after the greeting", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.greet(FIXED);
                    peer.drain();
                }),
                Arguments.of("trickle", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.greet(FIXED);
                    peer.option();
                    peer.replyHead(NbdProtocol.OPTION_STRUCTURED_REPLY, NbdProtocol.REPLY_ERROR + 3, 60_000);
                    peer.send();
                    while (true) {
                        peer.out.writeByte('x');
                        peer.send();
                        LockSupport.parkNanos(20_000_000);
                    }
                }),
                option("wrong reply magic", GO, (peer, option) -> {
                    peer.out.writeLong(NbdProtocol.OPTION_MAGIC);
                    peer.out.writeInt(option);
                    peer.out.writeInt(ACK);
                    peer.out.writeInt(0);
                }),
                option("reply to another option", GO, (peer, option) -> peer.reply(SET, ACK)),
                option("unknown reply type", GO, (peer, option) -> peer.reply(option, 77, new byte[4])),
                option("acknowledgement with data", GO, (peer, option) -> {
                    peer.info(option, SIZE, 1);
                    peer.reply(option, ACK, new byte[4]);
                }),
                option("over-long reply", GO, (peer, option) -> peer.replyHead(option, NbdProtocol.REPLY_INFO, -1)),
                option(
                        "over-long error",
                        GO,
                        (peer, option) -> peer.replyHead(option, NbdProtocol.REPLY_ERROR_POLICY, 1 << 30)),
                option("no size", GO, (peer, option) -> peer.reply(option, ACK)),
                option("negative size", GO, (peer, option) -> {
                    peer.info(option, -1, 1);
                    peer.reply(option, ACK);
                }),
                option("short info", GO, (peer, option) -> peer.reply(option, NbdProtocol.REPLY_INFO, new byte[1])),
                option("short size", GO, (peer, option) -> peer.reply(option, NbdProtocol.REPLY_INFO, new byte[11])),
                option("block size 0", GO, (peer, option) -> peer.blockSizes(option, 0, 4096, 65536)),
                option("block size 3", GO, (peer, option) -> peer.blockSizes(option, 3, 4096, 65536)),
                option("block size 128 KiB", GO, (peer, option) -> peer.blockSizes(option, 1 << 17, 1 << 17, 1 << 20)),
                option("largest below smallest", GO, (peer, option) -> peer.blockSizes(option, 4096, 4096, 512)),
                option("largest of odd blocks", GO, (peer, option) -> peer.blockSizes(option, 4096, 4096, 5000)),
                option("endless infos", GO, (peer, option) -> {
                    for (int i = 0; i < 3000; i++) {
                        peer.info(option, SIZE, 1);
                        peer.send();
                    }
                }),
                option(
                        "unknown export",
                        ErrorCode.NOT_FOUND,
                        GO,
                        (peer, option) -> peer.reply(option, NbdProtocol.REPLY_ERROR_UNKNOWN, new byte[20])),
                option(
                        "policy",
                        ErrorCode.ACCESS_DENIED,
                        GO,
                        (peer, option) -> peer.reply(option, NbdProtocol.REPLY_ERROR_POLICY)),
                option(
                        "shutdown",
                        ErrorCode.TRANSIENT_IO_ERROR,
                        GO,
                        (peer, option) -> peer.reply(option, NbdProtocol.REPLY_ERROR_SHUTDOWN)),
                option(
                        "unknown error",
                        ErrorCode.IO_ERROR,
                        GO,
                        (peer, option) -> peer.reply(option, NbdProtocol.REPLY_ERROR + 1000)),
                option(
                        "old and hangs up",
                        ErrorCode.NOT_FOUND,
                        GO,
                        (peer, option) -> peer.reply(option, NbdProtocol.REPLY_ERROR_UNSUPPORTED)),
                option("endless contexts", SET, (peer, option) -> {
                    for (int i = 0; i < 3000; i++) {
                        peer.context(option, i, NbdOptions.ALLOCATION + i);
                        peer.send();
                    }
                }),
                option("a context that nobody wanted", SET, (peer, option) -> peer.context(option, 1, "x-new:one")),
                option("a context twice", SET, (peer, option) -> {
                    peer.context(option, 1, NbdOptions.ALLOCATION);
                    peer.context(option, 2, NbdOptions.ALLOCATION);
                }),
                option("two contexts with one number", SET, (peer, option) -> {
                    peer.context(option, 1, NbdOptions.ALLOCATION);
                    peer.context(option, 1, "qemu:dirty-bitmap:since");
                }),
                option("a context without name", SET, (peer, option) -> peer.context(option, 1, "")),
                option("a context with a long name", SET, (peer, option) -> peer.context(option, 1, "x".repeat(5000))),
                option(
                        "a context that is not UTF-8",
                        SET,
                        (peer, option) -> peer.reply(
                                option, NbdProtocol.REPLY_META_CONTEXT, new byte[] {0, 0, 0, 1, (byte) 0xff})));
    }

    static Stream<Arguments> replies() {
        byte[] half = new byte[BITE / 2];
        byte[] whole = new byte[BITE];
        return Stream.of(
                reply("wrong magic", (peer, request) -> peer.out.write(new byte[16])),
                reply("a request for a reply", (peer, request) -> {
                    peer.out.writeInt(NbdProtocol.REQUEST_MAGIC);
                    peer.out.write(new byte[24]);
                }),
                reply("another cookie", (peer, request) -> peer.data(request.cookie() + 1, DONE, 0, whole)),
                reply("a simple reply", (peer, request) -> {
                    peer.simple(request.cookie(), 0);
                    peer.out.write(whole);
                }),
                reply("a simple error", (peer, request) -> peer.simple(request.cookie(), NbdErrors.EIO)),
                reply("too little data", (peer, request) -> peer.data(request.cookie(), DONE, 0, half)),
                reply("no data", (peer, request) -> peer.chunk(request.cookie(), DONE, 0, 0)),
                reply("data of no length", (peer, request) -> peer.data(request.cookie(), DONE, 0, new byte[0])),
                reply("data shorter than its offset", (peer, request) -> peer.chunk(request.cookie(), DONE, 1, 7)),
                reply("too much data", (peer, request) -> peer.data(request.cookie(), DONE, 0, new byte[BITE + 1])),
                reply("4 GiB of data", (peer, request) -> {
                    peer.chunk(request.cookie(), DONE, 1, -1);
                    peer.out.writeLong(0);
                }),
                reply("data past the end", (peer, request) -> peer.data(request.cookie(), DONE, BITE, half)),
                reply("data before the start", (peer, request) -> peer.data(request.cookie(), DONE, -1, half)),
                reply("data twice", (peer, request) -> {
                    peer.data(request.cookie(), 0, 0, half);
                    peer.data(request.cookie(), 0, BITE / 2 - 1, half);
                }),
                reply("data over a hole", (peer, request) -> {
                    peer.hole(request.cookie(), 0, 100, 100);
                    peer.data(request.cookie(), 0, 0, half);
                }),
                reply("a hole of no length", (peer, request) -> peer.hole(request.cookie(), DONE, 0, 0)),
                reply("a hole past the end", (peer, request) -> peer.hole(request.cookie(), DONE, 0, BITE + 1)),
                reply("a hole of 4 GiB", (peer, request) -> peer.hole(request.cookie(), DONE, 0, -1)),
                reply("a long hole chunk", (peer, request) -> peer.chunk(request.cookie(), DONE, 2, 13)),
                reply("an end with data", (peer, request) -> peer.chunk(request.cookie(), DONE, 0, 4)),
                reply("an end that is none", (peer, request) -> peer.chunk(request.cookie(), 0, 0, 0)),
                reply("an unknown type", (peer, request) -> peer.chunk(request.cookie(), DONE, 99, 0)),
                reply("a block status", (peer, request) -> peer.status(request.cookie(), DONE, 7, BITE, 0)),
                reply("a short error", (peer, request) -> peer.chunk(request.cookie(), DONE, 0x8001, 5)),
                reply("a long error", (peer, request) -> peer.chunk(request.cookie(), DONE, 0x8001, 1 << 20)),
                reply("error 0", (peer, request) -> peer.error(request.cookie(), DONE, 0, "well")),
                reply("an error with more words than bytes", (peer, request) -> {
                    peer.chunk(request.cookie(), DONE, 0x8001, 8);
                    peer.out.writeInt(5);
                    peer.out.writeShort(100);
                    peer.out.write(new byte[100]);
                }),
                reply("an error elsewhere", (peer, request) -> {
                    peer.chunk(request.cookie(), DONE, 0x8002, 14);
                    peer.out.writeInt(5);
                    peer.out.writeShort(0);
                    peer.out.writeLong(BITE);
                }),
                reply("endless errors", (peer, request) -> {
                    for (int i = 0; i < 3000; i++) {
                        peer.error(request.cookie(), 0, NbdErrors.EIO, "again");
                    }
                }),
                Arguments.of(
                        "a structured reply that was not agreed on",
                        NbdErrors.PROTOCOL_BROKEN,
                        good(false, (peer, request) -> peer.data(request.cookie(), DONE, 0, whole))),
                Arguments.of("a short simple reply", ErrorCode.TRANSIENT_IO_ERROR, good(false, (peer, request) -> {
                    peer.simple(request.cookie(), 0);
                    peer.out.write(half);
                })),
                Arguments.of("half a chunk", ErrorCode.TRANSIENT_IO_ERROR, good(true, (peer, request) -> {
                    peer.chunk(request.cookie(), DONE, 1, 8 + BITE);
                    peer.out.writeLong(0);
                    peer.out.write(half);
                })),
                Arguments.of("half-open", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.negotiate(SIZE, 0, true);
                    peer.drain();
                }),
                Arguments.of("silence in a chunk", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.negotiate(SIZE, 0, true);
                    peer.chunk(peer.request().cookie(), DONE, 1, 8 + BITE);
                    peer.out.writeLong(0);
                    peer.send();
                    peer.drain();
                }),
                Arguments.of("a trickle", ErrorCode.TRANSIENT_IO_ERROR, (Script) peer -> {
                    peer.negotiate(SIZE, 0, true);
                    peer.chunk(peer.request().cookie(), DONE, 1, 8 + BITE);
                    peer.out.writeLong(0);
                    peer.send();
                    while (true) {
                        peer.out.writeByte(0);
                        peer.send();
                        LockSupport.parkNanos(20_000_000);
                    }
                }));
    }

    static Stream<Arguments> statuses() {
        return Stream.of(
                reply("simple", (peer, request) -> peer.simple(request.cookie(), 0)),
                reply("nothing", (peer, request) -> peer.chunk(request.cookie(), DONE, 0, 0)),
                reply("one context of two", (peer, request) -> peer.status(request.cookie(), DONE, 7, SIZE, 0)),
                reply("a context twice", (peer, request) -> {
                    peer.status(request.cookie(), 0, 7, SIZE, 0);
                    peer.status(request.cookie(), DONE, 7, SIZE, 0);
                }),
                reply("an unknown context", (peer, request) -> peer.status(request.cookie(), DONE, 8, SIZE, 0)),
                reply("no runs", (peer, request) -> peer.status(request.cookie(), DONE, 7)),
                reply("half a run", (peer, request) -> peer.status(request.cookie(), DONE, 7, SIZE, 0, 1)),
                reply("an empty run", (peer, request) -> peer.status(request.cookie(), DONE, 7, 0, 0)),
                reply("past the end", (peer, request) -> peer.status(request.cookie(), DONE, 7, SIZE + 1, 0)),
                reply("4 GiB", (peer, request) -> peer.status(request.cookie(), DONE, 7, -1, 0)),
                reply("a run behind the end", (peer, request) -> peer.status(request.cookie(), 0, 7, SIZE, 0, 1, 0)),
                reply("data", (peer, request) -> peer.data(request.cookie(), DONE, 0, new byte[SIZE])),
                reply("a long chunk", (peer, request) -> peer.chunk(request.cookie(), DONE, 5, 1 << 30)),
                Arguments.of("crumbs", NbdErrors.PROTOCOL_BROKEN, (Script) peer -> {
                    peer.negotiate(1L << 40, 0, true);
                    while (true) {
                        Request request = peer.request();
                        peer.status(request.cookie(), 0, 7, 1, (int) (request.offset() & 1));
                        peer.status(request.cookie(), DONE, 9, 1, 0);
                        peer.send();
                    }
                }));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("handshakes")
    void inTheHandshake(String name, ErrorCode code, Script script) throws IOException {
        fails(name, code, script, connection -> {});
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("replies")
    void inAnAnswerToARead(String name, ErrorCode code, Script script) throws IOException {
        fails(name, code, script, connection -> Bytes.read(connection, 0, BITE));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("statuses")
    void inBlockStatus(String name, ErrorCode code, Script script) throws IOException {
        fails(name, code, script, connection -> {
            NbdStatusCursor cursor = connection.status(0, connection.export().size());
            while (cursor.next()) {
                assertThat(cursor.length()).isPositive();
            }
        });
    }

    private static NbdOptions optionsFor(ErrorCode code) {
        return code.equals(ErrorCode.TRANSIENT_IO_ERROR) ? IMPATIENT : PATIENT;
    }

    private interface Use {
        void of(NbdConnection connection);
    }

    private void fails(String name, ErrorCode code, Script script, Use use) throws IOException {
        int files = Resources.openFiles();
        long start = System.nanoTime();
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), script)) {
            long before = Resources.allocated();
            GenieVmException failure = Failing.with(code, () -> {
                try (NbdConnection connection = NbdConnection.open(server.address(), optionsFor(code))) {
                    try {
                        use.of(connection);
                    } finally {
                        assertThat(connection.pendingRequests()).isZero();
                    }
                }
            });
            assertThat(failure.resource().name()).isEqualTo(server.address().toString());
            // The crumbs are many requests, one after another.
            assertThat(Resources.allocated() - before).isLessThan(name.equals("crumbs") ? 512 << 20 : 8 << 20);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(30));
        assertThat(Resources.openFiles()).isLessThanOrEqualTo(files);
    }

    @Test
    void anErrorThatTheProtocolDoesNotKnowFailsOnlyItsRequest() throws IOException {
        Script script = peer -> {
            peer.negotiate(SIZE, 0, true);
            Request first = peer.request();
            peer.chunk(first.cookie(), DONE, 0x8000 + 77, 6 + 3 + 5);
            peer.out.writeInt(1234);
            peer.out.writeShort(3);
            peer.out.write("o\ny".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            peer.out.write(new byte[5]);
            Request second;
            peer.send();
            second = peer.request();
            peer.hole(second.cookie(), DONE, 0, BITE);
            peer.send();
            peer.drain();
        };
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), script);
                NbdConnection connection = NbdConnection.open(server.address(), PATIENT)) {
            assertThat(Failing.with(ErrorCode.IO_ERROR, () -> Bytes.read(connection, 0, BITE)))
                    .hasMessageContaining("\"o y\"");
            assertThat(Bytes.read(connection, 0, BITE)).containsOnly(0);
        }
    }

    @Test
    void aLastExtentThatTellsOfMoreIsCut() throws IOException {
        Script script = peer -> {
            peer.negotiate(SIZE, 0, true);
            Request request = peer.request();
            peer.status(request.cookie(), 0, 9, 1000, 1, SIZE - 1000, 0);
            peer.status(request.cookie(), DONE, 7, SIZE, 0);
            peer.send();
            peer.drain();
        };
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), script);
                NbdConnection connection = NbdConnection.open(server.address(), PATIENT)) {
            NbdStatusCursor cursor = connection.status(0, 5000);
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.length()).isEqualTo(1000);
            assertThat(cursor.flags(1)).isEqualTo(1);
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.length()).isEqualTo(4000);
            assertThat(cursor.next()).isFalse();
        }
    }

    private void failsTls(ErrorCode code, OptionScript script) throws IOException {
        Script whole = peer -> {
            peer.greet(FIXED);
            int option = peer.option();
            assertThat(option).isEqualTo(NbdProtocol.OPTION_STARTTLS);
            script.run(peer, option);
            peer.send();
            peer.drain();
        };
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), whole)) {
            NbdOptions options = optionsFor(code).withTls(NbdTls.ofJvm());
            Failing.with(code, () -> NbdConnection.open(server.address().withTls("localhost"), options));
        }
    }

    @Test
    void clearTextBehindTheConsentToTlsIsRefused() throws IOException {
        failsTls(NbdErrors.PROTOCOL_BROKEN, (peer, option) -> {
            peer.reply(option, ACK);
            peer.reply(NbdProtocol.OPTION_STRUCTURED_REPLY, ACK);
        });
    }

    @Test
    void tlsThatIsRefusedIsNotDoneWithout() throws IOException {
        failsTls(ErrorCode.ACCESS_DENIED, (peer, option) -> {
            peer.reply(option, NbdProtocol.REPLY_ERROR_POLICY);
            peer.send();
            // Not one byte more in clear text.
            assertThat(peer.in.read()).isEqualTo(-1);
        });
    }

    @Test
    void tlsThatIsNoneIsRefused() throws IOException {
        failsTls(ErrorCode.ACCESS_DENIED, (peer, option) -> {
            peer.reply(option, ACK);
            peer.send();
            assertThat(peer.in.read()).isEqualTo(22);
            peer.out.write(new byte[100]);
        });
    }

    @Test
    void aServerThatKeepsSilentInsteadOfTlsIsGivenUp() throws IOException {
        failsTls(ErrorCode.TRANSIENT_IO_ERROR, (peer, option) -> peer.reply(option, ACK));
    }

    @Test
    void aServerWithoutFixedNewstyleHasNoTls() throws IOException {
        Script script = peer -> {
            peer.greet(0);
            assertThat(peer.in.read()).isEqualTo(-1);
        };
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), script)) {
            Failing.with(
                    ErrorCode.ACCESS_DENIED,
                    () -> NbdConnection.open(server.address().withTls("localhost"), PATIENT));
        }
    }
}
