package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.PutOutcome;
import io.genievm.storage.internal.file.Failing;
import io.genievm.testkit.ChildJvm;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a store in a folder does beyond the contract: how it looks on the disk. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class LocalBlobStoreTest {
    private final LocalBlobStoreProvider provider = new LocalBlobStoreProvider();

    @TempDir
    private Path directory;

    // ---- what is on the disk

    @Test
    void anObjectIsAFileUnderItsKeyThatOnlyItsOwnerCanRead() throws IOException {
        Path root = directory.resolve("a/b");
        try (BlobStore store = create(root)) {
            store.put("packs/00/x", content(100));

            assertThat(root.resolve("packs/00/x")).isRegularFile().hasSize(100);
            assertThat(mode(root.resolve("packs/00/x"))).isEqualTo("rw-------");
            assertThat(tree(root)).contains("packs", "packs/00", ".tmp");
        }
        for (Path folder : List.of(root, root.getParent(), root.resolve("packs"), root.resolve("packs/00"))) {
            assertThat(mode(folder)).as("mode of %s", folder).isEqualTo("rwx------");
        }
    }

    @Test
    void aFileThatIsBeingWrittenIsPrivateAsWell() throws IOException {
        try (BlobStore store = create(directory)) {
            store.put("x", new Watched(100, () -> {
                for (String path : tree(directory)) {
                    boolean folder = Files.isDirectory(directory.resolve(path));
                    assertThat(mode(directory.resolve(path))).as(path).isEqualTo(folder ? "rwx------" : "rw-------");
                }
            }));
        }
    }

    @Test
    void aClosedStoreLeavesObjectsOnly() throws IOException {
        try (BlobStore store = create(directory)) {
            store.put("a/b", content(1));
            store.put("a/b", content(1));
            store.put("c", content(1));
            store.delete("c");
        }

        assertThat(tree(directory)).containsExactly("a", "a/b");
    }

    @Test
    void foldersGoWithTheirLastObject() throws IOException {
        try (BlobStore store = create(directory)) {
            store.put("sessions/one/0", content(1));
            store.put("sessions/two/0", content(1));

            store.delete("sessions/one/0");
            assertThat(objectTree()).containsExactly("sessions", "sessions/two", "sessions/two/0");

            store.delete("sessions/two/0");
            assertThat(objectTree()).isEmpty();
        }
    }

    @Test
    void contentThatLiesAboutItsLengthIsRefused() throws IOException {
        try (BlobStore store = create(directory)) {
            for (int claimed : new int[] {99, 101}) {
                BlobContent lying = new Watched(100, () -> {}) {
                    @Override
                    public long length() {
                        return claimed;
                    }
                };
                assertThatThrownBy(() -> store.put("lie", lying))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("100")
                        .hasMessageContaining(Integer.toString(claimed));
            }
            assertThat(objectTree()).isEmpty();
            assertThat(stagedFiles()).isEmpty();
        }
    }

    @Test
    void whatIsNoObjectIsNeitherListedNorRead() throws Exception {
        try (BlobStore store = create(directory)) {
            store.put("real/object", content(3));
            Files.createSymbolicLink(directory.resolve("real/link"), Path.of("object"));
            Files.createSymbolicLink(directory.resolve("folder-link"), Path.of("real"));
            Files.writeString(directory.resolve("real/UPPER"), "x");
            Files.writeString(directory.resolve("real/.hidden"), "x");
            Files.createDirectories(directory.resolve("with space/x"));
            Files.createDirectories(directory.resolve("empty"));
            assertThat(new ProcessBuilder(
                                    "mkfifo", directory.resolve("real/pipe").toString())
                            .start()
                            .waitFor())
                    .isZero();

            assertThat(keys(store, "")).containsExactly("real/object");
            assertThat(keys(store, "folder-link/")).isEmpty();
            for (String key : List.of("real/link", "real/pipe", "empty")) {
                Failing.with(ErrorCode.NOT_FOUND, () -> store.get(key, 0, ByteBuffer.allocate(1)));
                assertThat(store.stat(key)).isEmpty();
                store.delete(key);
                assertThat(directory.resolve(key)).as("not deleted").exists();
                Failing.with(ErrorCode.IO_ERROR, () -> store.put(key, content(1)));
            }
            Failing.with(ErrorCode.IO_ERROR, () -> store.put("folder-link/x", content(1)));
            assertThat(stagedFiles()).isEmpty();
        }
    }

    @Test
    void aRootThatHasGoneIsNoEmptyListing() throws IOException {
        Path root = directory.resolve("root");
        try (BlobStore store = create(root)) {
            store.put("a/b", content(1));
            Files.move(root, directory.resolve("elsewhere"));

            Failing.with(ErrorCode.IO_ERROR, () -> keys(store, ""));
            Failing.with(ErrorCode.IO_ERROR, () -> keys(store, "a/"));
            Failing.with(ErrorCode.IO_ERROR, () -> store.put("c", content(1)));
        }
    }

    @Test
    void anInterruptedThreadFailsAndHarmsNoOther() throws Exception {
        try (BlobStore store = create(directory)) {
            store.put("a", content(1000));
            Thread.currentThread().interrupt();

            Failing.with(ErrorCode.IO_ERROR, () -> store.get("a", 0, ByteBuffer.allocate(1000)));
            Failing.with(ErrorCode.IO_ERROR, () -> store.put("b", content(1000)));

            assertThat(Thread.interrupted()).as("the interrupt is kept").isTrue();
            assertThat(store.getAll("a", 1000)).hasSize(1000);
            assertThat(keys(store, "")).containsExactly("a");
            assertThat(stagedFiles()).isEmpty();
        }
    }

    // ---- leftovers of other processes

    @Test
    void whatAKilledProcessLeftIsRemovedByTheNextPut() throws Exception {
        create(directory).close();
        try (ChildJvm child = startPutting()) {
            assertThat(stagedFiles()).as("the file of the living process").hasSize(1);
            try (BlobStore store = open()) {
                store.put("mine", content(1));
            }
            assertThat(child.isAlive()).isTrue();
            assertThat(stagedFiles()).as("the file of the living process").hasSize(1);
        }
        assertThat(stagedFiles()).as("the file of the killed process").hasSize(1);

        try (BlobStore store = open()) {
            assertThat(keys(store, "")).containsExactly("mine");
            assertThat(stagedFiles()).as("before the first put").hasSize(1);
            store.put("more", content(1));
            assertThat(stagedFiles()).as("after the first put").isEmpty();
        }
        assertThat(tree(directory)).containsExactly("mine", "more");
    }

    @Test
    void storesOfOneProcessLeaveEachOtherAlone() throws IOException {
        try (BlobStore first = create(directory)) {
            PutOutcome outcome = first.put("slow", new Watched(100, () -> {
                try (BlobStore second = open()) {
                    second.put("fast", content(1));
                }
                assertThat(stagedFiles()).hasSize(1);
            }));

            assertThat(outcome).isEqualTo(PutOutcome.CREATED);
        }
        assertThat(tree(directory)).containsExactly("fast", "slow");
    }

    @Test
    void aLeftoverWithoutLockIsRemoved() throws IOException {
        Files.createDirectories(directory.resolve(".tmp/died-before-its-lock"));
        try (BlobStore store = open()) {
            store.put("a", content(1));
        }
        assertThat(tree(directory)).containsExactly("a");
    }

    /** Puts an object and never comes to its end. Arguments: the folder. */
    static final class EndlessPut {
        private EndlessPut() {}

        public static void main(String[] arguments) {
            BlobStore store = LocalBlobStoreProvider.open(Path.of(arguments[0]));
            store.put("endless", new Watched(100_000, () -> {
                System.out.println("half");
                LockSupport.park();
            }));
        }
    }

    private ChildJvm startPutting() throws IOException {
        ChildJvm child = ChildJvm.start(EndlessPut.class, List.of(), directory.toString());
        child.awaitLine("half");
        return child;
    }

    // ---- create and open

    @Test
    void createsInAnEmptyFolderAndInOneThatIsAsGood() throws IOException {
        Files.createDirectory(directory.resolve("lost+found"));
        Files.createDirectories(directory.resolve(".tmp/of-a-creation-that-was-killed"));

        try (BlobStore store = create(directory)) {
            store.put("a", content(1));
        }

        assertThat(tree(directory)).containsExactly("a", "lost+found");
    }

    @Test
    void doesNotCreateWhereSomethingIs() throws IOException {
        Files.writeString(directory.resolve("thesis.txt"), "precious");

        assertThat(Failing.with(ErrorCode.ALREADY_EXISTS, () -> create(directory)))
                .hasMessageContaining(directory.toString())
                .hasMessageContaining("thesis.txt");
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> create(directory.resolve("thesis.txt")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> provider.open(config(directory.resolve("thesis.txt"))));

        assertThat(tree(directory)).containsExactly("thesis.txt");
    }

    @Test
    void doesNotCreateBelowAFileNorLeaveFolders() throws IOException {
        Files.writeString(directory.resolve("file"), "x");

        Failing.with(ErrorCode.IO_ERROR, () -> create(directory.resolve("file/store")));
        Failing.with(ErrorCode.NOT_FOUND, () -> provider.open(config(directory.resolve("file/store"))));

        assertThat(tree(directory)).containsExactly("file");
    }

    @Test
    void openingChangesNothing() throws IOException {
        assertThat(Failing.with(ErrorCode.NOT_FOUND, () -> provider.open(config(directory.resolve("missing")))))
                .hasMessageContaining(directory.resolve("missing").toString());
        Files.createDirectory(directory.resolve("object"));
        try (BlobStore store = open()) {
            assertThat(keys(store, "")).isEmpty();
            store.stat("a");
        }

        assertThat(tree(directory)).containsExactly("object");
    }

    @Test
    void takesAddressesWithAndWithoutScheme() throws IOException {
        create(directory.resolve("s")).close();

        for (String address : List.of(directory + "/s", "file:" + directory + "/s", "file://" + directory + "/s")) {
            try (BlobStore store = provider.open(BlobStoreConfig.of(address))) {
                store.put("k" + address.indexOf('/'), content(1));
            }
        }

        assertThat(tree(directory.resolve("s"))).containsExactly("k0", "k5");
    }

    @Test
    void refusesWhatIsNoPath() {
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> provider.open(BlobStoreConfig.of("file:")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> provider.open(BlobStoreConfig.of("a\0b")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> provider.open(BlobStoreConfig.of("s3://bucket")));
        Failing.with(
                ErrorCode.INVALID_ARGUMENT,
                () -> provider.create(BlobStoreConfig.of(directory.toString(), Map.of("secret", "hidden"))));
    }

    private BlobStore create(Path root) {
        return provider.create(config(root));
    }

    private BlobStore open() {
        return provider.open(config(directory));
    }

    private static BlobStoreConfig config(Path root) {
        return BlobStoreConfig.of(root.toString());
    }

    private static BlobContent content(int length) {
        return BlobContent.of(new byte[length]);
    }

    private List<String> objectTree() throws IOException {
        return tree(directory).stream().filter(path -> !path.startsWith(".tmp")).toList();
    }

    /** The files in any staging folder but the locks. */
    private List<String> stagedFiles() throws IOException {
        return tree(directory).stream()
                .filter(path -> path.startsWith(".tmp/"))
                .filter(path -> Files.isRegularFile(directory.resolve(path)) && !path.endsWith("/lock"))
                .toList();
    }

    private static List<String> tree(Path root) throws IOException {
        try (Stream<Path> paths = Files.walk(root)) {
            return paths.filter(path -> !path.equals(root))
                    .map(path -> root.relativize(path).toString())
                    .sorted()
                    .toList();
        }
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    }

    private static List<String> keys(BlobStore store, String prefix) {
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = store.list(prefix)) {
            while (cursor.next()) {
                BlobEntry entry = cursor.entry();
                keys.add(entry.key());
            }
        }
        return keys;
    }

    /** Zeroes, with something that is done when half of them are written. */
    private static class Watched implements BlobContent {
        interface Action {
            void run() throws IOException;
        }

        private final byte[] bytes;
        private final Action halfWay;

        Watched(int length, Action halfWay) {
            this.bytes = new byte[length];
            this.halfWay = halfWay;
        }

        @Override
        public long length() {
            return bytes.length;
        }

        @Override
        public InputStream open() {
            return new ByteArrayInputStream(bytes);
        }

        @Override
        public void writeTo(WritableByteChannel channel) throws IOException {
            int half = bytes.length / 2;
            channel.write(ByteBuffer.wrap(bytes, 0, half));
            halfWay.run();
            channel.write(ByteBuffer.wrap(bytes, half, bytes.length - half));
        }
    }
}
