package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.Damage;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.testkit.ChildJvm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A process that is killed at any moment of a backup, a restore or a deletion harms no point, and the next one goes on by
 * itself. The moments are spread evenly over the time that the whole takes, and over the calls of the store; of the backups
 * every fifth is killed in its commit, between the last pack and the answer to the put of the witness, and another fifth
 * while bytes are copied, which is over in a moment here. What had ended before it was killed is looked at as well, does
 * not count, and is drawn again.
 */
@Tag("torture")
class KillTest {
    private static final int KILLS = 1000;
    private static final int KILLS_PER_REPOSITORY = 50;

    /** How long each call of the store waits, three times. */
    private static final long CALL_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

    private static final long LONGEST_COPY_NANOS = TimeUnit.MILLISECONDS.toNanos(25);

    /** From the first index table on: begins and ends of the calls of a commit. */
    private static final int CALLS_OF_COMMIT = 14;

    /** Of so many kills at most one comes too late: else the moments are not those that were meant. */
    private static final int LATE = 20;

    private static final int DISK_BYTES = 3_000_000;
    private static final List<DiskId> DISKS = List.of(new DiskId("root.raw"), new DiskId("data.raw"));

    /** What is done when the kill comes, and how often among ten. */
    private enum Kind {
        BACKUP(5),
        RESTORE(2),
        CREATE(1),
        DELETE(2);

        private final int share;

        Kind(int share) {
            this.share = share;
        }
    }

    /** By what a moment is chosen: both spread evenly, as a young JVM spends most of its time before the first call. */
    private enum Aim {
        TIME,
        CALL,
        COPY,
        COMMIT
    }

    @TempDir
    private Path folder;

    private final long seed = Long.getLong("genievm.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final Map<Kind, Long> lengths = new EnumMap<>(Kind.class);
    private final Map<Kind, Long> calls = new EnumMap<>(Kind.class);
    private final Map<Kind, Integer> turns = new EnumMap<>(Kind.class);
    private final Map<Kind, Map<String, Integer>> histogram = new EnumMap<>(Kind.class);
    private final Map<String, Integer> left = new TreeMap<>();
    private int committedUnheard;
    private int late;

    @Test
    void atEveryMoment() throws Exception {
        int kills = Math.toIntExact(Torture.scaled(KILLS));
        List<Kind> kinds = kinds(kills);
        int done = 0;
        try {
            for (int place = 0; done < kills; place++) {
                int end = Math.min(kills, done + KILLS_PER_REPOSITORY);
                try (Scene scene = new Scene(Files.createDirectory(folder.resolve("scene-" + place)))) {
                    if (place == 0) {
                        scene.measure();
                    }
                    while (done < end) {
                        if (scene.kill(kinds.get(done), countOf(kinds.get(done), kills))) {
                            done++;
                        } else {
                            late++;
                        }
                    }
                }
                delete(folder.resolve("scene-" + place));
            }
        } catch (Throwable e) {
            throw new AssertionError(
                    "at kill " + done + " with seed " + seed + "; run it again with: " + command()
                            + "\nIt draws the same again, but the moments of kills are those of the clock\n" + e,
                    e);
        } finally {
            tell(done);
        }
        long inCommit = histogram.getOrDefault(Kind.BACKUP, Map.of()).entrySet().stream()
                .filter(phase -> phase.getKey().startsWith("COMMIT"))
                .mapToInt(Map.Entry::getValue)
                .sum();
        assertThat(inCommit).as("kills in the commit").isGreaterThanOrEqualTo(kills / 20);
        assertThat(late).as("what had ended before it was killed").isLessThanOrEqualTo(Math.max(5, kills / LATE));
    }

    private String command() {
        return "mvn -pl genievm-cli-example -am test -Dsurefire.failIfNoSpecifiedTests=false -Dtest=KillTest"
                + " -Dgenievm.excludedGroups= -Dgenievm.torture.scale="
                + System.getProperty("genievm.torture.scale", "0.1") + " -Dgenievm.seed=" + seed;
    }

    private static List<Kind> kinds(int kills) {
        List<Kind> ten = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (int i = 0; i < kind.share; i++) {
                ten.add(kind);
            }
        }
        List<Kind> all = new ArrayList<>();
        for (int i = 0; i < kills; i++) {
            // Seven and ten have no common factor: the kinds take turns.
            all.add(ten.get(i * 7 % 10));
        }
        return all;
    }

    private static int countOf(Kind kind, int kills) {
        return Math.max(1, kills * kind.share / 10);
    }

    private void tell(int kills) {
        System.out.printf("%d kills and %d that came too late; again with: %s%nwhole runs:", kills, late, command());
        lengths.forEach((kind, nanos) ->
                System.out.printf(" %s %d ms and %d calls;", kind, nanos / 1_000_000, calls.get(kind) / 2));
        System.out.printf("%n%d points of killed backups were there, and right%n", committedUnheard);
        histogram.forEach((kind, phases) ->
                phases.forEach((phase, count) -> System.out.printf("  %-8s %-28s %4d%n", kind, phase, count)));
        left.forEach((what, count) -> System.out.printf("  left: %-40s %4d%n", what, count));
    }

    private static void delete(Path root) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** A VM, its repository, and what is known of them. */
    private final class Scene implements AutoCloseable {
        private final Path root;
        private final Map<DiskId, byte[]> content = new HashMap<>();
        private final Map<SessionId, Map<DiskId, byte[]>> truth = new HashMap<>();
        private final GenieVm genie;
        private final HypervisorConnection host;
        private final Path bystander;
        private Set<String> sessionsBefore = Set.of();
        private boolean isRedrawn;
        private ChildJvm next;

        Scene(Path root) throws Exception {
            this.root = root;
            Path vm = Files.createDirectories(root.resolve("vms").resolve(Victim.VM.value()));
            for (DiskId disk : DISKS) {
                byte[] bytes = new byte[DISK_BYTES];
                random.nextBytes(bytes);
                content.put(disk, bytes);
                Files.write(vm.resolve(disk.value()), bytes);
            }
            bystander = Files.write(
                    Files.createDirectory(root.resolve("target")).resolve("bystander"), new byte[] {1, 2, 3});
            genie = GenieVm.builder()
                    .workDirectory(Files.createDirectory(root.resolve("work")))
                    .open();
            host = genie.connect(HypervisorConfig.of("images:" + root.resolve("vms")));
            genie.createRepository(repository(), new RepositoryOptions(4096, 65536, 1 << 20))
                    .close();
            next = start();
            backUp();
            backUp();
        }

        /** How long each kind takes in a young JVM, from the opened repository to the end. */
        void measure() throws Exception {
            for (Kind kind : Kind.values()) {
                prepare();
                try (ChildJvm victim = takeNext()) {
                    String words = words(kind);
                    victim.tell(words);
                    victim.awaitLine("opened");
                    long start = System.nanoTime();
                    Trace trace = new Trace();
                    trace.readUntil(victim, "closed");
                    calls.put(kind, trace.calls);
                    lengths.put(kind, System.nanoTime() - start);
                    if (kind == Kind.DELETE) {
                        truth.remove(new SessionId(words.split(" ")[1]));
                    }
                }
                learn(Map.copyOf(content), 1);
                clearTarget();
            }
        }

        /** Gives false when it had ended before. */
        boolean kill(Kind kind, int count) throws Exception {
            prepare();
            sessionsBefore =
                    files("packs").keySet().stream().map(Scene::sessionOf).collect(Collectors.toSet());
            int turn = turns.getOrDefault(kind, 0);
            Aim aim = aim(kind, turn);
            Trace trace = new Trace();
            String words = words(kind);
            try (ChildJvm victim = takeNext()) {
                victim.tell(words);
                // One in ten while it opens the repository, which is the same for all and slow in a young JVM.
                trace.readUntil(victim, turn % 10 == 9 ? "begun" : "opened");
                switch (aim) {
                    case TIME -> TimeUnit.NANOSECONDS.sleep(evenly(lengths, kind, turn, count));
                    case CALL -> trace.readCalls(victim, evenly(calls, kind, turn, count));
                    case COPY -> {
                        trace.readUntilCopy(victim);
                        TimeUnit.NANOSECONDS.sleep(random.nextLong(LONGEST_COPY_NANOS));
                    }
                    case COMMIT -> {
                        trace.readUntilCommit(victim, kind == Kind.RESTORE);
                        trace.readCalls(victim, random.nextInt(kind == Kind.RESTORE ? 1 : CALLS_OF_COMMIT));
                    }
                }
                if (aim == Aim.CALL || aim == Aim.COMMIT) {
                    TimeUnit.NANOSECONDS.sleep(random.nextLong(2 * CALL_NANOS));
                }
                victim.kill();
                trace.readToEnd(victim);
            }
            check(kind, words, trace);
            isRedrawn = trace.closed;
            if (trace.closed) {
                return false;
            }
            histogram.computeIfAbsent(kind, any -> new TreeMap<>()).merge(trace.phase(), 1, Integer::sum);
            turns.put(kind, turn + 1);
            return true;
        }

        private static Aim aim(Kind kind, int turn) {
            if (turn % 5 == 4 && (kind == Kind.BACKUP || kind == Kind.RESTORE)) {
                return Aim.COMMIT;
            }
            if (turn % 5 == 2 && kind != Kind.DELETE) {
                return Aim.COPY;
            }
            return turn % 2 == 0 ? Aim.TIME : Aim.CALL;
        }

        /** What came too late may do so each time that the clock runs like this: then any moment will do. */
        private long evenly(Map<Kind, Long> whole, Kind kind, int turn, int count) {
            double share = isRedrawn ? random.nextDouble() : (turn + random.nextDouble()) / count;
            return (long) (Objects.requireNonNull(whole.get(kind)) * share);
        }

        /** What the next run does, in this process: nothing but what anybody would do. */
        private void check(Kind kind, String words, Trace trace) throws Exception {
            Map<DiskId, byte[]> now = Map.copyOf(content);
            if (kind == Kind.DELETE) {
                deletionIsDoneOrNot(new SessionId(words.split(" ")[1]), trace);
            }
            learn(now, kind == Kind.BACKUP ? 1 : 0);
            if (trace.acknowledged != null && kind == Kind.BACKUP) {
                assertThat(truth).containsKey(new SessionId(trace.acknowledged));
            }
            restoreAll();
            verify(kind == Kind.DELETE ? words.split(" ")[1] : null);
            switch (kind) {
                case BACKUP -> {}
                case RESTORE -> nothingButWholeFiles(new SessionId(words.split(" ")[1]));
                case CREATE -> nothingButAWholeVm(new SessionId(words.split(" ")[1]));
                case DELETE -> deleteAgain(new SessionId(words.split(" ")[1]));
            }
            clearTarget();
            change();
            // What is left may be needed by what comes next, which finds it.
            sessionsBefore =
                    files("packs").keySet().stream().map(Scene::sessionOf).collect(Collectors.toSet());
            backUp();
            nothingTemporary();
            verify(null);
            if (truth.size() > 3) {
                SessionId oldest = oldest();
                try (Repository repository = genie.openRepository(repository())) {
                    repository.delete(oldest);
                }
                truth.remove(oldest);
                learn(now, 0);
            }
            assertThat(Files.readAllBytes(bystander)).containsExactly(1, 2, 3);
        }

        /** Points that are listed are those that are known, and perhaps one that nobody has heard of. */
        private void learn(Map<DiskId, byte[]> now, int most) {
            List<SessionId> listed = points().stream().map(RestorePoint::id).toList();
            assertThat(listed).containsAll(truth.keySet());
            List<SessionId> unheard =
                    listed.stream().filter(point -> !truth.containsKey(point)).toList();
            assertThat(unheard).hasSizeLessThanOrEqualTo(most);
            unheard.forEach(point -> truth.put(point, now));
            committedUnheard += unheard.size();
        }

        private void deletionIsDoneOrNot(SessionId point, Trace trace) {
            boolean isListed = points().stream().anyMatch(each -> each.id().equals(point));
            if (!isListed) {
                truth.remove(point);
            }
            assertThat(isListed && trace.acknowledged != null)
                    .as("listed after it was said to be deleted")
                    .isFalse();
        }

        /** A deletion that was killed too early to have an effect is repeated as it was. */
        private void deleteAgain(SessionId point) {
            if (truth.remove(point) == null) {
                return;
            }
            left.merge("point of a killed deletion", 1, Integer::sum);
            try (Repository repository = genie.openRepository(repository())) {
                repository.delete(point);
            }
            assertThat(points()).extracting(RestorePoint::id).doesNotContain(point);
        }

        private List<RestorePoint> points() {
            try (Repository repository = genie.openRepository(repository())) {
                RestorePointList list = repository.points();
                assertThat(list.unreadable()).isEmpty();
                return list.points();
            }
        }

        private SessionId oldest() {
            return points().stream()
                    .min(Comparator.comparingLong(RestorePoint::sequence))
                    .orElseThrow()
                    .id();
        }

        private SessionId latest() {
            return points().stream()
                    .max(Comparator.comparingLong(RestorePoint::sequence))
                    .orElseThrow()
                    .id();
        }

        private void restoreAll() throws Exception {
            for (SessionId point : truth.keySet()) {
                Path target = root.resolve("restored");
                restore(point, target);
                assertIs(target, Objects.requireNonNull(truth.get(point)), "point " + point);
                KillTest.delete(target);
            }
        }

        private void restore(SessionId point, Path target) throws Exception {
            try (Repository repository = genie.openRepository(repository())) {
                repository
                        .restore(RestoreRequest.builder(Victim.VM)
                                .point(point)
                                .toFolder(target)
                                .build())
                        .await();
            }
        }

        private void assertIs(Path target, Map<DiskId, byte[]> bytes, String what) throws IOException {
            for (DiskId disk : DISKS) {
                assertThat(Arrays.mismatch(
                                Files.readAllBytes(target.resolve(disk.value())),
                                Objects.requireNonNull(bytes.get(disk))))
                        .as("first wrong byte of %s, %s", disk, what)
                        .isEqualTo(-1);
            }
        }

        /**
         * Finds no damage, except that the witness of a point that was being deleted may be gone and the point not, which
         * can not be told from a witness that was lost; the next backup puts it again.
         */
        private void verify(@Nullable String beingDeleted) throws Exception {
            try (Repository repository = genie.openRepository(repository())) {
                VerifyReport report =
                        repository.verify(VerifyRequest.EVERYTHING).await();
                List<Damage> damage = new ArrayList<>(report.damage());
                if (damage.removeIf(each -> beingDeleted != null
                        && each.object().startsWith("witness/")
                        && each.object().endsWith(beingDeleted))) {
                    left.merge("witness deleted, manifest not", 1, Integer::sum);
                }
                assertThat(damage).isEmpty();
                orphansAreCounted(report);
            }
        }

        /**
         * Compares what verify says with the files. Of packs that were there before the kill, a later backup may have
         * found and used some, so that only those of the killed one are known to be needed by nobody.
         */
        private void orphansAreCounted(VerifyReport report) throws IOException {
            Map<String, Long> points = files("points");
            Set<String> open = new HashSet<>();
            files("sessions").keySet().stream()
                    .map(Scene::sessionOf)
                    .filter(session -> !points.containsKey(session))
                    .forEach(open::add);
            Map<String, Long> least = new HashMap<>();
            Map<String, Long> most = new HashMap<>();
            files("packs").forEach((pack, bytes) -> {
                String session = sessionOf(pack);
                Long outcome = points.get(session);
                if (open.contains(session) || outcome != null && outcome == 0) {
                    most.put(pack, bytes);
                    if (!sessionsBefore.contains(session)) {
                        least.put(pack, bytes);
                    }
                }
            });
            VerifyReport.Orphans orphans = Objects.requireNonNull(report.orphans());
            assertThat(orphans.sessions()).as("open sessions").isEqualTo(open.size());
            assertThat(orphans.packs()).as("packs of open sessions").isBetween(least.size(), most.size());
            assertThat(orphans.bytes()).as("their bytes").isBetween(sum(least), sum(most));
            assertThat(report.unneededBytes()).as("unneeded bytes").isGreaterThanOrEqualTo(orphans.bytes());
            if (!least.isEmpty()) {
                left.merge("packs of a killed backup", 1, Integer::sum);
            }
        }

        private static long sum(Map<String, Long> lengths) {
            return lengths.values().stream().mapToLong(Long::longValue).sum();
        }

        /** Names and lengths of the objects of a kind. */
        private Map<String, Long> files(String kind) throws IOException {
            Path folder = root.resolve("repository").resolve(kind);
            Map<String, Long> lengths = new HashMap<>();
            if (Files.exists(folder)) {
                try (Stream<Path> files = Files.walk(folder)) {
                    for (Path file : files.filter(Files::isRegularFile).toList()) {
                        lengths.put(file.getFileName().toString(), Files.size(file));
                    }
                }
            }
            return lengths;
        }

        private static String sessionOf(String name) {
            return name.substring(0, 32);
        }

        private void backUp() throws Exception {
            try (Repository repository = genie.openRepository(repository())) {
                SessionId point = repository
                        .backup(
                                host,
                                BackupRequest.builder(Victim.VM)
                                        .codec(Codec.LZ4)
                                        .build())
                        .await()
                        .point();
                truth.put(point, Map.copyOf(content));
            }
        }

        /** A file that bears the name of a disk is whole, and the same restore to the folder once more goes through. */
        private void nothingButWholeFiles(SessionId point) throws Exception {
            Map<DiskId, byte[]> expected = Objects.requireNonNull(truth.get(point));
            Path target = root.resolve("target");
            int whole = 0;
            for (String name : names(target)) {
                if (expected.containsKey(new DiskId(name))) {
                    whole++;
                    assertThat(Arrays.mismatch(
                                    Files.readAllBytes(target.resolve(name)), expected.get(new DiskId(name))))
                            .as("first wrong byte of %s", name)
                            .isEqualTo(-1);
                } else if (!name.equals("bystander")) {
                    assertThat(name).startsWith(".genievm-");
                    left.merge("unnamed file of a killed restore", 1, Integer::sum);
                }
            }
            if (whole > 0) {
                left.merge(whole + " of 2 files named by a killed restore", 1, Integer::sum);
            }
            if (whole == 2 && random.nextBoolean()) {
                // As a kill between the two names would have left it: a moment too short to be met often.
                Files.delete(target.resolve(DISKS.get(random.nextInt(2)).value()));
                left.merge("one name taken away again", 1, Integer::sum);
            }
            restore(point, target);
            assertThat(names(target)).containsExactlyInAnyOrder("bystander", "root.raw", "data.raw");
            assertIs(target, expected, "restored again");
        }

        /** A VM that is listed is whole; the next creation removes what is not. */
        private void nothingButAWholeVm(SessionId point) throws Exception {
            Map<DiskId, byte[]> expected = Objects.requireNonNull(truth.get(point));
            Path vms = root.resolve("vms");
            Path made = vms.resolve("new");
            if (host.vms().vms().stream().anyMatch(vm -> vm.id().equals(new VmId("new")))) {
                assertIs(made, expected, "the new VM");
                KillTest.delete(made);
            }
            for (String name : names(vms)) {
                if (!name.equals(Victim.VM.value())) {
                    assertThat(name).startsWith(".genievm-");
                    left.merge("hidden folder of a killed creation", 1, Integer::sum);
                }
            }
            try (Repository repository = genie.openRepository(repository())) {
                repository
                        .restore(RestoreRequest.builder(Victim.VM)
                                .point(point)
                                .toNewVm(host, "new")
                                .build())
                        .await();
            }
            assertIs(made, expected, "the VM that was made again");
            assertThat(names(vms)).containsExactlyInAnyOrder(Victim.VM.value(), "new");
        }

        private void nothingTemporary() throws IOException {
            assertThat(root.resolve("repository/.tmp"))
                    .as("unfinished objects of the dead")
                    .doesNotExist();
            assertThat(names(root.resolve("work"))).as("work files of the dead").isEmpty();
        }

        private static List<String> names(Path folder) throws IOException {
            try (Stream<Path> files = Files.list(folder)) {
                return files.map(file -> file.getFileName().toString()).toList();
            }
        }

        /** For the next one: this is done with what was restored, not because of a kill. */
        private void clearTarget() throws IOException {
            Path target = root.resolve("target");
            for (String name : names(target)) {
                if (!name.equals("bystander")) {
                    Files.delete(target.resolve(name));
                }
            }
            Path made = root.resolve("vms/new");
            if (Files.exists(made)) {
                KillTest.delete(made);
            }
        }

        /** New bytes in most of a disk. */
        private void change() throws IOException {
            DiskId disk = DISKS.get(random.nextInt(DISKS.size()));
            byte[] changed = Objects.requireNonNull(content.get(disk)).clone();
            byte[] noise = new byte[DISK_BYTES / 3 * 2];
            random.nextBytes(noise);
            int offset = random.nextInt(DISK_BYTES - noise.length);
            System.arraycopy(noise, 0, changed, offset, noise.length);
            content.put(disk, changed);
            try (FileChannel file = FileChannel.open(
                    root.resolve("vms").resolve(Victim.VM.value()).resolve(disk.value()), StandardOpenOption.WRITE)) {
                file.write(ByteBuffer.wrap(noise), offset);
            }
        }

        /** Something to back up, and two points at the least. */
        private void prepare() throws Exception {
            change();
            while (truth.size() < 2) {
                backUp();
            }
        }

        private String words(Kind kind) {
            return switch (kind) {
                case BACKUP -> "backup";
                case RESTORE -> "restore " + latest();
                case CREATE -> "create " + latest();
                case DELETE -> "delete " + (random.nextBoolean() ? oldest() : latest());
            };
        }

        private BlobStoreConfig repository() {
            return BlobStoreConfig.of(root.resolve("repository").toString());
        }

        /** The next one starts while this one works and is looked after. */
        private ChildJvm takeNext() throws IOException {
            ChildJvm taken = next;
            next = start();
            taken.awaitLine("ready");
            return taken;
        }

        private ChildJvm start() throws IOException {
            return ChildJvm.start(
                    Victim.class,
                    List.of("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                    root.toString(),
                    Long.toString(CALL_NANOS));
        }

        @Override
        public void close() {
            next.close();
            host.close();
            genie.close();
        }
    }

    /** Where a victim said it was. */
    private static final class Trace {
        private final Map<String, Integer> underWay = new TreeMap<>();
        private String phase = "OPEN";
        private long calls;
        private boolean witness;
        private boolean closed;
        private @Nullable String acknowledged;

        /** Up to the moment when all packs are there, or for a restore all bytes. */
        void readUntilCommit(ChildJvm victim, boolean isRestore) throws IOException {
            for (String line = victim.readLine(); line != null; line = victim.readLine()) {
                take(line);
                if (line.startsWith("> put index/") || line.startsWith("> put points/")) {
                    return;
                }
                if (isRestore && line.equals("phase COMMIT")) {
                    return;
                }
            }
        }

        /** Up to the moment when bytes begin to be copied, or to the end. */
        void readUntilCopy(ChildJvm victim) throws IOException {
            for (String line = victim.readLine(); line != null; line = victim.readLine()) {
                take(line);
                if (line.equals("phase COPY")) {
                    return;
                }
            }
        }

        void readUntil(ChildJvm victim, String expected) throws IOException {
            for (String line = victim.readLine(); line != null; line = victim.readLine()) {
                if (line.equals(expected)) {
                    return;
                }
                take(line);
            }
            throw new AssertionError("the victim ended before it was " + expected);
        }

        /** So many begins and ends of calls, or to the end. */
        void readCalls(ChildJvm victim, long more) throws IOException {
            long end = calls + more;
            while (calls < end && !closed) {
                String line = victim.readLine();
                if (line != null) {
                    take(line);
                }
            }
        }

        void readToEnd(ChildJvm victim) throws IOException {
            for (String line = victim.readLine(); line != null; line = victim.readLine()) {
                take(line);
            }
        }

        private void take(String line) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case ">" -> {
                    underWay.merge(words[1] + " " + words[2], 1, Integer::sum);
                    phase = words[3];
                    calls++;
                }
                case "<" -> {
                    calls++;
                    underWay.computeIfPresent(
                            words[1] + " " + words[2], (call, count) -> count == 1 ? null : count - 1);
                    phase = words[3];
                    witness |= line.startsWith("< put witness/");
                }
                case "phase" -> phase = words[1];
                case "done" -> acknowledged = words[1];
                case "closed" -> closed = true;
                case "begun", "opened" -> {}
                default -> throw new AssertionError("the victim said: " + line);
            }
        }

        String phase() {
            if (acknowledged != null) {
                return "answered";
            }
            String calls = String.join(" + ", underWay.keySet());
            if (phase.equals("COMMIT") || phase.equals("OPEN")) {
                String what = witness ? "tidy: " + calls : calls;
                return phase + " " + what;
            }
            return phase;
        }
    }
}
