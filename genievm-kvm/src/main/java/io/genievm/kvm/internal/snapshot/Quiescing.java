package io.genievm.kvm.internal.snapshot;

import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.kvm.internal.Waiting;
import io.genievm.kvm.internal.guard.Guardian;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Freezes the file systems of a guest for the moment of a snapshot, under the eyes of a guardian that thaws them should
 * this process not do so. For one thread.
 */
final class Quiescing {
    private static final Logger LOG = LoggerFactory.getLogger(Quiescing.class);
    private static final int THAW_ATTEMPTS = 3;

    private final Subject subject;
    private final LibvirtDomain domain;
    private final @Nullable Guardian guardian;
    private boolean frozen;

    Quiescing(Subject subject, @Nullable Guardian guardian) {
        this.subject = subject;
        this.domain = subject.domain();
        this.guardian = guardian;
    }

    /** Freezes as far as it is asked for and possible. What is not is told as a fact. */
    void freeze(boolean hasAgentChannel) {
        if (subject.request().quiesce() == QuiesceMode.NONE) {
            return;
        }
        String why = whyNot(hasAgentChannel);
        if (why != null || guardian == null) {
            refused(why == null ? "no guardian stands by, and without one a guest could stay frozen" : why);
            return;
        }
        Path record = subject.files().freezeRecord();
        try {
            Files.createFile(record);
        } catch (IOException e) {
            refused("the freeze can not be recorded, without which nobody would know whose it is: " + e);
            return;
        }
        try {
            guardian.file(record);
            guardian.freezing();
        } catch (GenieVmException e) {
            BackupFiles.remove(List.of(record));
            refused(String.valueOf(e.getMessage()));
            return;
        }
        try {
            frozen = new Freeze().isDoneWithin(subject.options().freezeLimit());
            if (!frozen) {
                // Neither to be thawed by this thread, as the agent is busy, nor told to the guardian, so that it does
                // it.
                refused("the guest agent has not frozen it within "
                        + subject.options().freezeLimit().toMillis()
                        + " ms; should it do so yet, that is undone at once");
            }
        } catch (GenieVmException e) {
            if (String.valueOf(e.getMessage()).contains("frozen state")) {
                // Somebody else was faster, and it is theirs to thaw.
                BackupFiles.remove(List.of(record));
                guardian.thawed();
            } else if (thawNow() >= 0) {
                // It may have frozen some of them, or have been about to.
                guardian.thawed();
            }
            refused(String.valueOf(e.getMessage()));
        }
    }

    private @Nullable String whyNot(boolean hasAgentChannel) {
        LibvirtDomain.State state = domain.state();
        if (state != LibvirtDomain.State.RUNNING) {
            return "the domain is paused";
        }
        if (!hasAgentChannel) {
            return "the domain has no channel for a guest agent";
        }
        Optional<Boolean> isFrozen = domain.isFrozen();
        if (isFrozen.isEmpty()) {
            return "the guest agent does not answer";
        }
        return isFrozen.get() ? "somebody else has frozen the guest" : null;
    }

    /**
     * A freeze on a thread of its own: an agent that hangs in it never answers, and libvirt waits for it without end. One
     * that comes about when nobody waits any more is undone.
     */
    private final class Freeze implements Runnable {
        // Guarded by this.
        private boolean isOver;
        private boolean isAwaited = true;
        private @Nullable GenieVmException failure;

        /** Whether it is done; nobody waits for it any more when it is not. */
        boolean isDoneWithin(Duration limit) {
            Thread thread = new Thread(this, "genievm-kvm-freeze");
            thread.setDaemon(true);
            thread.start();
            Waiting.uninterrupted(limit, nanos -> {
                // 0 would wait without end.
                thread.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos)));
                return true;
            });
            synchronized (this) {
                isAwaited = false;
                if (failure != null) {
                    throw failure;
                }
                return isOver;
            }
        }

        @Override
        public void run() {
            GenieVmException problem = null;
            try {
                domain.freeze();
            } catch (GenieVmException e) {
                problem = e;
            }
            synchronized (this) {
                isOver = true;
                failure = problem;
                if (isAwaited) {
                    return;
                }
            }
            if (problem == null) {
                thawNow();
            }
        }
    }

    /**
     * Thaws if {@link #freeze} froze.
     *
     * @return how far the guest was at rest all the time from {@link #freeze} until now
     */
    QuiesceMode thaw() {
        if (!frozen || guardian == null) {
            return QuiesceMode.NONE;
        }
        frozen = false;
        int thawed = thawNow();
        if (thawed < 0) {
            // The guardian is not told, so it thaws when the time limit is over.
            return QuiesceMode.FILE_SYSTEM;
        }
        boolean isInTime = guardian.thawed();
        if (isInTime && thawed == 0) {
            // Anybody who may talk to the agent can thaw, such as the guardian of a backup that has just died.
            refused("somebody thawed it before the snapshot was there");
            return QuiesceMode.NONE;
        }
        if (!isInTime) {
            refused("it took longer than " + subject.options().freezeLimit().toSeconds()
                    + " s, after which the guest was thawed");
            return QuiesceMode.NONE;
        }
        if (subject.request().quiesce() == QuiesceMode.APPLICATION) {
            refused("file systems were frozen; whether applications took part is up to the agent's hooks in the guest");
        }
        return QuiesceMode.FILE_SYSTEM;
    }

    /** Gives how many file systems were frozen until now, or -1 when it can not be done. */
    private int thawNow() {
        for (int attempt = 1; ; attempt++) {
            try {
                int thawed = domain.thaw();
                BackupFiles.remove(List.of(subject.files().freezeRecord()));
                return thawed;
            } catch (GenieVmException e) {
                if (attempt == THAW_ATTEMPTS) {
                    LOG.error("the guest of domain {} can not be thawed: {}", subject.vm(), e.getMessage());
                    return -1;
                }
            }
        }
    }

    private void refused(String why) {
        subject.facts().add(DriverFact.QUIESCE_REFUSED, null, "the guest was not brought to rest as asked: " + why);
    }
}
