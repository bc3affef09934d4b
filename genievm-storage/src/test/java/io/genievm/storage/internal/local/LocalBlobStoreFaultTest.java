package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.storage.internal.file.Failing;
import io.genievm.testkit.fault.CrashFileSystem;
import io.genievm.testkit.fault.CrashFileSystem.Call;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a store in a folder makes of failures of the file system. */
class LocalBlobStoreFaultTest {
    private static final Faults NOTHING = (call, path) -> {};
    private static final String NO_SPACE = "No space left on device";

    private final CrashFileSystem disk = CrashFileSystem.create(1);
    private final Path directory = disk.root();
    private final Path root = directory.resolve("store");
    private BlobStore store;

    @BeforeEach
    void createStore() {
        store = LocalBlobStoreProvider.create(root);
        store.put("a/there", content(10));
    }

    @AfterEach
    void closeStore() {
        disk.removeHook();
        store.close();
    }

    // ---- put: what fails, and what is left then

    @Test
    void aFullDiskLeavesNothingBehind() throws IOException {
        for (Call operation : List.of(Call.CREATE, Call.WRITE, Call.FORCE, Call.LINK)) {
            inject(failing(operation, staged().or(named("new")), NO_SPACE));

            GenieVmException failure = Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/c/new", content(10)));

            assertThat(failure)
                    .as("%s", operation)
                    .hasMessageContaining(NO_SPACE)
                    .hasMessageContaining("b/c/new");
            assertOnlyOldObjects();
        }
    }

    @Test
    void aFullQuotaAndAFullDiskForFoldersAreNoSpaceAsWell() throws IOException {
        inject(failing(Call.WRITE, staged(), "Disk quota exceeded"));
        Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/new", content(10)));
        inject(failing(Call.CREATE_FOLDER, any(), NO_SPACE));
        Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/new", content(10)));
        assertOnlyOldObjects();
    }

    @Test
    void aFullDiskIsRecognisedWhereItsWordsAreTranslated() {
        disk.capacity(4 << 20);
        inject(failing(Call.WRITE, any(), "Auf dem Ger\u00e4t ist kein Speicherplatz mehr verf\u00fcgbar"));
        Failing.with(ErrorCode.NO_SPACE, () -> store.put("large", content(5 << 20)));
        Failing.with(ErrorCode.IO_ERROR, () -> store.put("small", content(1)));
    }

    @Test
    void aDiskThatIsFullAtAnyByteTakesNoHalfObjectAndGetsItsRoomBack() throws IOException {
        disk.shortTransfers(true);
        long used = 10;
        for (int room = 0; room < 40; room++) {
            disk.capacity(used + room);
            Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/new", content(40)));
            assertOnlyOldObjects();
        }
        disk.capacity(used + 40);
        assertThat(store.put("b/new", content(40))).isEqualTo(PutOutcome.CREATED);
        assertThat(store.getAll("b/new", 40)).hasSize(40);
    }

    @Test
    void refusedPermissionIsAccessDenied() throws IOException {
        inject((operation, path) -> {
            if (operation == Call.CREATE) {
                throw new AccessDeniedException(path.toString());
            }
        });
        Failing.with(ErrorCode.ACCESS_DENIED, () -> store.put("new", content(10)));
        inject(failing(Call.CREATE, any(), "Read-only file system"));
        Failing.with(ErrorCode.ACCESS_DENIED, () -> store.put("new", content(10)));
        assertOnlyOldObjects();
    }

    @Test
    void aFailedFsyncIsFinal() throws IOException {
        List<String> log = new ArrayList<>();
        inject(logging(log, failing(Call.FORCE, staged(), "Input/output error")));

        Failing.with(ErrorCode.IO_ERROR, () -> store.put("new", content(10)));

        assertThat(log.stream().filter(line -> line.startsWith("FORCE"))).hasSize(1);
        assertThat(log).noneMatch(line -> line.startsWith("LINK"));
        assertOnlyOldObjects();
    }

    @Test
    void afterTheLinkNothingMayClaimThatTheObjectIsNotThere() {
        inject((operation, path) -> {
            if (operation == Call.FORCE && Files.isDirectory(path)) {
                throw new FileSystemException(path.toString(), null, NO_SPACE);
            }
        });

        Failing.with(ErrorCode.IO_ERROR, () -> store.put("b/new", content(10)));

        assertThat(directory.resolve("store/b/new")).exists();
        assertThat(staged().list()).isEmpty();
    }

    @Test
    void aFailureToTidyUpIsToldWithTheFirstFailure() {
        inject((operation, path) -> {
            if (operation == Call.WRITE || operation == Call.DELETE && staged().matches(path)) {
                throw new FileSystemException(path.toString(), null, "broken at " + operation);
            }
        });

        GenieVmException failure = Failing.with(ErrorCode.IO_ERROR, () -> store.put("new", content(10)));

        assertThat(failure).hasMessageContaining("broken at WRITE");
        assertThat(failure.getSuppressed())
                .singleElement()
                .satisfies(suppressed -> assertThat(suppressed).hasMessageContaining("broken at DELETE"));
    }

    @Test
    void aTemporaryFileThatSomebodyRemovedFailsThePut() throws IOException {
        inject((operation, path) -> {
            if (operation == Call.LINK) {
                for (Path file : staged().list()) {
                    Files.delete(file);
                }
            }
        });

        assertThat(Failing.with(ErrorCode.IO_ERROR, () -> store.put("new", content(10))))
                .hasMessageContaining("temporary file");
        assertOnlyOldObjects();
    }

    // ---- put: order

    @Test
    void theContentIsDurableBeforeTheNameAndTheNameBeforeTheAnswer() {
        List<String> log = new ArrayList<>();
        inject(logging(log, NOTHING));

        store.put("b/c/new", content(10));

        List<String> steps = log.stream()
                .filter(line -> line.matches("(WRITE|FORCE|LINK|LINKED|DELETE) .*"))
                .map(line -> line.replaceAll("/[.]tmp/.*", "/temporary"))
                .toList();
        assertThat(steps)
                .containsExactly(
                        "WRITE /temporary",
                        "FORCE /temporary",
                        "LINK /b/c/new",
                        "LINKED /b/c/new",
                        "FORCE /temporary",
                        "FORCE /b/c",
                        "FORCE /b",
                        "FORCE ",
                        "DELETE /temporary");
    }

    @Test
    void theNameOfAnotherPutIsMadeDurableBeforeItIsSaidToExist() {
        List<String> log = new ArrayList<>();
        inject(logging(log, NOTHING));

        assertThat(store.put("a/there", content(3))).isEqualTo(PutOutcome.EXISTS);

        assertThat(log).containsSubsequence("LINK /a/there", "FORCE /a/there", "FORCE /a", "FORCE ");
    }

    @Test
    void aLinkWhoseAnswerWasLostIsRecognised() {
        inject((operation, path) -> {
            if (operation == Call.LINKED) {
                throw new FileAlreadyExistsException(path.toString());
            }
        });

        assertThat(store.put("b/new", content(10))).isEqualTo(PutOutcome.CREATED);
        assertThat(store.put("b/new", content(10))).isEqualTo(PutOutcome.EXISTS);
    }

    @Test
    void aFolderThatVanishesAgainAndAgainIsMadeAgain() {
        int[] left = {50};
        inject((operation, path) -> {
            if (operation == Call.LINK && left[0]-- > 0) {
                Files.delete(path.getParent());
            }
        });

        assertThat(store.put("b/c/new", content(10))).isEqualTo(PutOutcome.CREATED);
        assertThat(store.getAll("b/c/new", 10)).hasSize(10);
    }

    // ---- hard links

    @Test
    void withoutHardLinksAPutIsUnsupported() throws IOException {
        for (String reason :
                List.of("Operation not permitted", "Operation not supported", "Invalid cross-device link")) {
            inject(failing(Call.LINK, any(), reason));
            assertThat(Failing.with(ErrorCode.UNSUPPORTED, () -> store.put("b/new", content(10))))
                    .hasMessageContaining("hard links")
                    .hasMessageContaining(reason)
                    .hasMessageContaining(root.toString());
            assertOnlyOldObjects();
        }
    }

    @Test
    void withoutHardLinksNothingIsCreated() {
        Path missing = directory.resolve("not/there");
        inject((operation, path) -> {
            if (operation == Call.LINK) {
                throw new UnsupportedOperationException();
            }
        });

        assertThat(Failing.with(ErrorCode.UNSUPPORTED, () -> LocalBlobStoreProvider.create(missing)))
                .hasMessageContaining("hard links")
                .hasMessageContaining(missing.toString());

        assertThat(directory.resolve("not")).doesNotExist();
    }

    @Test
    void aPlaceWhoseLinksReplaceFilesIsUnsupported() throws IOException {
        Path place = Files.createDirectory(directory.resolve("place"));
        inject((operation, path) -> {
            if (operation == Call.LINK) {
                Files.deleteIfExists(path);
            }
        });

        Failing.with(ErrorCode.UNSUPPORTED, () -> LocalBlobStoreProvider.create(place));

        assertThat(directory.resolve("place")).isEmptyDirectory();
    }

    @Test
    void aFailedCreationLeavesThePlaceAsItWas() {
        for (Call operation : List.of(Call.CREATE, Call.WRITE, Call.FORCE)) {
            Path place = directory.resolve("x/y");
            inject(failing(operation, any(), NO_SPACE));

            Failing.with(ErrorCode.NO_SPACE, () -> LocalBlobStoreProvider.create(place));

            assertThat(directory.resolve("x"))
                    .as("after a full disk at %s", operation)
                    .doesNotExist();
        }
    }

    // ---- the other operations

    @Test
    void aDeleteIsDurableBeforeItAnswers() {
        List<String> log = new ArrayList<>();
        inject(logging(log, NOTHING));

        store.delete("a/there");

        assertThat(log).containsSubsequence("DELETE /a/there", "FORCE /a");
    }

    @Test
    void aDeleteThatCouldNotBeMadeDurableFailsAndIsMadeDurableByTheNext() {
        inject((operation, path) -> {
            if (operation == Call.FORCE) {
                throw new FileSystemException(path.toString(), null, "Input/output error");
            }
        });
        Failing.with(ErrorCode.IO_ERROR, () -> store.delete("a/there"));
        List<String> log = new ArrayList<>();
        inject(logging(log, NOTHING));

        store.delete("a/there");

        assertThat(log).contains("FORCE /a");
    }

    @Test
    void aListingThatCanNotReadAFolderFails() {
        store.put("b/c/x", content(1));
        inject((operation, path) -> {
            if (operation == Call.LIST && path.endsWith("c")) {
                throw new AccessDeniedException(path.toString());
            }
        });
        try (BlobCursor cursor = store.list("")) {
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.entry()).isEqualTo(new BlobEntry("a/there", 10));
            assertThat(Failing.with(ErrorCode.ACCESS_DENIED, cursor::next)).hasMessageContaining("b/c");
        }
        Failing.with(ErrorCode.ACCESS_DENIED, () -> store.list("b/c/"));
    }

    @Test
    void aListingGoesOnPastWhatVanishes() {
        store.put("b/c", content(1));
        store.put("d", content(1));
        inject((operation, path) -> {
            boolean gone =
                    operation == Call.LIST && path.endsWith("b") || operation == Call.LOOK && path.endsWith("there");
            if (gone) {
                throw new NoSuchFileException(path.toString());
            }
        });
        try (BlobCursor cursor = store.list("")) {
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.entry().key()).isEqualTo("d");
            assertThat(cursor.next()).isFalse();
        }
    }

    @Test
    void readsThatFailSayWhy() {
        Map.of("Input/output error", ErrorCode.IO_ERROR, "Operation not permitted", ErrorCode.ACCESS_DENIED)
                .forEach((reason, code) -> {
                    inject(failing(Call.READ, any(), reason));
                    assertThat(Failing.with(code, () -> store.get("a/there", 0, ByteBuffer.allocate(1))))
                            .hasMessageContaining(reason);
                    inject(failing(Call.LOOK, any(), reason));
                    Failing.with(code, () -> store.stat("a/there"));
                });
    }

    /** What goes wrong: looked at before every call. */
    private interface Faults {
        void at(Call call, Path path) throws IOException;
    }

    private void inject(Faults faults) {
        disk.hook(event -> faults.at(event.call(), event.path()));
    }

    private void assertOnlyOldObjects() throws IOException {
        disk.removeHook();
        assertThat(staged().list()).isEmpty();
        try (Stream<Path> entries = Files.walk(directory.resolve("store"))) {
            assertThat(entries.map(
                            path -> directory.resolve("store").relativize(path).toString()))
                    .filteredOn(path -> !path.startsWith(".tmp"))
                    .containsExactlyInAnyOrder("", "a", "a/there");
        }
    }

    /** Writes down what is done, with paths from the root on. */
    private Faults logging(List<String> log, Faults faults) {
        return (operation, path) -> {
            log.add(operation + " " + path.toString().substring(root.toString().length()));
            faults.at(operation, path);
        };
    }

    private static Faults failing(Call operation, Paths paths, String reason) {
        return (at, path) -> {
            if (at == operation && paths.matches(path)) {
                throw new FileSystemException(path.toString(), null, reason);
            }
        };
    }

    private static BlobContent content(int length) {
        return BlobContent.of(new byte[length]);
    }

    private interface Paths {
        boolean matches(Path path);

        default Paths or(Paths other) {
            return path -> matches(path) || other.matches(path);
        }
    }

    private static Paths any() {
        return path -> true;
    }

    private static Paths named(String name) {
        return path -> path.endsWith(name);
    }

    private Staged staged() {
        return new Staged(directory.resolve("store/.tmp"));
    }

    /** The temporary files of puts. */
    private record Staged(Path folder) implements Paths {
        @Override
        public boolean matches(Path path) {
            return path.startsWith(folder) && !path.endsWith("lock") && !Files.isDirectory(path);
        }

        List<Path> list() {
            try (Stream<Path> files = Files.walk(folder)) {
                return files.filter(this::matches).toList();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }
}
