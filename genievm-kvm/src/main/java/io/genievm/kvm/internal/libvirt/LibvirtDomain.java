package io.genievm.kvm.internal.libvirt;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A domain, known by its UUID: every call looks it up anew and fails with {@code NOT_FOUND} when it is gone. Safe for use
 * by several threads.
 */
public final class LibvirtDomain {
    /** Whether a domain runs. */
    public enum State {
        /** It runs. */
        RUNNING,
        /** It is active and its processors stand still, by somebody's will. */
        PAUSED,
        /** It is active and stands still since a write to a disk failed. */
        PAUSED_BY_IO_ERROR,
        /** It is active in some other way: shutting down, crashed and kept, migrating in. */
        OTHER_ACTIVE,
        /** It is shut off. */
        SHUT_OFF,
        /** It is shut off and its memory is saved, so that it goes on where it was: its disks may not be written. */
        SAVED;

        /** Whether QEMU has its disks open. */
        public boolean isActive() {
            return this != SHUT_OFF && this != SAVED;
        }
    }

    /** Failures that callers of {@link #beginBackup} act upon. */
    public enum BackupProblem {
        /** A checkpoint that an increment was asked from is not there, or a bitmap of it is missing or broken. */
        CHECKPOINT_UNUSABLE,
        /** A disk can not have a checkpoint. */
        CHECKPOINT_UNSUPPORTED
    }

    /**
     * Something libvirt knows as a checkpoint.
     *
     * @param name its name
     * @param description the text that its maker gave, or empty
     * @param created seconds since 1970
     * @param bitmaps the disks that it tracks, target to name of the bitmap
     */
    public record Checkpoint(String name, String description, long created, Map<String, String> bitmaps) {}

    /** Its UUID. */
    public String uuid() {
        throw new UnsupportedOperationException();
    }

    /** Its name as it is now. */
    public String name() {
        throw new UnsupportedOperationException();
    }

    /** What it does now. */
    public State state() {
        throw new UnsupportedOperationException();
    }

    /** Whether it stays defined when it is shut off. */
    public boolean isPersistent() {
        throw new UnsupportedOperationException();
    }

    /**
     * Its definition, without secrets.
     *
     * @param inactive whether as it will be at its next start, rather than as it is now
     */
    public String xml(boolean inactive) {
        throw new UnsupportedOperationException();
    }

    /**
     * The size of a disk as the guest sees it, whether the domain runs or not.
     *
     * @param target the disk
     * @return bytes
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when there is no such disk, or an I/O code
     */
    public long capacity(String target) {
        throw new UnsupportedOperationException();
    }

    /**
     * Begins a backup job, and makes a checkpoint in the same moment.
     *
     * @param backup the {@code domainbackup} document
     * @param checkpoint the {@code domaincheckpoint} document, or {@code null} for none
     * @throws BackupRefusedException for what {@link BackupProblem} names; nothing was begun then
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when another job holds the domain, {@code NO_SPACE}, or an
     *     I/O code
     */
    public void beginBackup(String backup, @Nullable String checkpoint) {
        throw new UnsupportedOperationException();
    }

    /** The document of the backup job that runs. Does not wait for anything. */
    public Optional<String> backupXml() {
        throw new UnsupportedOperationException();
    }

    /** What job holds the domain, in words ("backup", "migration"), or empty when none does. */
    public Optional<String> runningJob() {
        throw new UnsupportedOperationException();
    }

    /**
     * Ends the job that runs, and waits until it is gone, at most some seconds. Does nothing when there is none.
     */
    public void abortJob() {
        throw new UnsupportedOperationException();
    }

    /** Lets a paused domain go on. */
    public void resume() {
        throw new UnsupportedOperationException();
    }

    /** Its checkpoints, in no order. */
    public List<Checkpoint> checkpoints() {
        throw new UnsupportedOperationException();
    }

    /**
     * Tells libvirt of a checkpoint whose bitmaps are in the images, also of a domain that is shut off.
     *
     * @param xml the {@code domaincheckpoint} document
     */
    public void redefineCheckpoint(String xml) {
        throw new UnsupportedOperationException();
    }

    /**
     * Deletes a checkpoint; does nothing when it is not there.
     *
     * @param name its name
     * @param metadataOnly whether its bitmaps are left alone, as they must be when the domain is shut off or they are
     *     missing
     */
    public void deleteCheckpoint(String name, boolean metadataOnly) {
        throw new UnsupportedOperationException();
    }

    /**
     * Freezes the guest's file systems through its agent.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when there is no agent or it does not answer, and
     *     an I/O code when it refuses
     */
    public void freeze() {
        throw new UnsupportedOperationException();
    }

    /** Thaws the guest's file systems; does nothing when they are not frozen. */
    public void thaw() {
        throw new UnsupportedOperationException();
    }

    /** Whether the guest's file systems are frozen; empty when its agent does not answer. */
    public Optional<Boolean> isFrozen() {
        throw new UnsupportedOperationException();
    }

    /** Takes the definition of a domain that is shut off away, with its firmware variables' file left alone. */
    public void undefine() {
        throw new UnsupportedOperationException();
    }
}
