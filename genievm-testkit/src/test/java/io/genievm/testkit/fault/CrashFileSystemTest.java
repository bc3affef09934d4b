package io.genievm.testkit.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The states that a crash file system gives after a power cut: each that may be, and none that may not. */
class CrashFileSystemTest {
    private static final int SEEDS = 600;

    private final CrashFileSystem disk = CrashFileSystem.create(1);
    private final Path root = disk.root();

    // ---- what is in a file

    @Test
    void whatWasForcedIsThere() throws IOException {
        write("a", bytes(1, 10_000), true);
        force(root);

        assertThat(states(left -> summary(left, "a"))).containsExactly("1".repeat(10));
    }

    @Test
    void whatWasNotForcedIsThereByBlocksOrTornOrNot() throws IOException {
        write("a", bytes(1, 10_000), false);
        force(root);

        Set<String> states = states(left -> summary(left, "a"));

        // Nothing, zeroes alone, the first block alone, the last one alone, all.
        assertThat(states).contains("", "0".repeat(10), "1111000000", "0000000011", "1".repeat(10));
        assertThat(states).as("torn in the middle of a block").anyMatch(state -> state.contains("1?00"));
        assertThat(states).as("short").anyMatch(state -> state.length() == 5);
        assertThat(states).as("as nothing else").allMatch(state -> state.matches("[01?]{0,10}"));
    }

    @Test
    void whatWasOverwrittenIsOldOrNewAndTheRestStays() throws IOException {
        write("a", bytes(1, 12_288), true);
        force(root);
        try (FileChannel file = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(bytes(2, 8192)), 0);
            file.write(ByteBuffer.wrap(bytes(3, 8192)), 0);
        }

        Set<String> states = states(left -> summary(left, "a"));

        // Writes that were not forced come in any order.
        assertThat(states).contains("111111111111", "222222221111", "333333331111", "222233331111", "333322221111");
        assertThat(states).allMatch(state -> state.length() == 12 && state.endsWith("1111"));
    }

    @Test
    void whatWasCutIsThereOrNot() throws IOException {
        write("a", bytes(1, 8192), true);
        force(root);
        try (FileChannel file = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE)) {
            file.truncate(2048);
        }

        assertThat(states(left -> summary(left, "a")))
                .contains("11", "11111111")
                .noneMatch(String::isEmpty);
    }

    @Test
    void aForceThatFailedIsNeverMadeUpFor() throws IOException {
        write("a", new byte[0], true);
        force(root);
        try (FileChannel file = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(bytes(1, 4096)));
            failOnce(CrashFileSystem.Call.FORCE);
            assertThatThrownBy(() -> file.force(true)).hasMessage("failed");
            file.write(ByteBuffer.wrap(bytes(2, 4096)));
            file.force(true);
        }

        assertThat(summary(disk, "a")).as("as long as the power is on").isEqualTo("11112222");
        assertThat(states(left -> summary(left, "a")))
                .contains("00002222", "11112222")
                .allMatch(state -> state.length() == 8 && state.endsWith("2222"));
    }

    // ---- names

    @Test
    void eachNameIsThereOrNotUntilItsFolderIsForced() throws IOException {
        Files.createDirectory(root.resolve("d"));
        write("d/a", bytes(1, 1), true);
        write("d/b", bytes(1, 1), true);
        write("c", bytes(1, 1), true);

        assertThat(states(CrashFileSystemTest::tree)).contains("", "c", "d", "c d", "d d/a", "d d/b", "c d d/a d/b");

        force(root.resolve("d"));
        assertThat(states(CrashFileSystemTest::tree))
                .as("what is in it, but not its own name")
                .containsExactlyInAnyOrder("", "c", "d d/a d/b", "c d d/a d/b");

        force(root);
        assertThat(states(CrashFileSystemTest::tree)).containsExactly("c d d/a d/b");
    }

    @Test
    void aNameIsAsAnyChangeLeftItSinceItsFolderWasForced() throws IOException {
        write("a", bytes(1, 1024), true);
        force(root);
        Files.delete(root.resolve("a"));
        write("a", bytes(2, 1024), true);
        Files.delete(root.resolve("a"));
        write("b", bytes(3, 1024), true);
        Files.createLink(root.resolve("a"), root.resolve("b"));

        assertThat(states(left -> summary(left, "a"))).containsExactlyInAnyOrder("1", "none", "2", "3");

        force(root);
        assertThat(states(left -> summary(left, "a") + summary(left, "b"))).containsExactly("33");
    }

    @Test
    void whatWasDeletedAndForcedStaysAway() throws IOException {
        write("a", bytes(1, 1024), true);
        force(root);
        Files.delete(root.resolve("a"));
        assertThat(states(left -> summary(left, "a"))).containsExactlyInAnyOrder("1", "none");
        force(root);

        assertThat(states(left -> summary(left, "a"))).containsExactly("none");
    }

    @Test
    void whatIsMovedIsNeverLost() throws IOException {
        Files.createDirectory(root.resolve("d"));
        write("a", bytes(1, 1024), true);
        write("d/b", bytes(2, 1024), true);
        force(root.resolve("d"));
        force(root);
        Files.move(root.resolve("a"), root.resolve("d/b"), StandardCopyOption.ATOMIC_MOVE);

        assertThat(states(left -> summary(left, "a") + " " + summary(left, "d/b")))
                .containsExactlyInAnyOrder("1 2", "1 1", "none 1");

        // Where it went is durable when it is durable that it is gone.
        force(root);
        assertThat(states(left -> summary(left, "a") + " " + summary(left, "d/b")))
                .containsExactly("none 1");
    }

    @Test
    void aFolderThatIsMovedIsInOnePlace() throws IOException {
        Files.createDirectories(root.resolve("a/x"));
        Files.createDirectories(root.resolve("b"));
        force(root.resolve("a"));
        force(root);
        Files.move(root.resolve("a"), root.resolve("c"));
        assertThat(states(CrashFileSystemTest::tree)).containsExactlyInAnyOrder("a a/x b", "b c c/x");

        Files.move(root.resolve("b"), root.resolve("c/b"));
        assertThat(states(CrashFileSystemTest::tree)).containsExactly("c c/b c/x");
    }

    @Test
    void whereFoldersCanNotBeForcedFilesAre() throws IOException {
        disk.ignoreFolderForce(true);
        Files.createDirectory(root.resolve("d"));
        write("d/a", bytes(1, 1024), true);
        write("d/b", bytes(1, 1024), false);
        force(root.resolve("d"));
        force(root);

        assertThat(states(CrashFileSystemTest::tree)).containsExactlyInAnyOrder("d d/a", "d d/a d/b");
    }

    @Test
    void hardLinksAreOneFile() throws IOException {
        write("a", bytes(1, 1024), true);
        Files.createLink(root.resolve("b"), root.resolve("a"));
        force(root);
        try (FileChannel file = FileChannel.open(root.resolve("b"), StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(bytes(2, 1024)));
        }

        assertThat(states(left -> {
                    assertThat(Files.isSameFile(
                                    left.root().resolve("a"), left.root().resolve("b")))
                            .isTrue();
                    return summary(left, "a") + summary(left, "b");
                }))
                .contains("11", "22")
                .allMatch(state -> state.charAt(0) == state.charAt(1));
    }

    // ---- moments and seeds

    @Test
    void aMomentAndASeedAlwaysGiveTheSame() throws IOException {
        write("a", bytes(1, 20_000), false);
        write("b", bytes(2, 20_000), false);
        for (int moment = 0; moment <= disk.moment(); moment++) {
            for (int seed = 0; seed < 20; seed++) {
                assertThat(whole(disk.crash(moment, seed))).isEqualTo(whole(disk.crash(moment, seed)));
            }
        }
        assertThatThrownBy(() -> disk.crash(disk.moment() + 1, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThat(disk.crash(2, 7)).hasToString("crash file system with seed 1, crashed at moment 2 with seed 7");
    }

    @Test
    void aMomentKnowsNothingOfWhatCameLater() throws IOException {
        write("a", bytes(1, 1024), true);
        force(root);
        int moment = disk.moment();
        Files.delete(root.resolve("a"));
        force(root);
        write("b", bytes(2, 1024), true);
        force(root);

        for (int seed = 0; seed < SEEDS; seed++) {
            assertThat(tree(disk.crash(moment, seed))).isEqualTo("a");
        }
        assertThat(tree(disk)).as("the disk that goes on").isEqualTo("b");
    }

    @Test
    void whatIsLeftIsDurableAndCanBeCutOffAgain() throws IOException {
        write("a", bytes(1, 20_000), false);
        write("b", bytes(1, 1024), true);
        for (int seed = 0; seed < SEEDS; seed++) {
            CrashFileSystem left = disk.crash(disk.moment(), seed);
            String before = whole(left);
            assertThat(left.moment()).isZero();
            Files.write(left.root().resolve("c"), bytes(1, 10));
            assertThat(whole(left.crash(0, seed))).isEqualTo(before);
            assertThat(whole(left.crash(left.moment(), seed))).startsWith(before.isEmpty() ? "" : before.split(" ")[0]);
        }
    }

    // ---- live

    @Test
    void theDiskIsFullAtAnyByteAndGetsItsRoomBack() throws IOException {
        write("a", bytes(1, 100), true);
        for (int room = 0; room < 50; room++) {
            disk.capacity(100 + room);
            try (FileChannel file = create("b")) {
                ByteBuffer source = ByteBuffer.wrap(bytes(1, 50));
                assertThatThrownBy(() -> {
                            while (source.hasRemaining()) {
                                file.write(source);
                            }
                        })
                        .isInstanceOf(IOException.class)
                        .hasMessage("No space left on device");
                assertThat(file.size()).isEqualTo(room);
                assertThat(Files.getFileStore(root).getUsableSpace()).isZero();
                Files.delete(root.resolve("b"));
                assertThat(Files.getFileStore(root).getUsableSpace())
                        .as("a file that is open")
                        .isZero();
            }
            assertThat(Files.getFileStore(root).getUsableSpace()).isEqualTo(room);
        }
    }

    @Test
    void readsAndWritesMayBeShort() throws IOException {
        disk.shortTransfers(true);
        int writes = 0;
        int reads = 0;
        byte[] bytes = bytes(1, 1000);
        for (int i = 0; i < 50; i++) {
            try (FileChannel file =
                    FileChannel.open(root.resolve("a"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                for (ByteBuffer source = ByteBuffer.wrap(bytes); source.hasRemaining(); writes++) {
                    assertThat(file.write(source)).isPositive();
                }
            }
            ByteBuffer target = ByteBuffer.allocate(1000);
            try (FileChannel file = FileChannel.open(root.resolve("a"))) {
                for (; target.hasRemaining(); reads++) {
                    assertThat(file.read(target, target.position())).isPositive();
                }
            }
            assertThat(target.array()).isEqualTo(bytes);
        }
        assertThat(writes).isGreaterThan(60);
        assertThat(reads).isGreaterThan(60);
    }

    @Test
    void theHookIsAskedBeforeACallAndMayFailIt() throws IOException {
        write("a", bytes(1, 10), true);
        for (CrashFileSystem.Call call : CrashFileSystem.Call.values()) {
            String before = whole(disk);
            failOnce(call);
            assertThatThrownBy(this::everyCall).as("%s", call).hasMessage("failed");
            disk.removeHook();
            if (call == CrashFileSystem.Call.LINKED) {
                assertThat(root.resolve("linked")).exists();
                Files.delete(root.resolve("linked"));
            }
            Files.deleteIfExists(root.resolve("new"));
            Files.deleteIfExists(root.resolve("folder"));
            Files.deleteIfExists(root.resolve("linked"));
            assertThat(whole(disk)).as("after %s", call).isEqualTo(before);
        }
        everyCall();
    }

    private void everyCall() throws IOException {
        Files.readAllBytes(root.resolve("a"));
        Files.readAttributes(root.resolve("a"), BasicFileAttributes.class);
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(root)) {
            assertThat(entries).isNotEmpty();
        }
        Files.createDirectory(root.resolve("folder"));
        Files.delete(root.resolve("folder"));
        Files.createLink(root.resolve("linked"), root.resolve("a"));
        Files.move(root.resolve("linked"), root.resolve("new"));
        Files.delete(root.resolve("new"));
        try (FileChannel file = create("new")) {
            file.write(ByteBuffer.allocate(1));
            file.force(true);
        }
        Files.delete(root.resolve("new"));
    }

    @Test
    void namesAreAsInAnyFileSystem() throws IOException {
        write("a", bytes(1, 10), true);
        Files.createDirectories(root.resolve("d/e"));

        assertThatThrownBy(() -> create("a").close()).isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> Files.createLink(root.resolve("d/e"), root.resolve("a")))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> Files.createDirectory(root.resolve("a")))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> Files.move(root.resolve("a"), root.resolve("d")))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> Files.move(root.resolve("d"), root.resolve("d/e/f")))
                .isInstanceOf(FileSystemException.class);
        assertThatThrownBy(() -> Files.delete(root.resolve("d"))).isInstanceOf(DirectoryNotEmptyException.class);
        assertThatThrownBy(() -> Files.delete(root.resolve("x"))).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> create("x/y").close()).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> create("a/y").close())
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Not a directory");
        assertThatThrownBy(() -> Files.newDirectoryStream(root.resolve("a"))).isInstanceOf(NotDirectoryException.class);
        assertThatThrownBy(() -> Files.write(root.resolve("d"), new byte[1]))
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Is a directory");
        assertThat(Files.exists(root.resolve("a/y"))).isFalse();
        assertThat(root.resolve("d/../d/./e").normalize()).isEqualTo(disk.getPath("/", "d", "e"));
        assertThat(root.resolve("d").relativize(root.resolve("a"))).hasToString("../a");
        assertThat(root.resolve("d/e").getParent()).isEqualTo(root.resolve("d")).endsWith(disk.getPath("d"));
        assertThat(root.getParent()).isNull();
    }

    @Test
    void channelsAreAsInAnyFileSystem() throws IOException {
        write("a", "0123456789".getBytes(java.nio.charset.StandardCharsets.US_ASCII), true);
        try (FileChannel file = FileChannel.open(root.resolve("a"), StandardOpenOption.APPEND)) {
            file.write(ByteBuffer.wrap(new byte[] {'x'}));
            assertThat(file.position()).isEqualTo(11);
        }
        FileChannel reading = FileChannel.open(root.resolve("a"));
        ByteBuffer target = ByteBuffer.allocate(4);
        assertThat(reading.read(target, 8)).isEqualTo(3);
        assertThat(new String(target.array(), 0, 3, java.nio.charset.StandardCharsets.US_ASCII))
                .isEqualTo("89x");
        assertThat(reading.read(target, 11)).isEqualTo(-1);
        assertThat(reading.position()).isZero();
        assertThatThrownBy(() -> reading.write(ByteBuffer.allocate(1))).isInstanceOf(NonWritableChannelException.class);
        reading.close();
        assertThatThrownBy(() -> reading.read(target)).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(reading::size).isInstanceOf(ClosedChannelException.class);
        try (FileChannel folder = FileChannel.open(root)) {
            assertThatThrownBy(() -> folder.read(ByteBuffer.allocate(1))).hasMessageContaining("Is a directory");
        }
    }

    @Test
    void locksKeepOthersOutUntilTheyEnd() throws IOException {
        write("a", bytes(1, 10), true);
        force(root);
        try (FileChannel one = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE);
                FileChannel other = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE)) {
            FileLock lock = one.lock();
            assertThatThrownBy(other::tryLock).isInstanceOf(OverlappingFileLockException.class);
            lock.release();
            assertThat(lock.isValid()).isFalse();
            assertThat(other.tryLock().isValid()).isTrue();
            try (FileChannel after =
                    FileChannel.open(disk.crash(disk.moment(), 1).root().resolve("a"), StandardOpenOption.WRITE)) {
                assertThat(after.tryLock()).as("after a power cut").isNotNull();
            }
        }
        try (FileChannel one = FileChannel.open(root.resolve("a"), StandardOpenOption.WRITE)) {
            assertThat(one.tryLock()).as("locks of closed channels").isNotNull();
        }
    }

    // ---- helpers

    private interface Look {
        String at(CrashFileSystem left) throws IOException;
    }

    /** What many power cuts of now leave. */
    private Set<String> states(Look look) throws IOException {
        Set<String> states = new TreeSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            states.add(look.at(disk.crash(disk.moment(), seed)));
        }
        return states;
    }

    /** One character for each KiB of a file: what all its bytes are, or a question mark. */
    private static String summary(CrashFileSystem of, String name) throws IOException {
        Path path = of.root().resolve(name);
        if (!Files.exists(path)) {
            return "none";
        }
        byte[] content = Files.readAllBytes(path);
        StringBuilder text = new StringBuilder();
        for (int at = 0; at < content.length; at += 1024) {
            byte first = content[at];
            int end = Math.min(content.length, at + 1024);
            boolean same = Arrays.equals(Arrays.copyOfRange(content, at, end), bytes(first, end - at));
            text.append(same ? (char) ('0' + first) : '?');
        }
        return text.toString();
    }

    private static String tree(CrashFileSystem of) throws IOException {
        try (Stream<Path> paths = Files.walk(of.root())) {
            return paths.map(path -> of.root().relativize(path).toString())
                    .filter(path -> !path.isEmpty())
                    .sorted()
                    .collect(Collectors.joining(" "));
        }
    }

    private static String whole(CrashFileSystem of) throws IOException {
        StringBuilder text = new StringBuilder();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(of.root())) {
            for (Path path : new TreeSet<>(Set.copyOf(list(entries)))) {
                text.append(path)
                        .append('=')
                        .append(Arrays.hashCode(Files.readAllBytes(path)))
                        .append(' ');
            }
        }
        return text.toString();
    }

    private static Set<Path> list(DirectoryStream<Path> entries) {
        Set<Path> paths = new TreeSet<>();
        entries.forEach(paths::add);
        return paths;
    }

    private static byte[] bytes(int value, int length) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private FileChannel create(String name) throws IOException {
        return FileChannel.open(root.resolve(name), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    private void write(String name, byte[] content, boolean force) throws IOException {
        try (FileChannel file = create(name)) {
            file.write(ByteBuffer.wrap(content));
            if (force) {
                file.force(true);
            }
        }
    }

    private static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path)) {
            channel.force(true);
        }
    }

    private void failOnce(CrashFileSystem.Call call) {
        disk.hook(event -> {
            if (event.call() == call) {
                disk.removeHook();
                throw new IOException("failed");
            }
        });
    }
}
