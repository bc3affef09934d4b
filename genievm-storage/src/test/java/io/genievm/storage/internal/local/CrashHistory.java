package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.Damage;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyRequest;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What was done in a repository on a crash file system, and when which answer was given. For one thread. */
final class CrashHistory {
    private static final RepositoryOptions SMALL = new RepositoryOptions(4096, 32 << 10, 1 << 20);
    private static final int NEVER = Integer.MAX_VALUE;

    private final CrashFileSystem disk;
    private final CrashPlace place;
    private final CrashedGuests guests;
    private final Path workDirectory;
    private final Random random;
    private final List<String> log = new ArrayList<>();
    private final List<Integer> answers = new ArrayList<>();
    /** In the order in which they were made: their ids are new each time. */
    private final Map<SessionId, Point> points = new LinkedHashMap<>();

    private final Map<VmId, Map<DiskId, byte[]>> unknown = new HashMap<>();
    private final Map<VmId, Integer> unknownSince = new HashMap<>();
    private final boolean deletes;
    private int created = NEVER;
    private final List<Failed> failed = new ArrayList<>();
    private boolean copyMayBeMissing;

    /** Begins one; without deletions on a disk where nobody can make them last. */
    CrashHistory(CrashFileSystem disk, CrashedGuests guests, Path workDirectory, Random random, boolean deletes) {
        this.disk = disk;
        this.place = new CrashPlace(disk);
        this.guests = guests;
        this.workDirectory = workDirectory;
        this.random = random;
        this.deletes = deletes;
    }

    /** A backup that failed: its point may be there all the same when the power is cut before that is settled. */
    private record Failed(VmId vm, Map<DiskId, byte[]> content, int begun) {}

    /** A point, which is there for certain from {@code told} to {@code deletionBegun}, and never after {@code deleted}. */
    private static final class Point {
        private final SessionId id;
        private final VmId vm;
        private final Map<DiskId, byte[]> content;
        private final int begun;
        private int told = NEVER;
        private int deletionBegun = NEVER;
        private int deleted = NEVER;
        private boolean witnessMayBeMissing;

        Point(SessionId id, VmId vm, Map<DiskId, byte[]> content, int begun) {
            this.id = id;
            this.vm = vm;
            this.content = content;
            this.begun = begun;
        }

        boolean isCertain(int moment) {
            return told <= moment && deletionBegun >= moment;
        }

        boolean isPossible(int moment) {
            return begun < moment && deleted > moment;
        }

        /** Whether a deletion may have been broken off. */
        boolean isHalfDeleted(int moment) {
            return witnessMayBeMissing || deletionBegun < moment;
        }
    }

    CrashFileSystem disk() {
        return disk;
    }

    /** A moment for a power cut, often just when something was answered: what follows makes durable what was before. */
    int chooseMoment() {
        return !answers.isEmpty() && random.nextInt(3) == 0
                ? answers.get(random.nextInt(answers.size()))
                : random.nextInt(disk.moment() + 1);
    }

    private int answered() {
        answers.add(disk.moment());
        return disk.moment();
    }

    /** Creates a repository and works with it, by one process after the other; some are killed, some meet a bad or full disk. */
    void record() throws IOException {
        disk.shortTransfers(random.nextInt(3) == 0);
        create();
        int processes = 1 + random.nextInt(5);
        for (int i = 0; i < processes; i++) {
            boolean killed = random.nextInt(3) == 0;
            try (Life process = new Life()) {
                int steps = random.nextInt(4);
                for (int step = 0; step < steps; step++) {
                    process.change();
                }
                if (killed) {
                    process.meet(new DyingProcess(random.nextInt(1 + random.nextInt(250))));
                    process.change();
                } else if (random.nextInt(3) == 0) {
                    process.meet(new FailingForce(random.nextInt(1 + random.nextInt(60)), random.nextBoolean()));
                    process.change();
                } else if (random.nextInt(3) == 0) {
                    process.meetFullDisk();
                }
            } finally {
                disk.removeHook();
                disk.capacity(Long.MAX_VALUE);
            }
            place.makeOwnersOthers();
        }
    }

    private void create() throws IOException {
        while (created == NEVER) {
            boolean killed = random.nextInt(4) == 0;
            boolean full = !killed && random.nextInt(8) == 0;
            if (killed) {
                disk.hook(new DyingProcess(random.nextInt(120)));
            } else if (full) {
                fill(600);
            }
            try (GenieVm genie = genie()) {
                genie.createRepository(CrashPlace.CONFIG, SMALL).close();
                created = answered();
                // Whoever creates one does without the second object if need be.
                copyMayBeMissing = killed || full;
            } catch (GenieVmException e) {
                boolean exists = e.code().equals(ErrorCode.ALREADY_EXISTS);
                if (!killed && !exists && !(full && e.code().equals(ErrorCode.NO_SPACE))) {
                    throw e;
                }
                created = killed || !exists ? NEVER : open();
            } finally {
                disk.removeHook();
                disk.capacity(Long.MAX_VALUE);
            }
            log("create", killed || full);
            place.makeOwnersOthers();
        }
    }

    /** Leaves room for less than some bytes. */
    private void fill(int bytes) throws IOException {
        long most = 1L << 40;
        disk.capacity(most);
        long used = most - Files.getFileStore(disk.root()).getUsableSpace();
        disk.capacity(used + random.nextInt(bytes));
    }

    /** A creation that was killed late has made a repository all the same; who opens it has not made it durable. */
    private int open() {
        try (GenieVm genie = genie();
                Repository repository = genie.openRepository(CrashPlace.CONFIG)) {
            assertThat(repository.points().points()).isEmpty();
        }
        return NEVER - 1;
    }

    /** One process that has the repository open. */
    private final class Life implements AutoCloseable {
        private final GenieVm genie = genie();
        private final Repository repository;
        private boolean mayFail;
        private boolean full;

        Life() {
            try {
                repository = genie.openRepository(CrashPlace.CONFIG);
                discover();
            } catch (RuntimeException | Error e) {
                genie.close();
                throw e;
            }
        }

        /** From now on what is done may fail. */
        void meet(CrashFileSystem.Hook trouble) {
            mayFail = true;
            disk.hook(trouble);
        }

        /** The disk is full while something is done, and then has room again, where this very process works on. */
        void meetFullDisk() throws IOException {
            fill(1 + random.nextInt(200_000));
            full = true;
            change();
            full = false;
            disk.capacity(Long.MAX_VALUE);
            change();
        }

        void change() {
            List<Point> deletable = points.values().stream()
                    .filter(point -> point.deleted == NEVER)
                    .toList();
            if (deletes && deletable.size() > 1 && random.nextInt(5) < 2) {
                delete(deletable.get(random.nextInt(deletable.size())));
            } else {
                backup(guests.any(random));
            }
        }

        void backup(VmId vm) {
            guests.change(vm, random);
            Map<DiskId, byte[]> content = guests.content(vm);
            int begun = disk.moment();
            try {
                BackupReport report = await(repository.backup(guests.connection(), request(vm)));
                Point point = new Point(report.point(), vm, content, begun);
                point.told = answered();
                points.put(point.id, point);
            } catch (GenieVmException e) {
                requireTrouble(e);
                unknown.put(vm, content);
                unknownSince.put(vm, begun);
                failed.add(new Failed(vm, content, begun));
            }
            log("backup of " + vm, mayFail || full);
        }

        void delete(Point point) {
            boolean first = point.deletionBegun == NEVER;
            point.deletionBegun = Math.min(point.deletionBegun, disk.moment());
            try {
                repository.delete(point.id);
                point.deleted = answered();
            } catch (GenieVmException e) {
                // One whose deletion was broken off may be gone.
                if (first || !e.code().equals(ErrorCode.NOT_FOUND)) {
                    requireTrouble(e);
                }
            }
            log("deletion of a point of " + point.vm, mayFail || full);
        }

        private void requireTrouble(GenieVmException failure) {
            if (!mayFail && !(full && failure.code().equals(ErrorCode.NO_SPACE))) {
                throw failure;
            }
        }

        /** Finds the points of those that were killed before they could tell. */
        private void discover() {
            for (RestorePoint listed : repository.points().points()) {
                if (!points.containsKey(listed.id())) {
                    Map<DiskId, byte[]> content =
                            Objects.requireNonNull(unknown.remove(listed.vm()), "what nobody backed up");
                    int since = Objects.requireNonNull(unknownSince.get(listed.vm()));
                    points.put(listed.id(), new Point(listed.id(), listed.vm(), content, since));
                }
            }
            unknown.clear();
        }

        @Override
        public void close() {
            genie.close();
        }
    }

    /** Does what comes after a power cut, checks all there is to check, and gives what was done as a new history. */
    CrashHistory recover(CrashFileSystem left, int moment) throws IOException {
        CrashHistory next = new CrashHistory(left, guests, workDirectory, random, deletes);
        next.place.makeOwnersOthers();
        next.copyMayBeMissing = copyMayBeMissing || created > moment;
        Set<SessionId> halfDeletedThen = points.values().stream()
                .filter(point -> point.isHalfDeleted(moment))
                .map(point -> point.id)
                .collect(Collectors.toSet());
        try (GenieVm genie = genie(next.place)) {
            Repository repository = next.openOrCreate(genie, created <= moment);
            discoverFailed(repository.points(), moment);
            checkPoints(repository.points(), moment);
            checkSessions(repository.points(), next.place, moment);
            repository
                    .points()
                    .points()
                    .forEach(listed -> next.keep(Objects.requireNonNull(points.get(listed.id())), moment));
            next.checkRestores(repository);
            checkVerify(repository, halfDeletedThen, next.copyMayBeMissing);

            VmId vm = guests.any(random);
            BackupReport report = next.backUpNext(repository, vm);
            halfDeletedThen.removeIf(
                    point -> Objects.requireNonNull(points.get(point)).vm.equals(vm));
            checkVerify(repository, halfDeletedThen, false);
            if (deletes && random.nextInt(4) == 0) {
                next.deleteOne(repository);
                next.checkRestores(repository);
            } else {
                next.checkRestores(repository, report.point());
            }
            repository.close();
        }
        assertThat(next.place.root().resolve(Staging.NAME)).as("leftovers").doesNotExist();
        return next;
    }

    private Repository openOrCreate(GenieVm genie, boolean wasCreated) {
        try {
            Repository repository = genie.openRepository(CrashPlace.CONFIG);
            created = 0;
            return repository;
        } catch (GenieVmException e) {
            if (wasCreated
                    || !Set.of(ErrorCode.NOT_A_REPOSITORY, ErrorCode.NOT_FOUND).contains(e.code())) {
                throw e;
            }
            Repository repository = genie.createRepository(CrashPlace.CONFIG, SMALL);
            created = answered();
            return repository;
        }
    }

    /** A point that nobody was told of is that of the last backup of its VM that failed, or was under way and failed later. */
    private void discoverFailed(RestorePointList list, int moment) {
        for (RestorePoint listed : list.points()) {
            if (!points.containsKey(listed.id())) {
                failed.stream()
                        .filter(each -> each.vm.equals(listed.vm()) && each.begun < moment)
                        .reduce((first, second) -> second)
                        .ifPresent(each ->
                                points.put(listed.id(), new Point(listed.id(), each.vm, each.content, each.begun)));
            }
        }
    }

    private void checkPoints(RestorePointList list, int moment) {
        assertThat(list.unreadable()).as("unreadable").isEmpty();
        Set<SessionId> listed = list.points().stream().map(RestorePoint::id).collect(Collectors.toSet());
        for (Point point : points.values()) {
            if (point.isCertain(moment)) {
                assertThat(listed).as("points").contains(point.id);
            } else if (!point.isPossible(moment)) {
                assertThat(listed).as("points").doesNotContain(point.id);
            }
        }
        assertThat(points.keySet()).as("points that were made").containsAll(listed);
    }

    /** A session whose point was deleted must not look like one that still works. */
    private void checkSessions(RestorePointList list, CrashPlace where, int moment) throws IOException {
        Set<String> gone = points.values().stream()
                .filter(point -> point.deletionBegun < moment)
                .map(point -> point.id.value())
                .collect(Collectors.toSet());
        list.points().forEach(listed -> gone.remove(listed.id().value()));
        Path sessions = where.root().resolve("sessions");
        if (Files.exists(sessions)) {
            try (Stream<Path> paths = Files.walk(sessions)) {
                assertThat(paths.map(path -> path.getFileName().toString()))
                        .as("sessions")
                        .doesNotContainAnyElementsOf(gone.isEmpty() ? Set.of("none") : gone);
            }
        }
    }

    private void keep(Point before, int moment) {
        Point point = new Point(before.id, before.vm, before.content, -1);
        point.told = 0;
        point.witnessMayBeMissing = before.isHalfDeleted(moment);
        points.put(point.id, point);
    }

    private void checkRestores(Repository repository, SessionId... only) {
        InMemoryHypervisor target = new InMemoryHypervisor();
        for (Point point : points.values()) {
            if (point.deleted == NEVER && (only.length == 0 || only[0].equals(point.id))) {
                await(repository.restore(RestoreRequest.builder(point.vm)
                        .point(point.id)
                        .toNewVm(target.connect(), point.id.value())
                        .build()));
                Map<DiskId, byte[]> restored = CrashedGuests.content(target, new VmId(point.id.value()));
                assertThat(restored.keySet()).as("disks").isEqualTo(point.content.keySet());
                restored.forEach((id, bytes) -> assertThat(Arrays.equals(bytes, point.content.get(id)))
                        .as("disk %s of point %s is as it was", id, point.id)
                        .isTrue());
            }
        }
    }

    /** What was broken off may be missing until the next backup: the witness of a point that is deleted, a second object. */
    private static void checkVerify(Repository repository, Set<SessionId> halfDeleted, boolean halfCreated) {
        List<Damage> damage = new ArrayList<>(
                await(repository.verify(VerifyRequest.EVERYTHING)).damage());
        damage.removeIf(each -> each.object().startsWith("witness/")
                && halfDeleted.stream().anyMatch(point -> each.object().endsWith(point.value())));
        damage.removeIf(each -> halfCreated && each.object().equals("repository-copy.json"));
        assertThat(damage).as("damage").isEmpty();
    }

    private BackupReport backUpNext(Repository repository, VmId vm) {
        RestorePoint latest = repository.points().points().stream()
                .filter(point -> point.vm().equals(vm))
                .reduce((a, b) -> b)
                .orElse(null);
        int begun = disk.moment();
        Map<DiskId, byte[]> content = guests.content(vm);
        BackupReport report = await(repository.backup(guests.connection(), request(vm)));
        assertThat(report.parent()).as("parent").isEqualTo(latest == null ? null : latest.id());
        // The host knows tokens of points that the repository has lost.
        assertThat(report.warnings())
                .as("warnings")
                .allMatch(warning -> Set.of(DriverFact.TRACKING_LOST, DriverFact.LEFTOVER_CLEARED)
                        .contains(warning.code()));
        Point point = new Point(report.point(), vm, content, begun);
        point.told = answered();
        points.put(point.id, point);
        return report;
    }

    private void deleteOne(Repository repository) {
        List<Point> all = List.copyOf(points.values());
        Point point = all.get(random.nextInt(all.size()));
        point.deletionBegun = Math.min(point.deletionBegun, disk.moment());
        repository.delete(point.id);
        point.deleted = answered();
    }

    private BackupRequest request(VmId vm) {
        return BackupRequest.builder(vm)
                .codec(Codec.NONE)
                .full(random.nextInt(8) == 0)
                .build();
    }

    private GenieVm genie() {
        return genie(place);
    }

    /** One thread, so that a seed gives the same history each time. */
    private GenieVm genie(CrashPlace where) {
        return GenieVm.builder()
                .blobStoreProvider(where)
                .workDirectory(workDirectory)
                .memoryBudget(16 << 20)
                .parallelism(1)
                .open();
    }

    private void log(String what, boolean mayFail) {
        log.add(what + (mayFail ? " in trouble" : "") + " until " + disk.moment());
    }

    private static <T> T await(TaskHandle<T> task) {
        try {
            return task.await(Duration.ofMinutes(1))
                    .orElseThrow(() -> new AssertionError(task.name() + " has not ended: " + task.progress()));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public String toString() {
        return log.toString();
    }
}
