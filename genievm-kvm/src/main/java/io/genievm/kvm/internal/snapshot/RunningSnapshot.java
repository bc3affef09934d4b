package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.guard.Guardian;
import io.genievm.kvm.internal.libvirt.BackupRefusedException;
import io.genievm.kvm.internal.libvirt.BackupXml;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.qemu.QemuImg;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A snapshot of a running domain: a backup job of QEMU's in pull mode, with a checkpoint made in the same moment. QEMU
 * exports the disks as they were at that moment; what the guest overwrites goes to scratch files first.
 */
final class RunningSnapshot extends DomainSnapshot {
    private static final Logger LOG = LoggerFactory.getLogger(RunningSnapshot.class);
    private static final String BITMAP = "genievm-changes";

    private final BackupFiles files;
    /** None when none can be had. */
    private @Nullable Guardian guardian;

    private final ConnectGate gate = new ConnectGate();
    private final Map<DiskId, LibvirtDomain.Checkpoint> since = new HashMap<>();
    /** The disks that are tracked from now on, and which images they consist of. */
    private final Map<DiskId, String> tracked = new LinkedHashMap<>();

    /** The parent's checkpoints that libvirt does not know. */
    private final Map<DiskId, String> forgotten = new HashMap<>();

    private @Nullable ScratchWatch watch;
    private final boolean wasStopped;

    private RunningSnapshot(Subject subject, Claim claim, @Nullable Guardian guardian, boolean wasStopped) {
        super(subject, claim);
        this.files = subject.files();
        this.guardian = guardian;
        this.wasStopped = wasStopped;
    }

    /**
     * Begins a snapshot. When this throws, nothing of it is left, and the claim is the caller's.
     *
     * @param xml the domain as it runs
     */
    static RunningSnapshot begin(Subject subject, Claim claim, DomainXml xml) {
        boolean wasStopped = isStopped(subject);
        RunningSnapshot snapshot = new RunningSnapshot(subject, claim, startGuardian(subject), wasStopped);
        try {
            snapshot.begin(xml, claim);
            return snapshot;
        } catch (RuntimeException | Error e) {
            snapshot.takeBack(e);
            throw e;
        }
    }

    /** Starts a guardian, which takes as long as all the rest, so that much is done meanwhile. */
    private static @Nullable Guardian startGuardian(Subject subject) {
        try {
            return Guardian.start(
                    subject.options().uri(),
                    subject.domain().uuid(),
                    subject.options().freezeLimit());
        } catch (GenieVmException e) {
            withoutGuardian(subject, e);
            return null;
        }
    }

    private void awaitGuardian(Claim claim) {
        if (guardian == null) {
            return;
        }
        try {
            guardian.awaitReady();
            guardian.claim(claim);
        } catch (GenieVmException e) {
            guardian.close();
            guardian = null;
            withoutGuardian(subject, e);
        }
    }

    private static void withoutGuardian(Subject subject, GenieVmException why) {
        LOG.warn(
                "no guardian stands by the backup of domain {}, so it is not frozen: {}",
                subject.vm(),
                why.getMessage());
        subject.facts()
                .add(
                        "GUARDIAN_MISSING",
                        null,
                        "no guardian stands by, so should this process die, the backup job stays until the next backup: "
                                + why.getMessage());
    }

    private void begin(DomainXml xml, Claim claim) {
        prepare();
        awaitGuardian(claim);
        List<ExportedDisk> disks = new ArrayList<>();
        QuiesceMode mode = QuiesceMode.NONE;
        if (!subject.disks().isEmpty()) {
            watch = new ScratchWatch(subject, new ScratchWatch.Danger() {
                @Override
                public void giveUp(GenieVmException why) {
                    giveUpForSpace(why);
                }

                @Override
                public boolean isGuestStopped() {
                    return !wasStopped && isStopped(subject);
                }
            });
            subject.checkWanted();
            mode = beginJob(xml.hasAgentChannel());
            watch.start();
            try {
                for (SelectedDisk disk : subject.disks()) {
                    disks.add(export(disk));
                }
            } catch (RuntimeException | Error e) {
                disks.forEach(ExportedDisk::close);
                throw e;
            }
        }
        begun(disks, mode);
        subject.checkWanted();
    }

    /** Finds out what can be incremental and what can be tracked. */
    private void prepare() {
        Map<String, LibvirtDomain.Checkpoint> known = subject.domain().checkpoints().stream()
                .collect(Collectors.toMap(LibvirtDomain.Checkpoint::name, Function.identity(), (a, b) -> a));
        for (SelectedDisk disk : subject.disks()) {
            String identity = identityOf(disk);
            if (identity != null) {
                tracked.put(disk.id(), identity);
            }
            ChangeToken token = subject.request().parentTokens().get(disk.id());
            if (token == null) {
                continue;
            }
            Marker parent = identity == null ? null : Marker.in(token, disk.id(), identity);
            LibvirtDomain.Checkpoint checkpoint = parent == null ? null : known.get(parent.name());
            if (parent == null || !parent.repository().equals(subject.marker().repository())) {
                subject.facts().trackingLost(disk.id(), Checkpoints.NOT_OF_THESE_IMAGES);
            } else if (checkpoint == null) {
                forgotten.put(disk.id(), parent.name());
                subject.facts().trackingLost(disk.id(), "libvirt does not know its checkpoint " + parent.name());
            } else if (!checkpoint.bitmaps().containsKey(disk.id().value())) {
                subject.facts().trackingLost(disk.id(), "its checkpoint " + parent.name() + " has no bitmap of it");
            } else {
                since.put(disk.id(), checkpoint);
            }
        }
    }

    /** What a disk that can be tracked consists of, or {@code null} when it can not, or that is not to be seen. */
    private static @Nullable String identityOf(SelectedDisk disk) {
        String source = disk.xml().source();
        if (!disk.mayBeTracked() || source == null) {
            return null;
        }
        try {
            List<QemuImg.Image> chain =
                    QemuImg.chain(Path.of(source), disk.xml().format());
            return chain.get(0).keepsBitmaps() ? ImageIdentity.of(chain) : null;
        } catch (GenieVmException | InvalidPathException e) {
            LOG.warn("disk {} is not tracked, as its image can not be looked at: {}", disk.id(), e.getMessage());
            return null;
        }
    }

    private QuiesceMode beginJob(boolean hasAgentChannel) {
        if (guardian != null) {
            subject.disks().forEach(disk -> guardian.file(files.scratch(disk.id())));
            guardian.file(files.socket());
            guardian.job(files.socket());
        }
        Quiescing quiescing = new Quiescing(subject, guardian);
        QuiesceMode mode;
        quiescing.freeze(hasAgentChannel);
        try {
            while (!tryToBeginJob()) {
                subject.checkWanted();
            }
        } finally {
            mode = quiescing.thaw();
        }
        return mode;
    }

    /** Begins the job, or finds out what has to be left out and gives false. */
    private boolean tryToBeginJob() {
        List<BackupXml.BackupDisk> disks = new ArrayList<>();
        for (SelectedDisk disk : subject.disks()) {
            LibvirtDomain.Checkpoint checkpoint = since.get(disk.id());
            disks.add(new BackupXml.BackupDisk(
                    disk.id().value(),
                    files.scratch(disk.id()),
                    checkpoint == null ? null : checkpoint.name(),
                    BITMAP));
        }
        Set<String> selected =
                subject.disks().stream().map(disk -> disk.id().value()).collect(Collectors.toSet());
        List<String> left = DomainXml.parse(subject.domain().xml(false)).disks().stream()
                .map(DomainXml.Disk::target)
                .filter(target -> !selected.contains(target))
                .toList();
        try {
            subject.domain().beginBackup(BackupXml.backup(files.socket(), disks, left), checkpointXml(left));
            return true;
        } catch (BackupRefusedException e) {
            leaveOut(e);
            return false;
        }
    }

    private @Nullable String checkpointXml(List<String> left) {
        if (tracked.isEmpty()) {
            return null;
        }
        List<String> untracked = new ArrayList<>(left);
        subject.disks().stream()
                .map(SelectedDisk::id)
                .filter(disk -> !tracked.containsKey(disk))
                .forEach(disk -> untracked.add(disk.value()));
        return BackupXml.checkpoint(
                subject.marker().name(),
                Checkpoints.description(),
                null,
                tracked.keySet().stream().map(DiskId::value).toList(),
                untracked);
    }

    /** Leaves out what libvirt does not want: one disk where it names one, else all. */
    private void leaveOut(BackupRefusedException e) {
        DiskId disk = e.disk() == null ? null : new DiskId(e.disk());
        boolean isSince = e.problem() == LibvirtDomain.BackupProblem.CHECKPOINT_UNUSABLE;
        Set<DiskId> candidates = isSince ? since.keySet() : tracked.keySet();
        if (candidates.isEmpty()) {
            throw e;
        }
        Set<DiskId> leftOut = disk != null && candidates.contains(disk) ? Set.of(disk) : Set.copyOf(candidates);
        LOG.info("domain {}: without {} for {}: {}", subject.vm(), e.problem(), leftOut, e.getMessage());
        candidates.removeAll(leftOut);
        if (isSince) {
            leftOut.forEach(each -> subject.facts().trackingLost(each, String.valueOf(e.getMessage())));
        }
    }

    private ExportedDisk export(SelectedDisk disk) {
        String images = tracked.get(disk.id());
        ChangeToken token = images == null ? null : subject.marker().token(disk.id(), images);
        ChangeToken parent =
                since.containsKey(disk.id()) ? subject.request().parentTokens().get(disk.id()) : null;
        return new ExportedDisk(
                subject.vm(),
                disk.id(),
                NbdAddress.unix(files.socket(), disk.id().value()),
                new ExportedDisk.Tracking(token, parent, BITMAP),
                subject.facts(),
                gate,
                this);
    }

    private void giveUpForSpace(GenieVmException why) {
        LOG.warn("{}", why.getMessage());
        giveUp(why);
        abortJob();
        resume();
    }

    private static boolean isStopped(Subject subject) {
        return subject.domain().state() == LibvirtDomain.State.PAUSED_BY_IO_ERROR;
    }

    /** Lets the guest go on that was stopped during the job, by the job. Should its own disk be full, it stops again. */
    private void resume() {
        if (!wasStopped && isStopped(subject)) {
            subject.domain().resume();
        }
    }

    @Override
    void stopServing() {
        abortJob();
        // Only now: until the job is gone, the guest may be stopped.
        if (watch != null) {
            watch.close();
            resume();
        }
        BackupFiles.remove(List.of(files.socket()));
        BackupFiles.remove(
                subject.disks().stream().map(disk -> files.scratch(disk.id())).toList());
    }

    /** Ends the job if it is this snapshot's, also when the answer to its beginning was lost. */
    private void abortJob() {
        gate.shut();
        subject.domain().abortJob(files.socket());
    }

    @Override
    boolean isServing() {
        try {
            return subject.domain().isServing(files.socket());
        } catch (GenieVmException e) {
            return !e.code().equals(ErrorCode.NOT_FOUND);
        }
    }

    @Override
    void clearForgotten(Checkpoints checkpoints) {
        forgotten.forEach((disk, name) -> checkpoints.deleteForgotten(name, disk.value()));
    }

    @Override
    void release(boolean isCleared) {
        if (guardian != null && isCleared) {
            guardian.close();
        } else if (guardian != null) {
            guardian.leave();
        }
    }

    @Override
    public void confirmUnchanged(DiskId disk) {
        // QEMU keeps the moment; whoever ended the job made the reading fail.
    }
}
