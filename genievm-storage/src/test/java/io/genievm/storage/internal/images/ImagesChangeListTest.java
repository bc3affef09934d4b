package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.storage.internal.file.Failing;
import io.genievm.storage.internal.file.Faults.Operation;
import io.genievm.storage.internal.file.FaultyFileSystem;
import io.genievm.testkit.ChildJvm;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a list of changes beside an image does to a backup. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class ImagesChangeListTest {
    private static final VmId WEB = new VmId("web");
    private static final DiskId ROOT = new DiskId("root.raw");
    private static final String FIRST = "{\"token\":\"T2\",\"since\":\"T1\"}\n";
    private static final ChangeToken T1 = new ChangeToken("T1");
    private static final ChangeToken T2 = new ChangeToken("T2");
    private static final int MANY = 1_000_000;

    @TempDir
    private Path directory;

    private Path vms;
    private Path image;
    private Path list;
    private HypervisorConnection connection;

    @BeforeEach
    void makeImage() throws IOException {
        vms = Files.createDirectory(directory.resolve("vms"));
        image = Files.createDirectory(vms.resolve("web")).resolve("root.raw");
        list = image.resolveSibling("root.raw.changes");
        Images.write(image, Images.random(200_000));
        connection = ImagesProvider.open(vms, Clock.systemUTC());
    }

    @AfterEach
    void close() {
        connection.close();
        assertThat(openFiles()).as("files left open").isEmpty();
    }

    // ---- tokens

    @Test
    void withoutAListThereIsNoToken() {
        try (VmSnapshot snapshot = begin()) {
            assertThat(disk(snapshot).token()).isEmpty();
            assertThat(snapshot.facts()).as("while nobody relied on a list").isEmpty();
            assertThat(unknown(disk(snapshot), T1, "NO_TRACKING"))
                    .contains(image.toString())
                    .contains("there is no " + list);
            assertLost(snapshot, "there is no ");
            disk(snapshot).confirmUnchanged();
        }
    }

    @Test
    void aListThatTellsTheChangesSinceTheParentIsBelieved() throws IOException {
        Files.writeString(list, FIRST + "{\"offset\":0,\"length\":512}\n{\"offset\":199999,\"length\":1}\n");
        try (VmSnapshot snapshot = begin()) {
            assertThat(disk(snapshot).token()).contains(T2);
            assertThat(extents(disk(snapshot))).containsExactly("0+512", "199999+1");
            assertThat(extents(disk(snapshot))).as("once more").containsExactly("0+512", "199999+1");
            disk(snapshot).confirmUnchanged();
            assertThat(snapshot.facts()).isEmpty();
        }
    }

    @Test
    void aListWithoutExtentsSaysThatNothingChanged() throws IOException {
        Files.writeString(list, FIRST);
        try (VmSnapshot snapshot = begin()) {
            assertThat(extents(disk(snapshot))).isEmpty();
        }
    }

    @Test
    void extentsThatBreakTheRulesArePassedOnForTheCoreToJudge() throws IOException {
        Files.writeString(
                list,
                FIRST + "{\"offset\":9,\"length\":0}\n{\"offset\":5,\"length\":9}\n{\"offset\":200000,\"length\":1}\n");
        try (VmSnapshot snapshot = begin()) {
            assertThat(extents(disk(snapshot))).containsExactly("9+0", "5+9", "200000+1");
            assertThat(snapshot.facts()).isEmpty();
        }
    }

    @Test
    void aFirstMarkHasATokenAndTellsNoChanges() throws IOException {
        Files.writeString(list, "{\"token\":\"T2\"}\nnot looked at\n");
        try (VmSnapshot snapshot = begin()) {
            assertThat(disk(snapshot).token()).contains(T2);
            assertThat(snapshot.facts()).isEmpty();
            assertThat(unknown(disk(snapshot), T1, "FIRST_MARK")).contains(list.toString());
            assertLost(snapshot, "has no \"since\"");
        }
    }

    @Test
    void changesSinceAnotherMomentAreOfNoUse() throws IOException {
        Files.writeString(list, FIRST);
        try (VmSnapshot snapshot = begin()) {
            assertThat(unknown(disk(snapshot), T2, "TOKEN_UNKNOWN")).contains("since 'T1', not since 'T2'");
            assertLost(snapshot, "not since 'T2'");
            assertThat(unknown(disk(snapshot), new ChangeToken("x".repeat(4096)), "TOKEN_UNKNOWN"))
                    .hasSizeLessThan(1000);
        }
    }

    @Test
    void theListOfAnExcludedDiskIsNotLookedAt() throws Exception {
        shell("mkfifo root.raw.changes");
        SnapshotRequest request = request().excludedDisks(Set.of(ROOT)).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(WEB, request)) {
            assertThat(snapshot.disks()).isEmpty();
            assertThat(snapshot.facts()).noneMatch(fact -> fact.code().equals(DriverFact.TRACKING_LOST));
        }
    }

    // ---- lists that are of no use

    @Test
    void aBadFirstLineIsLostTracking() throws IOException {
        for (String bad : new String[] {"", "\n", "hello", "{\"token\":\"T2\",\"since\":\"T2\"}\n", "{}\n" + FIRST}) {
            Files.writeString(list, bad);
            try (VmSnapshot snapshot = begin()) {
                assertThat(disk(snapshot).token()).as(bad).isEmpty();
                assertThat(unknown(disk(snapshot), T1, "TRACKING_LOST"))
                        .contains(list.toString())
                        .contains("line 1: ")
                        .contains("the first line is {");
                assertLost(snapshot, "line 1: ");
            }
        }
    }

    @Test
    void aBadLineFurtherDownEndsTheListForGood() throws IOException {
        String extent = "{\"offset\":0,\"length\":512}\n";
        Files.writeString(list, FIRST + extent + "{\"offset\":1024}\n" + extent);
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = disk(snapshot);
            assertThat(disk.token()).as("the mark of the moment").contains(T2);
            assertThat(snapshot.facts()).isEmpty();
            for (int i = 0; i < 2; i++) {
                try (ExtentCursor cursor = known(disk)) {
                    assertThat(cursor.next()).isTrue();

                    GenieVmException failure = Failing.with(ErrorCode.IO_ERROR, cursor::next);

                    assertThat(failure)
                            .hasMessageContaining(list.toString())
                            .hasMessageContaining("line 3: no \"length\"")
                            .hasMessageContaining("every line but the first is {");
                    assertThat(failure.resource().disk()).isEqualTo(ROOT);
                    Failing.with(ErrorCode.IO_ERROR, cursor::next);
                    assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
                }
                assertLost(snapshot, "line 3: ");
            }
            disk.confirmUnchanged();
        }
    }

    @Test
    void whatIsNoFileIsLostTrackingAndNeverOpened() throws Exception {
        for (String command : new String[] {
            "mkfifo root.raw.changes",
            "mkdir root.raw.changes",
            "mkfifo pipe; ln -s pipe root.raw.changes",
            "mkdir folder; ln -s folder root.raw.changes"
        }) {
            shell(command);
            try (VmSnapshot snapshot = begin()) {
                assertThat(disk(snapshot).token()).as(command).isEmpty();
                assertThat(unknown(disk(snapshot), T1, "TRACKING_LOST")).contains(list.toString());
                assertLost(snapshot, command.contains("fifo") ? "it is not a file" : "it is a folder");
                disk(snapshot).confirmUnchanged();
            }
            Files.delete(list);
        }
    }

    @Test
    void aListThatCanNotBeReadIsLostTracking() throws IOException {
        Files.writeString(list, FIRST);
        Path elsewhere = FaultyFileSystem.over(vms);
        FaultyFileSystem.inject(elsewhere, (operation, path) -> {
            if (operation == Operation.OPEN && path.equals(list)) {
                throw new AccessDeniedException(path.toString());
            }
        });
        try (HypervisorConnection other = ImagesProvider.open(elsewhere, Clock.systemUTC());
                VmSnapshot snapshot = begin(other)) {
            assertThat(disk(snapshot).token()).isEmpty();
            assertThat(unknown(disk(snapshot), T1, "TRACKING_LOST")).contains("permission denied");
            assertLost(snapshot, "permission denied");
            disk(snapshot).confirmUnchanged();
        }
    }

    @Test
    void aListThatCanNotBeLookedAtIsLostTracking() throws IOException {
        Path elsewhere = FaultyFileSystem.over(vms);
        FaultyFileSystem.inject(elsewhere, (operation, path) -> {
            if (operation == Operation.LOOK && path.equals(list)) {
                throw new IOException("Input/output error");
            }
        });
        try (HypervisorConnection other = ImagesProvider.open(elsewhere, Clock.systemUTC());
                VmSnapshot snapshot = begin(other)) {
            assertThat(disk(snapshot).token()).isEmpty();
            assertThat(unknown(disk(snapshot), T1, "TRACKING_LOST")).contains("Input/output error");
            assertLost(snapshot, "Input/output error");
        }
    }

    @Test
    void aListThatCanNotBeReadAnyMoreIsLostTracking() throws IOException {
        Files.writeString(list, FIRST + "{\"offset\":0,\"length\":1}\n".repeat(10_000));
        for (Operation failing : new Operation[] {Operation.OPEN, Operation.READ}) {
            Path elsewhere = FaultyFileSystem.over(vms);
            try (HypervisorConnection other = ImagesProvider.open(elsewhere, Clock.systemUTC());
                    VmSnapshot snapshot = begin(other);
                    ExtentCursor cursor = known(disk(snapshot))) {
                FaultyFileSystem.inject(elsewhere, (operation, path) -> {
                    if (operation == failing && path.equals(list)) {
                        throw new IOException("Input/output error");
                    }
                });
                if (failing == Operation.OPEN) {
                    assertThat(unknown(disk(snapshot), T1, "TRACKING_LOST")).contains("Input/output error");
                } else {
                    assertThat(Failing.with(ErrorCode.IO_ERROR, () -> drain(cursor)))
                            .hasMessageContaining("Input/output error");
                    Failing.with(ErrorCode.IO_ERROR, () -> disk(snapshot).changesSince(T1));
                }
                assertThat(disk(snapshot).token()).contains(T2);
                assertLost(snapshot, "Input/output error");
            }
        }
    }

    @Test
    void anImageWhoseListCouldHaveNoNameIsNotTracked() throws IOException {
        Images.write(image.resolveSibling("x".repeat(250)), Images.random(10));
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(1);
            assertThat(disk.id().value()).hasSize(250);
            assertThat(snapshot.facts()).isEmpty();
            assertThat(unknown(disk, T1, "NO_TRACKING")).contains("too long");
            disk.confirmUnchanged();
        }
    }

    // ---- where a list lies

    @Test
    void aListMayBeALinkThatStaysInside() throws IOException {
        Path lists = Files.createDirectory(vms.resolve("lists"));
        Path real = Files.writeString(lists.resolve("of-root"), FIRST);
        Files.createSymbolicLink(list, Path.of("../lists/of-root"));
        try (VmSnapshot snapshot = begin()) {
            assertThat(disk(snapshot).token()).contains(T2);
            assertThat(extents(disk(snapshot))).isEmpty();
            disk(snapshot).confirmUnchanged();

            Files.writeString(real, "{\"offset\":0,\"length\":1}\n", StandardOpenOption.APPEND);
            assertThat(changed(disk(snapshot))).contains(list.toString());
        }
        try (VmSnapshot snapshot = begin()) {
            Files.copy(real, lists.resolve("copy"), StandardCopyOption.COPY_ATTRIBUTES);
            Files.delete(list);
            Files.createSymbolicLink(list, Path.of("../lists/copy"));
            assertThat(changed(disk(snapshot))).contains("another file is there");
        }
    }

    @Test
    void aListThatIsALinkOutOfTheFolderIsIgnoredAndSaidSo() throws IOException {
        Path outside = Files.writeString(directory.resolve("outside"), FIRST);
        for (Path target : List.of(outside, Path.of("nowhere"))) {
            Files.createSymbolicLink(list, target);
            try (VmSnapshot snapshot = begin()) {
                assertThat(disk(snapshot).token()).isEmpty();
                assertThat(snapshot.facts()).singleElement().satisfies(fact -> {
                    assertThat(fact.code()).isEqualTo(DriverFact.FILE_IGNORED);
                    assertThat(fact.message()).contains(list.toString()).contains("it is a link that lea");
                });
                unknown(disk(snapshot), T1, "NO_TRACKING");
                assertLost(snapshot, "are not tracked");
                disk(snapshot).confirmUnchanged();
            }
            Files.delete(list);
        }
    }

    @Test
    void theListOfAnImageThatIsALinkLiesBesideTheLink() throws IOException {
        Path other = Files.createDirectory(vms.resolve("store"));
        Files.move(image, other.resolve("real.raw"));
        Files.createSymbolicLink(image, Path.of("../store/real.raw"));
        Files.writeString(other.resolve("real.raw.changes"), "{\"token\":\"not this\"}");
        Files.writeString(list, FIRST);
        try (VmSnapshot snapshot = begin()) {
            assertThat(disk(snapshot).token()).contains(T2);
        }
    }

    @Test
    void theListOfALoneImageLiesBesideItAsItWasNamed() throws IOException {
        Path folder = Files.createDirectory(directory.resolve("elsewhere"));
        Path link = Files.createSymbolicLink(folder.resolve("current"), image);
        Files.writeString(list, FIRST);
        Files.writeString(folder.resolve("current.changes"), "{\"token\":\"of the link\"}");
        try (HypervisorConnection lone = ImagesProvider.open(image, Clock.systemUTC());
                VmSnapshot snapshot = begin(lone, "root.raw")) {
            assertThat(disk(snapshot).token()).contains(T2);
            assertThat(extents(disk(snapshot))).isEmpty();
        }
        try (HypervisorConnection lone = ImagesProvider.open(link, Clock.systemUTC());
                VmSnapshot snapshot = begin(lone, "current")) {
            assertThat(disk(snapshot).token()).contains(new ChangeToken("of the link"));
        }
        Files.delete(folder.resolve("current.changes"));
        Files.createSymbolicLink(folder.resolve("current.changes"), list);
        try (HypervisorConnection lone = ImagesProvider.open(link, Clock.systemUTC());
                VmSnapshot snapshot = begin(lone, "current")) {
            assertThat(disk(snapshot).token()).isEmpty();
            assertThat(snapshot.facts()).extracting(DriverFact::code).containsExactly(DriverFact.FILE_IGNORED);
            assertThat(lone.describe(new VmId("current")).facts()).isEmpty();
        }
    }

    // ---- lists that change meanwhile

    @Test
    void aListThatChangedIsAChangedSource() throws IOException {
        interface Change {
            void run() throws IOException;
        }
        List<Change> changes = List.of(
                () -> Files.writeString(list, "{\"offset\":0,\"length\":1}\n", StandardOpenOption.APPEND),
                () -> Files.writeString(list, FIRST),
                () -> replace(list, Files.readString(list)),
                () -> Files.delete(list),
                () -> {
                    Files.delete(list);
                    Files.createDirectory(list);
                },
                () -> {
                    Files.move(list, directory.resolve("moved"), StandardCopyOption.REPLACE_EXISTING);
                    Files.createSymbolicLink(list, directory.resolve("moved"));
                });
        for (Change change : changes) {
            Files.deleteIfExists(list);
            Files.writeString(list, FIRST);
            try (VmSnapshot snapshot = begin()) {
                disk(snapshot).confirmUnchanged();
                change.run();
                assertThat(changed(disk(snapshot))).startsWith(list + " changed while " + image + " was read: ");
                Failing.with(ErrorCode.SOURCE_CHANGED, () -> disk(snapshot).changesSince(T1));
                assertThat(snapshot.facts()).isEmpty();
            }
        }
    }

    @Test
    void aListThatAppearsIsAChangedSource() throws IOException {
        try (VmSnapshot snapshot = begin()) {
            Files.writeString(list, FIRST);
            assertThat(changed(disk(snapshot))).contains("it was not there before");
        }
    }

    @Test
    void aListThatIsMendedIsAChangedSource() throws IOException {
        Files.writeString(list, "{\"tok");
        try (VmSnapshot snapshot = begin()) {
            Files.writeString(list, FIRST);
            changed(disk(snapshot));
        }
    }

    @Test
    void aListWrittenAMomentAgoIsLookedAtAgainATickLater() throws IOException {
        for (int i = 0; i < 20; i++) {
            Files.writeString(list, FIRST);
            try (VmSnapshot snapshot = begin()) {
                Files.writeString(list, FIRST);
                changed(disk(snapshot));
            }
        }
        // The image is older than a tick, the list is not.
        Files.setLastModifiedTime(list, Files.getLastModifiedTime(image));
        Clock justAfter = Clock.fixed(lastChange(list).plusMillis(1), ZoneOffset.UTC);
        assertThat(looksAtList(justAfter)).isGreaterThan(looksAtList(Clock.offset(justAfter, Duration.ofSeconds(2))));
    }

    @Test
    void aListReplacedUnderAnOpenCursorIsAChangedSource() throws IOException {
        String lines = extentLines(20_000);
        Files.writeString(list, FIRST + lines);
        try (VmSnapshot snapshot = begin();
                ExtentCursor cursor = known(disk(snapshot))) {
            assertThat(cursor.next()).isTrue();
            replace(list, FIRST);
            for (int i = 1; i < 20_000; i++) {
                assertThat(cursor.next()).isTrue();
                assertThat(cursor.offset()).as("an extent of the old list").isEqualTo(2L * i);
            }
            assertThat(Failing.with(ErrorCode.SOURCE_CHANGED, cursor::next)).hasMessageContaining(list.toString());
            assertThat(snapshot.facts()).isEmpty();
            changed(disk(snapshot));
        }
    }

    @Test
    void aListRewrittenInPlaceUnderAnOpenCursorIsAChangedSource() throws IOException {
        String lines = extentLines(20_000);
        for (String other :
                List.of(FIRST, FIRST + "x".repeat(2_000_000), FIRST + "\n".repeat(2_000_000), FIRST + lines)) {
            Files.writeString(list, FIRST + lines);
            try (VmSnapshot snapshot = begin();
                    ExtentCursor cursor = known(disk(snapshot))) {
                assertThat(cursor.next()).isTrue();
                Files.writeString(list, other);
                Failing.with(ErrorCode.SOURCE_CHANGED, () -> drain(cursor));
                assertThat(snapshot.facts())
                        .as("a bad line of a list that is being written")
                        .isEmpty();
                changed(disk(snapshot));
            }
        }
    }

    // ---- cursors

    @Test
    void aCursorEndsWithItsSnapshotAndItsConnection() throws IOException {
        Files.writeString(list, FIRST + "{\"offset\":0,\"length\":1}\n".repeat(3));
        VmSnapshot snapshot = begin();
        SnapshotDisk disk = disk(snapshot);
        ExtentCursor one = known(disk);
        ExtentCursor other = known(disk);
        assertThat(one.next() && other.next()).isTrue();

        one.close();
        one.close();
        Failing.with(ErrorCode.CLOSED, one::next);
        assertThat(other.next()).isTrue();

        snapshot.close();
        Failing.with(ErrorCode.CLOSED, other::next);
        Failing.with(ErrorCode.CLOSED, () -> disk.changesSince(T1));
        other.close();

        ExtentCursor third = known(disk(begin()));
        connection.close();
        Failing.with(ErrorCode.CLOSED, third::next);
    }

    @Test
    void aCursorStandsOnAnExtentOnlyAfterNext() throws IOException {
        Files.writeString(list, FIRST + "{\"offset\":0,\"length\":1}\n");
        try (VmSnapshot snapshot = begin();
                ExtentCursor cursor = known(disk(snapshot))) {
            assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.length()).isEqualTo(1);
            assertThat(cursor.next()).isFalse();
            assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aListOfAMillionExtentsIsReadInASmallHeap() throws IOException {
        try (BufferedWriter lines = Files.newBufferedWriter(list)) {
            lines.write(FIRST);
            for (long i = 0; i < MANY; i++) {
                lines.write("{\"offset\":" + 131_072 * i + ",\"length\":65536}\n");
            }
        }
        try (ChildJvm child = ChildJvm.start(SmallHeap.class, List.of("-Xmx16m"), vms.toString())) {
            child.awaitLine("extents: " + MANY + ", last: " + 131_072L * (MANY - 1));
        }
    }

    /** Counts the extents of the first disk of the VM {@code web}. Arguments: the folder of VMs. */
    static final class SmallHeap {
        private SmallHeap() {}

        public static void main(String[] arguments) {
            try (HypervisorConnection connection = ImagesProvider.open(Path.of(arguments[0]), Clock.systemUTC());
                    VmSnapshot snapshot = begin(connection);
                    ExtentCursor cursor = known(disk(snapshot))) {
                int count = 0;
                long last = 0;
                while (cursor.next()) {
                    count++;
                    last = cursor.offset();
                }
                System.out.println("extents: " + count + ", last: " + last);
            }
        }
    }

    private VmSnapshot begin() {
        return begin(connection);
    }

    private static VmSnapshot begin(HypervisorConnection connection) {
        return begin(connection, WEB.value());
    }

    private static VmSnapshot begin(HypervisorConnection connection, String vm) {
        return connection.beginSnapshot(new VmId(vm), request().build());
    }

    private static SnapshotRequest.Builder request() {
        return SnapshotRequest.builder(new RepositoryId("0".repeat(32)), new SessionId("1".repeat(32)));
    }

    private static SnapshotDisk disk(VmSnapshot snapshot) {
        return snapshot.disks().get(0);
    }

    private static ExtentCursor known(SnapshotDisk disk) {
        return ((Changes.Known) disk.changesSince(new ChangeToken("T1"))).extents();
    }

    private static String unknown(SnapshotDisk disk, ChangeToken since, String reason) {
        Changes changes = disk.changesSince(since);
        assertThat(changes).isInstanceOf(Changes.Unknown.class);
        assertThat(((Changes.Unknown) changes).reason()).isEqualTo(reason);
        return ((Changes.Unknown) changes).message();
    }

    private static List<String> extents(SnapshotDisk disk) {
        try (ExtentCursor cursor = known(disk)) {
            return drain(cursor);
        }
    }

    private static List<String> drain(ExtentCursor cursor) {
        List<String> extents = new ArrayList<>();
        while (cursor.next()) {
            extents.add(cursor.offset() + "+" + cursor.length());
        }
        return extents;
    }

    private static String changed(SnapshotDisk disk) {
        GenieVmException failure = Failing.with(ErrorCode.SOURCE_CHANGED, disk::confirmUnchanged);
        assertThat(failure.resource().disk()).isEqualTo(disk.id());
        return failure.getMessage();
    }

    private void assertLost(VmSnapshot snapshot, String why) {
        assertThat(snapshot.facts())
                .filteredOn(fact -> fact.code().equals(DriverFact.TRACKING_LOST))
                .singleElement()
                .satisfies(fact -> {
                    assertThat(fact.disk()).isEqualTo(ROOT);
                    assertThat(fact.message()).contains("root.raw").contains(why);
                });
    }

    private static String extentLines(int count) {
        StringBuilder lines = new StringBuilder();
        IntStream.range(0, count).forEach(i -> lines.append("{\"offset\":" + 2 * i + ",\"length\":1}\n"));
        return lines.toString();
    }

    private static void replace(Path file, String text) throws IOException {
        Path other = Files.writeString(file.resolveSibling(".new"), text);
        Files.move(other, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Instant lastChange(Path file) throws IOException {
        return ((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant();
    }

    private int looksAtList(Clock clock) {
        AtomicInteger looks = new AtomicInteger();
        Path watched = FaultyFileSystem.over(vms);
        FaultyFileSystem.inject(watched, (operation, path) -> {
            if (operation == Operation.LOOK && path.equals(list)) {
                looks.incrementAndGet();
            }
        });
        try (HypervisorConnection other = ImagesProvider.open(watched, clock)) {
            begin(other).close();
            return looks.get();
        }
    }

    /** The files below the test's folder that this process has open. */
    private List<Path> openFiles() {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors
                    .flatMap(ImagesChangeListTest::target)
                    .filter(file -> file.startsWith(directory))
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static Stream<Path> target(Path descriptor) {
        try {
            return Stream.of(Files.readSymbolicLink(descriptor));
        } catch (IOException e) {
            return Stream.empty();
        }
    }

    private void shell(String command) throws Exception {
        assertThat(new ProcessBuilder("sh", "-c", command)
                        .directory(Objects.requireNonNull(image.getParent()).toFile())
                        .start()
                        .waitFor())
                .isZero();
    }
}
