package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.kvm.internal.guard.Claim;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What snapshots of running domains and of those that are shut off have in common. Safe for use by several threads. */
abstract class DomainSnapshot implements VmSnapshot, ExportedDisk.Snapshot {
    final Subject subject;

    private final Claim claim;
    private List<ExportedDisk> disks = List.of();
    private QuiesceMode quiesced = QuiesceMode.NONE;
    private Consumer<VmSnapshot> onClose = snapshot -> {};
    private final Object ending = new Object();
    /** Guarded by {@link #ending}. */
    private boolean readingEnded;

    private final Object closing = new Object();
    private boolean closed;

    /** Why nothing can be read any more, when that is not that somebody closed it. */
    private volatile @Nullable GenieVmException lost;

    DomainSnapshot(Subject subject, Claim claim) {
        this.subject = subject;
        this.claim = claim;
    }

    /** Takes what was begun. */
    final void begun(List<ExportedDisk> exported, QuiesceMode mode) {
        disks = List.copyOf(exported);
        quiesced = mode;
    }

    /** Registers what is to be told of the end. */
    public final void onClose(Consumer<VmSnapshot> listener) {
        onClose = listener;
    }

    @Override
    public final VmDescription description() {
        return subject.description();
    }

    @Override
    public final List<SnapshotDisk> disks() {
        return List.copyOf(disks);
    }

    @Override
    public final QuiesceMode quiesced() {
        return quiesced;
    }

    @Override
    public final List<DriverFact> facts() {
        return subject.facts().toList();
    }

    @Override
    public final void committed() {
        endReading();
        Checkpoints checkpoints = new Checkpoints(subject);
        checkpoints.deleteEnded(
                Set.of(subject.marker().name()),
                (session, life) -> subject.request().hasEnded(session));
        clearForgotten(checkpoints);
    }

    /** Clears what libvirt has forgotten of the parent's checkpoint. */
    void clearForgotten(Checkpoints checkpoints) {
        // Of a domain that is shut off, the next beginning sees bitmaps that have no checkpoint.
    }

    @Override
    public final void abandoned() {
        endReading();
        new Checkpoints(subject).delete(subject.marker().name());
    }

    /** Whoever comes second waits: when the connection has closed its snapshots it closes what these end their jobs by. */
    @Override
    public final void close() {
        synchronized (closing) {
            if (closed) {
                return;
            }
            closed = true;
            try {
                endReading();
            } finally {
                release(isReadingEnded());
                claim.close();
                onClose.accept(this);
            }
        }
    }

    /** Takes everything back that a beginning which failed has made, but for the claim. */
    final void takeBack(Throwable reason) {
        try {
            abandoned();
        } catch (RuntimeException e) {
            reason.addSuppressed(e);
        }
        release(isReadingEnded());
    }

    /** Ends what serves the disks, unless that has been done; whoever comes second waits, and tries again if it failed. */
    private void endReading() {
        synchronized (ending) {
            disks.forEach(ExportedDisk::close);
            if (!readingEnded) {
                stopServing();
                readingEnded = true;
            }
        }
    }

    private boolean isReadingEnded() {
        synchronized (ending) {
            return readingEnded;
        }
    }

    /** Ends what serves the disks, when nobody reads any more; called again after it has failed. */
    abstract void stopServing();

    /**
     * Releases what lives as long as the snapshot: called once, last.
     *
     * @param isCleared whether what serves the disks has ended, so that nothing is left to clear
     */
    abstract void release(boolean isCleared);

    /** Says from now on why nothing can be read any more, and breaks off what reads. */
    final void giveUp(GenieVmException why) {
        if (lost == null) {
            lost = why;
        }
        disks.forEach(ExportedDisk::close);
    }

    @Override
    public final GenieVmException explain(GenieVmException failure) {
        GenieVmException why = lost;
        if (why != null) {
            return new GenieVmException(why.code(), why.resource(), String.valueOf(why.getMessage()), failure);
        }
        if (failure.code().equals(ErrorCode.CLOSED) || isServing()) {
            return failure;
        }
        return new GenieVmException(
                ErrorCode.SNAPSHOT_LOST,
                failure.resource(),
                "the snapshot of '" + subject.vm() + "' is gone: " + failure.getMessage(),
                failure);
    }

    /** Whether what serves the disks is still there, as far as can be told. */
    abstract boolean isServing();
}
