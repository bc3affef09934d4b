package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.guard.Owner;
import io.genievm.kvm.internal.libvirt.BackupXml;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.qemu.QemuNbd;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds and clears what dead sessions of this repository left at a domain: a backup job that goes on for nobody, scratch
 * files and sockets, checkpoints and bitmaps. What belongs to others, or to a session that may still live, is in the way
 * or left alone, but never cleared. For one thread, which holds the claim to the domain.
 */
final class Leftovers {
    private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);

    private final Subject subject;
    private final LibvirtDomain domain;
    private final Claim.@Nullable Content deadHolder;
    private final Set<String> cleared = new TreeSet<>();

    /**
     * Looks at a domain.
     *
     * @param deadHolder what the dead holder of the claim said, if there was one
     */
    Leftovers(Subject subject, Claim.@Nullable Content deadHolder) {
        this.subject = subject;
        this.domain = subject.domain();
        this.deadHolder = deadHolder;
    }

    /**
     * Clears what may be cleared.
     *
     * @throws GenieVmException with {@code BUSY} when a job is in the way that is not ours or may still be wanted
     */
    void clear() {
        endDeadHolder();
        thaw();
        endJob();
        removeFiles();
        Set<String> parents = parents();
        Checkpoints checkpoints = new Checkpoints(subject);
        try {
            if (checkpoints.deleteEnded(parents, this::hasEnded) > 0) {
                cleared.add("checkpoints");
            }
            if (!domain.state().isActive()
                    && checkpoints.removeUnknownBitmaps(parents, subject.request()::hasEnded) > 0) {
                cleared.add("bitmaps");
            }
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.CLOSED)) {
                throw e;
            }
            // A checkpoint too many is no reason to have no backup; the next one tries again.
            LOG.warn("old checkpoints of domain {} can not be cleared: {}", subject.vm(), e.getMessage());
        }
        // Checkpoints alone may be those of points, which a backup that could not clear them has left.
        if (deadHolder != null && !cleared.isEmpty()
                || !Set.of("checkpoints", "files").containsAll(cleared)) {
            subject.facts()
                    .add(
                            DriverFact.LEFTOVER_CLEARED,
                            null,
                            "cleared what a backup that died has left: " + String.join(", ", cleared));
        }
    }

    private Set<String> parents() {
        Set<String> parents = new HashSet<>();
        for (ChangeToken token : subject.request().parentTokens().values()) {
            Marker marker = Marker.atStartOf(token.value());
            if (marker != null) {
                parents.add(marker.name());
            }
        }
        return parents;
    }

    private void endDeadHolder() {
        Marker dead = deadHolder == null ? null : Marker.exactly(deadHolder.marker());
        if (dead != null && isOurs(dead)) {
            subject.request().endSession(dead.session());
        }
    }

    private boolean hasEnded(SessionId session, Owner.Life maker) {
        return subject.request().hasEnded(session)
                || maker == Owner.Life.DEAD && subject.request().endSession(session);
    }

    private void endJob() {
        Optional<String> running = domain.runningJob();
        if (running.isEmpty()) {
            return;
        }
        String backup = domain.backupXml().orElse(null);
        Path socket = backup == null ? null : BackupXml.socketOf(backup);
        Marker marker = socket == null ? null : Marker.atStartOf(String.valueOf(socket.getFileName()));
        if (backup == null || socket == null || marker == null) {
            throw subject.failure(
                    ErrorCode.BUSY,
                    "a job that is not of GenieVM holds domain '" + subject.vm() + "': " + running.get());
        }
        if (!isOurs(marker)) {
            throw subject.failure(
                    ErrorCode.BUSY,
                    "a backup of domain '" + subject.vm() + "' to another repository, " + marker.repository()
                            + ", is under way, or was left by a process that died: only a backup to that repository"
                            + " may end it");
        }
        if (!isDead(marker)) {
            throw subject.failure(
                    ErrorCode.BUSY,
                    "session " + marker.session() + " is backing domain '" + subject.vm() + "' up, or may be");
        }
        boolean hadStopped = domain.state() == LibvirtDomain.State.PAUSED_BY_IO_ERROR;
        domain.abortJob(socket);
        cleared.add("a backup job");
        List<Path> files = new ArrayList<>(BackupXml.scratchFilesOf(backup));
        files.add(socket);
        // Only what bears our marker is ours to remove, whatever the document says.
        BackupFiles.remove(files.stream()
                .filter(file -> BackupFiles.isOf(file, marker.repository(), domain.uuid()))
                .toList());
        if (hadStopped && domain.state() == LibvirtDomain.State.PAUSED_BY_IO_ERROR) {
            // Nobody watched the scratch space of the dead job. Should it be another disk, the guest stops again.
            domain.resume();
        }
    }

    private boolean isDead(Marker marker) {
        if (deadHolder != null && deadHolder.marker().equals(marker.name())) {
            return true;
        }
        boolean isDead = domain.checkpoints().stream()
                .anyMatch(checkpoint -> checkpoint.name().equals(marker.name())
                        && Checkpoints.lifeOfMaker(checkpoint) == Owner.Life.DEAD);
        return isDead
                ? subject.request().endSession(marker.session())
                : subject.request().hasEnded(marker.session());
    }

    /** Thaws a guest that a dead backup froze, by its own record: its guardian died with it. */
    private void thaw() {
        List<Path> records = BackupFiles.left(
                        subject.options(), subject.marker().repository(), domain.uuid())
                .stream()
                .filter(BackupFiles::isFreezeRecord)
                .toList();
        if (records.isEmpty()) {
            return;
        }
        try {
            if (domain.state().isActive()) {
                domain.thaw();
                cleared.add("a freeze");
            }
            BackupFiles.remove(records);
        } catch (GenieVmException e) {
            // The record stays for the next one.
            LOG.warn("the guest of domain {} may be frozen since a backup died: {}", subject.vm(), e.getMessage());
        }
    }

    private void removeFiles() {
        List<Path> files = new ArrayList<>(
                BackupFiles.left(subject.options(), subject.marker().repository(), domain.uuid()));
        files.removeIf(BackupFiles::isFreezeRecord);
        if (deadHolder != null) {
            deadHolder.files().stream()
                    .filter(file -> BackupFiles.isOf(file, subject.marker().repository(), domain.uuid()))
                    .forEach(files::add);
        }
        if (!files.isEmpty()) {
            files.stream().filter(BackupFiles::isSocketOfDisk).forEach(QemuNbd::endForgotten);
            BackupFiles.remove(files);
            cleared.add("files");
        }
    }

    private boolean isOurs(Marker marker) {
        return marker.repository().equals(subject.marker().repository());
    }
}
