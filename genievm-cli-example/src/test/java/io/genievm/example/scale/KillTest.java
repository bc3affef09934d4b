package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
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
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A process that is killed at any moment of a backup, a restore or a deletion harms no point, and the next one goes on by
 * itself. The moments are spread evenly over the time that the whole takes, and over the calls of the store; of the backups
 * every fifth is killed in its commit, between the last pack and the answer to the put of the witness, and another fifth
 * while bytes are copied, which is over in a moment here.
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
                    for (; done < end; done++) {
                        scene.kill(kinds.get(done), countOf(kinds.get(done), kills));
                    }
                }
                delete(folder.resolve("scene-" + place));
            }
        } catch (Throwable e) {
            throw new AssertionError(
                    "at kill " + done + " with seed " + seed + "; -Dgenievm.seed=" + seed
                            + " draws the same again, but the moments of kills are those of the clock",
                    e);
        } finally {
            tell(done);
        }
        long inCommit = histogram.getOrDefault(Kind.BACKUP, Map.of()).entrySet().stream()
                .filter(phase -> phase.getKey().startsWith("COMMIT"))
                .mapToInt(Map.Entry::getValue)
                .sum();
        assertThat(inCommit).as("kills in the commit").isGreaterThanOrEqualTo(kills / 20);
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
        System.out.printf("%d kills, seed %d; whole runs:", kills, seed);
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

        void kill(Kind kind, int count) throws Exception {
            prepare();
            int turn = turns.merge(kind, 1, Integer::sum) - 1;
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
            histogram.computeIfAbsent(kind, any -> new TreeMap<>()).merge(trace.phase(), 1, Integer::sum);
            check(kind, words, trace);
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

        private long evenly(Map<Kind, Long> whole, Kind kind, int turn, int count) {
            return (long) (Objects.requireNonNull(whole.get(kind)) * (turn + random.nextDouble()) / count);
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
            if (kind == Kind.RESTORE) {
                nothingButWholeFiles(Objects.requireNonNull(truth.get(new SessionId(words.split(" ")[1]))));
            }
            if (kind == Kind.CREATE) {
                nothingButAWholeVm(Objects.requireNonNull(truth.get(new SessionId(words.split(" ")[1]))));
            }
            clearTarget();
            change();
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
                assertThat(report.unneededBytes()).as("orphans are counted").isNotNull();
            }
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

        /** A file that bears the name of a disk is whole, and the next restore to the folder goes through. */
        private void nothingButWholeFiles(Map<DiskId, byte[]> expected) throws Exception {
            Path target = root.resolve("target");
            List<String> whole = new ArrayList<>();
            for (String name : names(target)) {
                if (expected.containsKey(new DiskId(name))) {
                    whole.add(name);
                    assertThat(Arrays.mismatch(
                                    Files.readAllBytes(target.resolve(name)), expected.get(new DiskId(name))))
                            .as("first wrong byte of %s", name)
                            .isEqualTo(-1);
                } else if (!name.equals("bystander")) {
                    assertThat(name).startsWith(".genievm-");
                    left.merge("unnamed file of a killed restore", 1, Integer::sum);
                }
            }
            if (whole.isEmpty()) {
                restore(latest(), target);
                assertThat(names(target)).containsExactlyInAnyOrder("bystander", "root.raw", "data.raw");
            } else {
                // Files have their names one after the other; they are never overwritten, not by a restore either.
                assertThat(whole.size()).isBetween(1, 2);
                left.merge(whole.size() + " of 2 files named by a killed restore", 1, Integer::sum);
                try {
                    restore(latest(), target);
                    throw new AssertionError("a file was overwritten");
                } catch (GenieVmException e) {
                    assertThat(e.code()).isEqualTo(ErrorCode.ALREADY_EXISTS);
                }
            }
        }

        /** A VM that is listed is whole; one that is not is made by the next restore. */
        private void nothingButAWholeVm(Map<DiskId, byte[]> expected) throws Exception {
            VmId made = new VmId("new");
            if (host.vms().vms().stream().noneMatch(vm -> vm.id().equals(made))) {
                try (Repository repository = genie.openRepository(repository())) {
                    repository
                            .restore(RestoreRequest.builder(Victim.VM)
                                    .point(latest())
                                    .toNewVm(host, "new")
                                    .build())
                            .await();
                }
                assertIs(root.resolve("vms/new"), Objects.requireNonNull(truth.get(latest())), "the new VM");
            } else {
                assertIs(root.resolve("vms/new"), expected, "the new VM");
            }
            KillTest.delete(root.resolve("vms/new"));
            for (String name : names(root.resolve("vms"))) {
                if (!name.equals(Victim.VM.value())) {
                    assertThat(name).startsWith(".genievm-");
                    left.merge("hidden folder of a killed creation", 1, Integer::sum);
                    KillTest.delete(root.resolve("vms").resolve(name));
                }
            }
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
            if (closed) {
                return "ended before the kill";
            }
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
