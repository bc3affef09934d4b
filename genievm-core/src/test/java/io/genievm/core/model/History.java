package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.BrokenList;
import io.genievm.testkit.DriverLie;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryHypervisor.Call;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** Some days in the life of a few VMs and their repositories, at random. For one thread. */
final class History implements AutoCloseable {
    private static final double[] SHARES = {1, 0.5, 0.2, 1.0 / 3, 1.0 / 64};

    private final Random random;
    private final Random guestRandom;
    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final Eavesdropper tracking;
    private final Eavesdropper blind;
    private final boolean lying;
    private final List<Guest> guests = new ArrayList<>();
    private final List<ModelRepository> repositories = new ArrayList<>();
    private final List<Plans> plans = new ArrayList<>();
    private final List<String> story = new ArrayList<>();
    private int calls = 60;

    private History(Random random, Path directory, boolean lying, int repositoryCount) {
        this.random = random;
        this.lying = lying;
        this.guestRandom = new Random(random.nextLong());
        blind = new Eavesdropper(hypervisor.connect());
        hypervisor.trackChanges(true);
        tracking = new Eavesdropper(hypervisor.connect());
        for (int i = 0; i < repositoryCount; i++) {
            ModelRepository repository = new ModelRepository(directory, 1 + random.nextInt(2));
            repositories.add(repository);
            plans.add(new Plans(repository));
        }
    }

    /**
     * One that nobody has a hand in.
     *
     * @param random decides everything
     * @param directory for temporary files
     * @param lying whether the hypervisor lies about changes and allocation
     */
    static History random(Random random, Path directory, boolean lying) {
        History history = new History(random, directory, lying, oneOrTwo(random));
        for (int i = oneOrTwo(random); i > 0; i--) {
            history.addDisk(history.addGuest("vm" + i));
        }
        return history;
    }

    /** One in which nothing happens by itself, with one repository and a hypervisor that may lie. */
    static History directed(Random random, Path directory) {
        return new History(random, directory, true, 1);
    }

    Guest addGuest(String id) {
        Guest guest = new Guest(hypervisor, id);
        guests.add(guest);
        return guest;
    }

    /** The first repository. */
    ModelRepository repository() {
        return repositories.get(0);
    }

    private static int oneOrTwo(Random random) {
        return random.nextInt(3) == 0 ? 2 : 1;
    }

    /** Runs it; a failure tells the story so far. */
    void run() {
        try {
            int steps = 10 + random.nextInt(31);
            for (int step = 0; step < steps; step++) {
                step();
            }
            checkAll();
        } catch (RuntimeException | Error e) {
            throw new AssertionError("after " + String.join("\n", story) + "\n" + e, e);
        }
    }

    private void step() {
        Guest guest = guests.get(random.nextInt(guests.size()));
        int which = random.nextInt(repositories.size());
        int dice = random.nextInt(100);
        if (dice < 30) {
            for (int i = random.nextInt(4); i >= 0; i--) {
                changeGuest(guest, random);
            }
        } else if (dice < 40) {
            if (!lying || random.nextInt(4) == 0) {
                changeDisks(guest);
            } else {
                lie(guest);
            }
        } else if (dice < 46) {
            if (!lying || random.nextInt(4) == 0) {
                changeTracking(guest);
            } else {
                lie(guest);
            }
        } else if (dice < 78) {
            backup(guest, which, Trouble.Kind.NONE);
        } else if (dice < 88) {
            backup(guest, which, Trouble.Kind.any(random));
        } else if (dice < 93) {
            delete(repositories.get(which), random.nextBoolean() ? Trouble.Kind.NONE : Trouble.Kind.any(random));
        } else if (lying) {
            lie(guest);
        } else {
            collect(plans.get(which));
        }
    }

    // What happens to the guest.

    private void changeGuest(Guest guest, Random chances) {
        GuestDisk disk = guest.anyDisk(chances);
        if (disk == null || disk.capacity() == 0) {
            return;
        }
        // Most writes lie close together, so that they overlap and share chunks.
        long capacity = disk.capacity();
        long area = chances.nextInt(3) == 0 ? capacity : Math.min(capacity, 1 << 20);
        int most = 1 << 1 + chances.nextInt(18);
        int length = (int) Math.min(capacity, 1 + chances.nextInt(most));
        long offset = (long) (chances.nextDouble() * (area - Math.min(area, length) + 1));
        switch (chances.nextInt(8)) {
            case 0 -> offset = 0;
            case 1 -> offset = capacity - length;
            case 2 -> {
                offset = offset / PlainBytes.BLOCK * PlainBytes.BLOCK;
                length = (int) Math.min(capacity - offset, (length / PlainBytes.BLOCK + 1) * ((long) PlainBytes.BLOCK));
            }
            default -> {}
        }
        int kind = chances.nextInt(10);
        story.add("disk " + disk.id() + " of " + guest.id() + ": " + kind + " at " + offset + "+" + length);
        switch (kind) {
            case 0 -> disk.zero(offset, length);
            case 1 -> {
                // As guests discard: aligned.
                long start = offset / GuestDisk.ALLOCATION * GuestDisk.ALLOCATION;
                disk.zero(start, Math.min(capacity - start, (length / 100_000 + 1) * ((long) GuestDisk.ALLOCATION)));
            }
            case 2 -> disk.write(offset, new byte[length]);
            case 3 -> disk.write(offset, disk.read((long) (chances.nextDouble() * (capacity - length)), length));
            case 4 -> disk.write(offset, disk.read(offset, length));
            default -> {
                byte[] bytes = new byte[length];
                chances.nextBytes(bytes);
                disk.write(offset, bytes);
            }
        }
    }

    private void changeDisks(Guest guest) {
        GuestDisk disk = guest.anyDisk(random);
        int kind = disk == null ? 0 : random.nextInt(8);
        story.add("disks of " + guest.id() + ": " + kind + (disk == null ? "" : " " + disk.id()));
        switch (kind) {
            case 0 -> {
                if (guest.disks().size() < 4) {
                    addDisk(guest);
                }
            }
            case 1 -> guest.removeDisk(disk.id());
            case 2 -> {
                guest.removeDisk(disk.id());
                GuestDisk other = guest.addDisk(disk.id(), random.nextBoolean() ? disk.capacity() : oddSize());
                fill(other, random.nextInt(500_000));
            }
            case 3 -> {
                guest.removeDisk(disk.id());
                String name = disk.id() + "x";
                if (!guest.hasDisk(name)) {
                    guest.addDisk(name, disk.capacity()).copyFrom(disk);
                }
            }
            case 4 -> disk.zero(0, disk.capacity());
            case 5 -> disk.resize(disk.capacity() + oddSize() / 4);
            case 6 -> disk.resize((long) (disk.capacity() * random.nextDouble()));
            default -> disk.limits(anyLimits());
        }
    }

    private void changeTracking(Guest guest) {
        GuestDisk disk = guest.anyDisk(random);
        if (disk != null) {
            int kind = random.nextInt(3);
            story.add("tracking of disk " + disk.id() + " of " + guest.id() + ": " + kind);
            switch (kind) {
                case 0 -> disk.loseTracking();
                case 1 -> disk.track(!disk.isTracked());
                default -> disk.grain(1 << 9 + random.nextInt(9));
            }
        }
    }

    /** Lets a disk tell some lies from now on, or the truth. */
    private void lie(Guest guest) {
        GuestDisk disk = guest.anyDisk(random);
        if (disk == null) {
            return;
        }
        List<DriverLie> lies = new ArrayList<>();
        for (int i = random.nextInt(3); i > 0; i--) {
            lies.add(anyLie(guest, disk));
        }
        story.add("lies of disk " + disk.id() + " of " + guest.id() + ": " + lies);
        disk.lie(lies);
    }

    private DriverLie anyLie(Guest guest, GuestDisk disk) {
        long offset = (long) (random.nextDouble() * disk.capacity());
        Extent extent = new Extent(offset, 1 + random.nextInt(random.nextBoolean() ? 10_000 : 1_000_000));
        BrokenList how = BrokenList.values()[random.nextInt(BrokenList.values().length)];
        if (how == BrokenList.ENDLESS_ASCENT && disk.capacity() > 1 << 30) {
            // Takes too long where it keeps the rules for so long.
            how = BrokenList.PAST_END;
        }
        return switch (random.nextInt(9)) {
            case 0, 1 -> new DriverLie.MissingChanges(extent);
            case 2 -> new DriverLie.NoChanges();
            case 3 -> new DriverLie.UnrecordedWrites(extent);
            case 4 -> new DriverLie.StaleToken();
            case 5 -> new DriverLie.OtherDisk(guest.anyDisk(random).real());
            case 6 ->
                random.nextBoolean()
                        ? new DriverLie.UnknownChanges("HEADACHE")
                        : new DriverLie.HiddenAllocation(extent);
            case 7 -> new DriverLie.BrokenAllocation(how);
            default -> new DriverLie.BrokenChanges(how);
        };
    }

    private void addDisk(Guest guest) {
        String name = "disk" + random.nextInt(4);
        if (!guest.hasDisk(name)) {
            GuestDisk disk = guest.addDisk(name, oddSize());
            story.add("disk " + name + " of " + disk.capacity() + " added to " + guest.id());
            if (random.nextInt(3) == 0) {
                disk.limits(anyLimits());
            }
            fill(disk, random.nextInt(1_500_000));
        }
    }

    private void fill(GuestDisk disk, int most) {
        byte[] bytes = new byte[(int) Math.min(disk.capacity(), most)];
        random.nextBytes(bytes);
        disk.write(0, bytes);
    }

    private long oddSize() {
        return switch (random.nextInt(40)) {
            case 0 -> 0;
            case 1 -> 1;
            case 2 -> 4096L * (1 + random.nextInt(1100));
            // Three levels of pages, two of them nearly empty.
            case 3 -> lying ? 100_000 : (4L << 30) + random.nextInt(1 << 30);
            case 4, 5, 6, 7 -> (4 << 20) + random.nextInt(4 << 20);
            default -> random.nextInt(1_500_000);
        };
    }

    private DiskLimits anyLimits() {
        int alignment = 1 << random.nextInt(17);
        return switch (random.nextInt(4)) {
            case 0 -> DiskLimits.FILE;
            case 1 -> new DiskLimits(1, 1, 1 << 16, alignment);
            case 2 -> new DiskLimits(3, 1, 1 << 18, alignment);
            default -> new DiskLimits(2, 2, 1 << 20, alignment);
        };
    }

    // What is done with repositories.

    private void backup(Guest guest, int which, Trouble.Kind kind) {
        int at = (int) (random.nextDouble() * 1.3 * calls);
        boolean isTracking = random.nextInt(lying ? 40 : 12) > 0;
        boolean busy = random.nextInt(3) == 0;
        int breaks = random.nextInt(8) == 0 ? 1 + random.nextInt(2) : 0;
        BackupRequest request = anyRequest(guest);
        Snapshots snapshots = new Snapshots(guest, busy, breaks, request.allowInconsistent());
        backup(guest, which, request, isTracking, kind, Trouble.When.number(at), snapshots);
        ModelRepository repository = repositories.get(which);
        if (random.nextInt(6) == 0) {
            checkAll(repository);
        } else {
            repository.checkList();
        }
    }

    /** Backs up a guest to the first repository while it does nothing; gives the point, or {@code null}. */
    ModelPoint backup(Guest guest, BackupRequest request, Trouble.Kind kind, Trouble.When when) {
        return backup(guest, 0, request, true, kind, when, new Snapshots(guest, false, 0, false));
    }

    private ModelPoint backup(
            Guest guest,
            int which,
            BackupRequest request,
            boolean isTracking,
            Trouble.Kind kind,
            Trouble.When when,
            Snapshots snapshots) {
        ModelRepository repository = repositories.get(which);
        Plans collector = plans.get(which);
        ModelPoint parent = repository.latest(guest.id());
        CompletableFuture<TaskHandle<BackupReport>> task = new CompletableFuture<>();
        Trouble trouble = new Trouble(kind, when, () -> task.join().cancel(), snapshots);
        story.add("backup of " + guest.id() + " to " + which + " with " + kind + ", audit "
                + request.audit() + " " + request.auditShare() + (request.full() ? ", full" : "") + ", without "
                + request.excludedDisks() + (isTracking ? "" : ", blind")
                + (collector.isAnyInForce() ? ", with packs condemned" : ""));
        repository.store().intercept(trouble);
        hypervisor.hook(trouble);
        task.complete(repository.repository().backup(isTracking ? tracking : blind, request));
        BackupReport report = null;
        try {
            report = Lab.await(task.join());
        } catch (GenieVmException e) {
            story.add("it failed: " + e);
            if (e.code().category() == ErrorCategory.INTERNAL) {
                throw e;
            }
            boolean expected = !trouble.where().isEmpty() || snapshots.mayFail();
            assertThat(expected).as("a reason to fail: " + e).isTrue();
        }
        repository.store().stopIntercepting();
        hypervisor.removeHook();
        story.add(trouble.where().isEmpty() ? "nothing went wrong" : "trouble at " + trouble.where());
        if (kind == Trouble.Kind.NONE) {
            calls = trouble.calls();
        }
        assertThat(hypervisor.openReaders()).isZero();
        assertThat(hypervisor.openSnapshots()).isZero();
        if (trouble.kind().isDeath() && !trouble.where().isEmpty()) {
            repository.restart();
        }
        SessionId id = report == null ? unreported(repository, trouble) : report.point();
        Set<String> doubts = parent == null ? Set.of() : repository.doubts(parent);
        Set<String> incidents = repository.findIncidents(guest.id());
        ModelPoint point = null;
        if (id != null) {
            BackupCheck check = new BackupCheck(
                    request,
                    parent,
                    parent != null && repository.isNewestEver(parent),
                    doubts,
                    parent == null ? 1 : parent.sequence() + 1,
                    snapshots.moment,
                    snapshots.count,
                    snapshots.broken(),
                    isTracking ? tracking : blind,
                    lying,
                    isTracking,
                    collector.isAnyInForce());
            point = check.check(id, repository.manifest(id));
            assertThat(incidents).as("incidents").isEqualTo(lies(point));
            repository.add(point);
            if (random.nextInt(3) == 0) {
                // All others are looked at in the end, unless they are deleted.
                repository.checkContent(point);
            }
            collector.check(point, parent == null ? null : parent.id());
        }
        if (!trouble.kind().isDeath()) {
            checkTokens(guest, repository, id, trouble);
        }
        return point;
    }

    /** The disks of which a backup has found that their changes were told wrong. */
    private static Set<String> lies(ModelPoint point) {
        Set<String> disks = new TreeSet<>();
        for (JsonNode disk : point.manifest().get("disks")) {
            if (disk.get("consistent").booleanValue()
                    && !disk.get("audit").isNull()
                    && !disk.get("audit").get("mismatches").isEmpty()) {
                disks.add(disk.get("id").textValue());
            }
        }
        return disks;
    }

    /** The point of a backup that failed: only where nobody could tell it what became of its manifest. */
    private static SessionId unreported(ModelRepository repository, Trouble trouble) {
        Set<SessionId> unknown = repository.unknownPoints();
        if (!trouble.kind().isDeath() && !trouble.where().contains(" points/")) {
            assertThat(unknown).as("the points of failed backups").isEmpty();
        }
        assertThat(unknown).hasSizeLessThan(2);
        return unknown.stream().findFirst().orElse(null);
    }

    /** Fails if the hypervisor keeps tokens that nobody can ever use again. */
    private static void checkTokens(Guest guest, ModelRepository repository, SessionId point, Trouble trouble) {
        if (!trouble.where().isEmpty()) {
            return;
        }
        String ours = "genievm-" + repository.repository().id() + "-";
        Set<String> wanted = repository.sessions();
        if (point != null) {
            wanted.add(point.value());
        } else {
            repository.points().forEach(each -> wanted.add(each.id().value()));
        }
        boolean isAnyTracked = point == null
                || repository.latest(guest.id()).disks().values().stream().anyMatch(disk -> disk.token() != null);
        for (GuestDisk disk : guest.disks()) {
            Set<String> sessions = disk.freeze().tokens().stream()
                    .filter(token -> isAnyTracked && token.startsWith(ours))
                    .map(token -> token.substring(ours.length(), ours.length() + 32))
                    .collect(Collectors.toSet());
            assertThat(wanted).as("whose tokens disk " + disk.id() + " has").containsAll(sessions);
        }
    }

    private BackupRequest anyRequest(Guest guest) {
        BackupRequest.Builder request = BackupRequest.builder(guest.id())
                .codec(anyCodec())
                .audit(AuditMode.values()[random.nextInt(3)])
                .auditShare(SHARES[random.nextInt(SHARES.length)])
                .full(random.nextInt(lying ? 30 : 10) == 0)
                .allowInconsistent(random.nextInt(6) == 0);
        if (random.nextInt(8) == 0) {
            GuestDisk disk = guest.anyDisk(random);
            if (disk != null) {
                request.excludedDisks(Set.of(new DiskId(disk.id())));
            }
        }
        return request.build();
    }

    private Codec anyCodec() {
        return switch (random.nextInt(4)) {
            case 0 -> Codec.parse("lz4");
            case 1 -> Codec.parse("zstd:1");
            default -> Codec.NONE;
        };
    }

    private void delete(ModelRepository repository, Trouble.Kind kind) {
        if (repository.points().isEmpty() || kind == Trouble.Kind.CANCEL) {
            return;
        }
        ModelPoint point =
                repository.points().get(random.nextInt(repository.points().size()));
        if (random.nextBoolean()) {
            repository.checkContent(point);
        }
        Trouble trouble = new Trouble(kind, Trouble.When.number(random.nextInt(14)), () -> {}, event -> {});
        repository.store().intercept(trouble);
        boolean done = false;
        try {
            repository.repository().delete(point.id());
            done = true;
        } catch (GenieVmException e) {
            assertThat(trouble.where()).as("a reason to fail: " + e).isNotEmpty();
        }
        repository.store().stopIntercepting();
        story.add("deletion of " + point.id() + " with " + kind + " at " + trouble.where() + ": " + done);
        if (trouble.kind().isDeath() && !trouble.where().isEmpty()) {
            repository.restart();
        }
        boolean listed = repository.lists(point.id());
        if (done) {
            assertThat(listed).isFalse();
        }
        if (listed) {
            repository.halfDelete(point);
        } else {
            repository.remove(point);
        }
        repository.checkList();
    }

    private void collect(Plans collector) {
        if (!collector.isAnyInForce()) {
            story.add("packs are condemned");
            collector.publish(random);
        } else if (!collector.isDecided()) {
            story.add("the plan is decided");
            collector.decide();
        } else {
            story.add("the plan is carried out");
            collector.carryOut();
        }
    }

    void checkAll() {
        repositories.forEach(this::checkAll);
    }

    private void checkAll(ModelRepository repository) {
        repository.checkList();
        repository.points().forEach(repository::checkContent);
        repository.checkWhole();
    }

    @Override
    public void close() {
        repositories.forEach(ModelRepository::close);
        tracking.close();
        blind.close();
    }

    /** What the guest does during a backup, and the moments that it is frozen at. Safe for use by several threads. */
    private final class Snapshots implements InMemoryHypervisor.Hook {
        private final Guest guest;
        private final boolean lenient;
        // How many snapshots turn out to be of no single moment.
        private final int breaks;
        private final boolean busy;
        private Map<String, GuestDisk.Moment> moment;
        private String breaking;
        private int count;

        Snapshots(Guest guest, boolean busy, int breaks, boolean lenient) {
            this.guest = guest;
            this.busy = busy;
            this.breaks = breaks;
            this.lenient = lenient;
        }

        @Override
        public void before(InMemoryHypervisor.Event event) {
            synchronized (guestRandom) {
                if (busy && guestRandom.nextInt(4) == 0) {
                    changeGuest(guest, guestRandom);
                }
                if (event.call() == Call.BEGIN_SNAPSHOT) {
                    moment = guest.freeze();
                    count++;
                    breaking = null;
                }
                boolean breaks = event.call() == Call.CONFIRM_UNCHANGED
                        || event.call() == Call.READ && count == 1 && guestRandom.nextInt(3) == 0;
                if (breaks && count <= this.breaks && breaking == null) {
                    breaking = event.disk().value();
                    throw new GenieVmException(ErrorCode.SOURCE_CHANGED, "the disk was changing");
                }
            }
        }

        boolean mayFail() {
            return breaks == 2 && !lenient;
        }

        List<String> broken() {
            return breaking == null ? List.of() : List.of(breaking);
        }
    }
}
