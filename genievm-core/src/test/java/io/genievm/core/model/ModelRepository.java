package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.Damage;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.Trust;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.OneStore;
import io.genievm.core.testing.PlainRepository;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** A repository, the process that has it open, and the model of what it holds. For one thread. */
final class ModelRepository implements AutoCloseable {
    private static final Comparator<ModelPoint> ORDER = Comparator.comparing(
                    (ModelPoint point) -> point.vm().value())
            .thenComparingLong(ModelPoint::sequence)
            .thenComparing(point -> point.id().value());

    private final InterceptedStore store = new InterceptedStore();
    private final Path directory;
    private final int parallelism;
    private final List<ModelPoint> points = new ArrayList<>();
    private final Map<VmId, SessionId> newestEver = new TreeMap<>(Comparator.comparing(VmId::value));
    private final Set<SessionId> halfDeleted = new HashSet<>();
    private final Set<String> incidents = new HashSet<>();
    // Each a point's id and a disk's.
    private final Set<String> suspects = new HashSet<>();
    private final Set<String> doubtedProofs = new HashSet<>();
    private GenieVm genie;
    private Repository repository;

    ModelRepository(Path directory, int parallelism) {
        this.directory = directory;
        this.parallelism = parallelism;
        this.genie = process();
        this.repository = genie.createRepository(BlobStoreConfig.of("model:place"), Lab.SMALL);
    }

    InterceptedStore store() {
        return store;
    }

    Repository repository() {
        return repository;
    }

    List<ModelPoint> points() {
        return points;
    }

    /** Another process opens it, after the end of the one before. */
    void restart() {
        store.stopIntercepting();
        genie.close();
        genie = process();
        repository = genie.openRepository(BlobStoreConfig.of("model:place"));
    }

    /** The point that a backup goes on from, or {@code null}. */
    ModelPoint latest(VmId vm) {
        return points.stream().filter(point -> point.vm().equals(vm)).max(ORDER).orElse(null);
    }

    /** Whether no younger point of its VM was ever there: then the hypervisor has no reason to have dropped its tokens. */
    boolean isNewestEver(ModelPoint point) {
        return point.id().equals(newestEver.get(point.vm()));
    }

    void add(ModelPoint point) {
        points.add(point);
        points.sort(ORDER);
        newestEver.put(point.vm(), point.id());
        // Every backup begins with mending what deletions of its VM have left behind.
        points.stream().filter(each -> each.vm().equals(point.vm())).forEach(each -> halfDeleted.remove(each.id()));
    }

    void remove(ModelPoint point) {
        points.remove(point);
        halfDeleted.remove(point.id());
    }

    /** A deletion was broken off before it was a deletion. */
    void halfDelete(ModelPoint point) {
        halfDeleted.add(point.id());
    }

    /** The points that the repository lists and the model does not know. */
    Set<SessionId> unknownPoints() {
        Set<SessionId> ids = new HashSet<>();
        repository.points().points().forEach(point -> ids.add(point.id()));
        points.forEach(point -> ids.remove(point.id()));
        return ids;
    }

    boolean lists(SessionId id) {
        return repository.points().points().stream()
                .anyMatch(point -> point.id().equals(id));
    }

    JsonNode manifest(SessionId id) {
        String key = store.keys("points/").stream()
                .filter(each -> each.endsWith(id.value()))
                .findFirst()
                .orElseThrow();
        return PlainRepository.json(store.bytes(key));
    }

    /** The sessions that can still become a point, as far as anybody can tell: those of processes that have died. */
    Set<String> sessions() {
        Set<String> sessions = new HashSet<>();
        store.keys("sessions/").forEach(key -> sessions.add(key.substring(key.lastIndexOf('/') + 1)));
        return sessions;
    }

    /** Fails unless the list is that of the model, in all that it tells. */
    void checkList() {
        RestorePointList list = repository.points();
        assertThat(list.unreadable()).isEmpty();
        assertThat(list.points().stream().map(RestorePoint::id).toList())
                .isEqualTo(points.stream().map(ModelPoint::id).toList());
        for (int i = 0; i < points.size(); i++) {
            ModelPoint expected = points.get(i);
            RestorePoint listed = list.points().get(i);
            assertThat(listed.sequence()).isEqualTo(expected.sequence());
            List<String> ids =
                    listed.disks().stream().map(disk -> disk.id().value()).toList();
            assertThat(ids).isEqualTo(List.copyOf(expected.disks().keySet()));
            for (RestorePoint.Disk disk : listed.disks()) {
                ModelPoint.Disk known = expected.disks().get(disk.id().value());
                String what = "disk " + disk.id() + " of point " + listed.id();
                assertThat(disk.capacity())
                        .as(what)
                        .isEqualTo(expected.moment().get(disk.id().value()).capacity());
                assertThat(disk.plan()).as(what).isEqualTo(known.plan());
                assertThat(disk.reason()).as(what).isEqualTo(known.reason());
                assertThat(disk.trust())
                        .as(what)
                        .isEqualTo(
                                isSuspect(expected, disk.id().value()) || !disk.consistent()
                                        ? Trust.SUSPECT
                                        : known.trust());
                assertThat(disk.coveredShare()).as(what).isEqualTo(known.coveredShare());
                assertThat(disk.provenPoint()).as(what).isEqualTo(known.provenPoint());
            }
        }
    }

    /** Fails unless a point is restored to all bytes that the VM had. */
    RestoreReport checkContent(ModelPoint point) {
        RestoredVm target = new RestoredVm();
        RestoreReport report = restore(point, target);
        assertThat(target.capacities().keySet()).isEqualTo(point.disks().keySet());
        for (String disk : point.disks().keySet()) {
            assertThat(target.capacities().get(disk))
                    .isEqualTo(point.moment().get(disk).capacity());
            assertThat(target.disks()
                            .get(disk)
                            .firstDifference(point.disks().get(disk).content()))
                    .as("what of disk " + disk + " of point " + point.id() + " was restored wrong")
                    .isNull();
        }
        assertThat(suspectDisks(report.warnings())).isEqualTo(suspects(point));
        return report;
    }

    /** The disks of a point that were found to be doubtful. */
    Set<String> suspects(ModelPoint point) {
        return point.disks().keySet().stream()
                .filter(disk -> isSuspect(point, disk))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** The disks of a point from which nothing can be taken over, as a lie has been told since its proof. */
    Set<String> doubts(ModelPoint point) {
        return point.disks().keySet().stream()
                .filter(disk -> isSuspect(point, disk)
                        || doubtedProofs.contains(point.disks().get(disk).provenPoint() + " " + disk))
                .collect(Collectors.toSet());
    }

    private boolean isSuspect(ModelPoint point, String disk) {
        return suspects.contains(point.id() + " " + disk);
    }

    private static Set<String> suspectDisks(List<Warning> warnings) {
        return warnings.stream()
                .filter(warning -> warning.code().equals("SUSPECT"))
                .map(warning -> warning.disk().value())
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /**
     * Reads what was found out by sessions of late, which makes suspect what was not proven since the proof that the
     * parent's disk rests on; gives the disks that it is about.
     */
    Set<String> findIncidents(VmId vm) {
        Set<String> disks = new TreeSet<>();
        for (String key : store.keys("incidents/")) {
            if (incidents.add(key)) {
                JsonNode incident = PlainRepository.json(store.bytes(key));
                String disk = incident.get("disk").textValue();
                assertThat(disks.add(disk)).as("one incident for disk " + disk).isTrue();
                SessionId proof = latest(vm).disks().get(disk).provenPoint();
                doubtedProofs.add(proof + " " + disk);
                Set<String> expected = points.stream()
                        .filter(point -> point.vm().equals(vm)
                                && point.disks().containsKey(disk)
                                && point.disks().get(disk).trust() != Trust.PROVEN
                                && proof.equals(point.disks().get(disk).provenPoint()))
                        .map(point -> point.id().value())
                        .collect(Collectors.toSet());
                Set<String> told = new HashSet<>();
                incident.get("points").forEach(point -> told.add(point.textValue()));
                assertThat(told).as("the points that may hold the same lie").isEqualTo(expected);
                told.forEach(point -> suspects.add(point + " " + disk));
            }
        }
        return disks;
    }

    RestoreReport restore(ModelPoint point, RestoredVm target) {
        return Lab.await(repository.restore(RestoreRequest.builder(point.vm())
                .point(point.id())
                .toNewVm(target, "restored")
                .build()));
    }

    /** Fails if verify finds damage, other than witnesses that are to be put again. */
    VerifyReport checkWhole() {
        VerifyReport report = Lab.await(repository.verify(VerifyRequest.EVERYTHING));
        for (Damage damage : report.damage()) {
            assertThat(halfDeleted)
                    .as(damage.toString())
                    .anyMatch(id -> damage.object().matches("witness/.*/" + id));
        }
        long expected =
                points.stream().mapToLong(point -> suspects(point).size()).sum();
        assertThat(report.warnings().stream()
                        .filter(warning -> warning.code().equals("SUSPECT"))
                        .count())
                .isEqualTo(expected);
        return report;
    }

    @Override
    public void close() {
        genie.close();
    }

    private GenieVm process() {
        return GenieVm.builder()
                .blobStoreProvider(new OneStore("model", store))
                .workDirectory(directory)
                .memoryBudget(16 << 20)
                .parallelism(parallelism)
                .storePatience(Duration.ofMillis(10))
                .clock(Clock.fixed(Instant.parse("2026-11-21T08:40:00Z"), ZoneOffset.UTC))
                .open();
    }
}
