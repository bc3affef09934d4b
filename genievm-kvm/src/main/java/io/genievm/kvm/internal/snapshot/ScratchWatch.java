package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the space that is left for what a guest overwrites during a backup. QEMU stops the guest when it runs out, so the
 * backup is given up before that; and should the guest have been faster, it is let go on. Safe for use by several threads.
 */
final class ScratchWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ScratchWatch.class);
    private static final long LEAST = 8L << 20;
    private static final long LARGEST_RESERVE = 1L << 30;
    /** No guest is thought to overwrite more in a second: 4 GB/s. */
    private static final long FASTEST_BYTES_PER_MILLISECOND = 4_000_000;

    private static final long LONGEST_PAUSE_MILLIS = 100;
    private static final long LOOK_AT_GUEST_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    private final Subject subject;
    private final FileStore store;
    private final long reserve;
    private final Danger danger;
    private final Thread thread;
    private volatile boolean stopped;

    /** What is done when the space runs out. */
    interface Danger {
        /** Ends the backup job, at once, and tells why; then lets the guest go on if it was stopped. */
        void giveUp(GenieVmException why);

        /** Whether the guest has been stopped by an I/O error since the job began. */
        boolean isGuestStopped();
    }

    /**
     * Looks whether there is space at all, and gets ready.
     *
     * @throws GenieVmException with {@code NO_SPACE} when there is too little to begin, or an I/O code
     */
    ScratchWatch(Subject subject, Danger danger) {
        this.subject = subject;
        this.danger = danger;
        try {
            store = Files.getFileStore(subject.options().scratch());
            long free = store.getUsableSpace();
            if (free < LEAST) {
                throw noSpace(free + " bytes are free for what the guest overwrites meanwhile, and at least " + LEAST
                        + " are needed");
            }
            reserve = Math.min(free / 2, LARGEST_RESERVE);
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR,
                    noSpace("").resource(),
                    "the space in " + subject.options().scratch() + " can not be told: " + e.getMessage(),
                    e);
        }
        thread = new Thread(this::watch, "genievm-kvm-scratch-" + subject.vm());
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    private void watch() {
        long lookedAtGuest = System.nanoTime();
        while (!stopped) {
            try {
                long free = store.getUsableSpace();
                boolean low = free < reserve;
                if (!low && System.nanoTime() - lookedAtGuest > LOOK_AT_GUEST_NANOS) {
                    lookedAtGuest = System.nanoTime();
                    if (danger.isGuestStopped() && !stopped) {
                        danger.giveUp(noSpace("the guest was stopped by an I/O error while " + free
                                + " bytes were free there, so the backup is given up and the guest goes on"));
                        return;
                    }
                }
                if (low && !stopped) {
                    danger.giveUp(noSpace("the guest overwrites so much during the backup that only " + free
                            + " bytes are left there. It would be stopped without space, so the backup is given up"));
                    return;
                }
                pause(Math.max(1, Math.min(LONGEST_PAUSE_MILLIS, (free - reserve) / FASTEST_BYTES_PER_MILLISECOND)));
            } catch (IOException | GenieVmException e) {
                if (e instanceof GenieVmException failure && failure.code().equals(ErrorCode.CLOSED)) {
                    // Without a connection nothing can be done any more; the guardian ends the job that was left.
                    LOG.warn(
                            "the space in {} is not watched any more: {}",
                            subject.options().scratch(),
                            e.toString());
                    return;
                }
                LOG.warn(
                        "the space in {} can not be watched: {}",
                        subject.options().scratch(),
                        e.toString());
                pause(LONGEST_PAUSE_MILLIS);
            }
        }
    }

    /** Sleeps until it is stopped. It is not interrupted for that, as it may be ending a job. */
    private synchronized void pause(long millis) {
        try {
            if (!stopped) {
                wait(millis);
            }
        } catch (InterruptedException e) {
            // Nobody interrupts it.
            stopped = true;
        }
    }

    private GenieVmException noSpace(String message) {
        return subject.failure(
                ErrorCode.NO_SPACE, "scratch folder " + subject.options().scratch() + ": " + message);
    }

    @Override
    public void close() {
        synchronized (this) {
            stopped = true;
            notifyAll();
        }
        if (Thread.currentThread() == thread) {
            return;
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
