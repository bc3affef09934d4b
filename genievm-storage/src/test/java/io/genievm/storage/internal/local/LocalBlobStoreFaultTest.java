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
import io.genievm.storage.internal.file.Faults;
import io.genievm.storage.internal.file.Faults.Operation;
import io.genievm.storage.internal.file.FaultyFileSystem;
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
import org.junit.jupiter.api.io.TempDir;

/** What a store in a folder makes of failures of the file system. */
class LocalBlobStoreFaultTest {
    private static final String NO_SPACE = "No space left on device";

    @TempDir
    private Path directory;

    private Path root;
    private BlobStore store;

    @BeforeEach
    void createStore() {
        root = FaultyFileSystem.over(directory.resolve("store"));
        store = LocalBlobStoreProvider.create(root);
        store.put("a/there", content(10));
    }

    @AfterEach
    void closeStore() {
        inject(Faults.NONE);
        store.close();
    }

    // ---- put: what fails, and what is left then

    @Test
    void aFullDiskLeavesNothingBehind() throws IOException {
        for (Operation operation : List.of(Operation.CREATE, Operation.WRITE, Operation.FORCE, Operation.LINK)) {
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
        inject(failing(Operation.WRITE, staged(), "Disk quota exceeded"));
        Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/new", content(10)));
        inject(failing(Operation.CREATE_FOLDER, any(), NO_SPACE));
        Failing.with(ErrorCode.NO_SPACE, () -> store.put("b/new", content(10)));
        assertOnlyOldObjects();
    }

    @Test
    void refusedPermissionIsAccessDenied() throws IOException {
        inject((operation, path) -> {
            if (operation == Operation.CREATE) {
                throw new AccessDeniedException(path.toString());
            }
        });
        Failing.with(ErrorCode.ACCESS_DENIED, () -> store.put("new", content(10)));
        inject(failing(Operation.CREATE, any(), "Read-only file system"));
        Failing.with(ErrorCode.ACCESS_DENIED, () -> store.put("new", content(10)));
        assertOnlyOldObjects();
    }

    @Test
    void aFailedFsyncIsFinal() throws IOException {
        List<String> log = new ArrayList<>();
        inject(logging(log, failing(Operation.FORCE, staged(), "Input/output error")));

        Failing.with(ErrorCode.IO_ERROR, () -> store.put("new", content(10)));

        assertThat(log.stream().filter(line -> line.startsWith("FORCE"))).hasSize(1);
        assertThat(log).noneMatch(line -> line.startsWith("LINK"));
        assertOnlyOldObjects();
    }

    @Test
    void afterTheLinkNothingMayClaimThatTheObjectIsNotThere() {
        inject((operation, path) -> {
            if (operation == Operation.FORCE && Files.isDirectory(path)) {
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
            if (operation == Operation.WRITE || operation == Operation.DELETE && staged().matches(path)) {
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
            if (operation == Operation.LINK) {
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
        inject(logging(log, Faults.NONE));

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
        inject(logging(log, Faults.NONE));

        assertThat(store.put("a/there", content(3))).isEqualTo(PutOutcome.EXISTS);

        assertThat(log).containsSubsequence("LINK /a/there", "FORCE /a", "FORCE ");
    }

    @Test
    void aLinkWhoseAnswerWasLostIsRecognised() {
        inject((operation, path) -> {
            if (operation == Operation.LINKED) {
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
            if (operation == Operation.LINK && left[0]-- > 0) {
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
            inject(failing(Operation.LINK, any(), reason));
            assertThat(Failing.with(ErrorCode.UNSUPPORTED, () -> store.put("b/new", content(10))))
                    .hasMessageContaining("hard links")
                    .hasMessageContaining(reason)
                    .hasMessageContaining(root.toString());
            assertOnlyOldObjects();
        }
    }

    @Test
    void withoutHardLinksNothingIsCreated() {
        Path existing = FaultyFileSystem.over(directory);
        Path missing = existing.resolve("not/there");
        FaultyFileSystem.inject(existing, (operation, path) -> {
            if (operation == Operation.LINK) {
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
        Path place = FaultyFileSystem.over(Files.createDirectory(directory.resolve("place")));
        FaultyFileSystem.inject(place, (operation, path) -> {
            if (operation == Operation.LINK) {
                Files.deleteIfExists(path);
            }
        });

        Failing.with(ErrorCode.UNSUPPORTED, () -> LocalBlobStoreProvider.create(place));

        assertThat(directory.resolve("place")).isEmptyDirectory();
    }

    @Test
    void aFailedCreationLeavesThePlaceAsItWas() {
        for (Operation operation : List.of(Operation.CREATE, Operation.WRITE, Operation.FORCE)) {
            Path place = FaultyFileSystem.over(directory).resolve("x/y");
            FaultyFileSystem.inject(place, failing(operation, any(), NO_SPACE));

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
        inject(logging(log, Faults.NONE));

        store.delete("a/there");

        assertThat(log).containsSubsequence("DELETE /a/there", "FORCE /a");
    }

    @Test
    void aDeleteThatCouldNotBeMadeDurableFailsAndIsMadeDurableByTheNext() {
        inject((operation, path) -> {
            if (operation == Operation.FORCE) {
                throw new FileSystemException(path.toString(), null, "Input/output error");
            }
        });
        Failing.with(ErrorCode.IO_ERROR, () -> store.delete("a/there"));
        List<String> log = new ArrayList<>();
        inject(logging(log, Faults.NONE));

        store.delete("a/there");

        assertThat(log).contains("FORCE /a");
    }

    @Test
    void aListingThatCanNotReadAFolderFails() {
        store.put("b/c/x", content(1));
        inject((operation, path) -> {
            if (operation == Operation.LIST && path.endsWith("c")) {
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
            boolean gone = operation == Operation.LIST && path.endsWith("b")
                    || operation == Operation.LOOK && path.endsWith("there");
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
                    inject(failing(Operation.READ, any(), reason));
                    assertThat(Failing.with(code, () -> store.get("a/there", 0, ByteBuffer.allocate(1))))
                            .hasMessageContaining(reason);
                    inject(failing(Operation.LOOK, any(), reason));
                    Failing.with(code, () -> store.stat("a/there"));
                });
    }

    private void inject(Faults faults) {
        FaultyFileSystem.inject(root, faults);
    }

    private void assertOnlyOldObjects() throws IOException {
        inject(Faults.NONE);
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

    private static Faults failing(Operation operation, Paths paths, String reason) {
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
