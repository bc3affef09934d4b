package io.genievm.kvm.internal.guard;

import java.nio.file.Path;
import java.time.Duration;

/**
 * A process of its own that stands by one backup of one domain. When this process dies it thaws the guest at once if it
 * was frozen for the backup, ends the backup job if that is ours, and removes the files that were named; and whatever
 * happens to this process, it thaws the guest when the time limit of a freeze is over. Safe for use by several threads.
 */
public final class Guardian implements AutoCloseable {
    /**
     * Starts the process, without waiting until it is ready.
     *
     * @param uri the libvirt daemon
     * @param domainUuid the domain
     * @param freezeLimit the longest time that the guest may be frozen
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when no such process can be started here
     */
    public static Guardian start(String uri, String domainUuid, Duration freezeLimit) {
        throw new UnsupportedOperationException();
    }

    /**
     * Waits until the process stands by.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when it does not within a time limit; it is ended
     *     then
     */
    public void awaitReady() {
        throw new UnsupportedOperationException();
    }

    /** Tells that the guest is about to be frozen: the time limit begins. Returns when the process knows it. */
    public void freezing() {
        throw new UnsupportedOperationException();
    }

    /**
     * Tells that the guest has been thawed, or was not frozen after all.
     *
     * @return whether the time limit had not been over, so that the guest was frozen all the time until then
     */
    public boolean thawed() {
        throw new UnsupportedOperationException();
    }

    /**
     * Names the backup job that is about to be begun. Returns when the process knows it.
     *
     * @param socket the Unix socket by which the job is known as ours
     */
    public void job(Path socket) {
        throw new UnsupportedOperationException();
    }

    /** Names a file to be removed if this process dies. Returns when the guardian knows it. */
    public void file(Path path) {
        throw new UnsupportedOperationException();
    }

    /** Names a child process to be ended if this process dies. Returns when the guardian knows it. */
    public void child(ProcessHandle process) {
        throw new UnsupportedOperationException();
    }

    /** Whether the process still stands by. */
    public boolean isAlive() {
        throw new UnsupportedOperationException();
    }

    /** Tells that all is well and waits until the process is gone. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
