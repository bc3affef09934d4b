package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Whose backup a snapshot is for and how it is wanted. Immutable.
 *
 * @since 0.1
 */
public final class SnapshotRequest {
    private final RepositoryId repository;
    private final SessionId session;
    private final QuiesceMode quiesce;
    private final Set<DiskId> excludedDisks;
    private final Map<DiskId, ChangeToken> parentTokens;
    private final Predicate<SessionId> endedSessions;
    private final Predicate<SessionId> sessionEnder;
    private final Cancellation cancellation;

    private SnapshotRequest(Builder builder) {
        this.repository = builder.repository;
        this.session = builder.session;
        this.quiesce = builder.quiesce;
        this.excludedDisks = Set.copyOf(builder.excludedDisks);
        this.parentTokens = Map.copyOf(builder.parentTokens);
        this.endedSessions = builder.endedSessions;
        this.sessionEnder = builder.sessionEnder == null ? builder.endedSessions : builder.sessionEnder;
        this.cancellation = builder.cancellation;
    }

    /**
     * Begins a request.
     *
     * @param repository the repository that the backup goes to
     * @param session the session that makes it
     * @return a builder without quiescing, excluded disks or parent tokens
     */
    public static Builder builder(RepositoryId repository, SessionId session) {
        return new Builder(repository, session);
    }

    /**
     * The repository that the backup goes to.
     *
     * @return its id
     */
    public RepositoryId repository() {
        return repository;
    }

    /**
     * The session that makes the backup.
     *
     * @return its id
     */
    public SessionId session() {
        return session;
    }

    /**
     * How far the guest is to be brought to rest. A driver that can not do it, or whose guest refuses, goes on without
     * and says so with {@link DriverFact#QUIESCE_REFUSED}.
     *
     * @return the mode
     */
    public QuiesceMode quiesce() {
        return quiesce;
    }

    /**
     * Disks that are to be left out, also of change tracking.
     *
     * @return their ids, possibly empty
     */
    public Set<DiskId> excludedDisks() {
        return excludedDisks;
    }

    /**
     * The tokens that the parent restore point holds, for the disks that have one. The driver may need them to set up
     * the snapshot; it keeps them valid until {@link VmSnapshot#committed()}. They are never leftovers; any other token
     * of the same repository and VM, made by a session that {@link #hasEnded}, is.
     *
     * @return disk to token, possibly empty
     */
    public Map<DiskId, ChangeToken> parentTokens() {
        return parentTokens;
    }

    /**
     * Asks the core whether a session of the same repository has ended, so that what it left on the hypervisor may be
     * taken over or cleared. While it has not, the answer to whoever needs the VM is {@code BUSY}, unless the driver knows
     * for certain that whoever worked at it is dead, and has it {@linkplain #endSession ended}.
     *
     * @param other the session that a {@link #markerName() marker} names
     * @return true if it can never become a restore point any more, or is one
     * @throws io.genievm.api.GenieVmException when the repository can not be asked
     */
    public boolean hasEnded(SessionId other) {
        return endedSessions.test(other);
    }

    /**
     * Tells the core that the process that worked at a session of this repository and VM is dead for certain: the
     * hypervisor shows that it has broken off, and it can not come back. The core ends the session, so that it can never
     * become a restore point unless it is one already. Should the driver be wrong, no restore point is lost to it: the
     * writer that lives after all finds at its commit that its session was ended, and starts again with a new one. What
     * was copied till then is work done in vain, so a guess, such as from the time that has passed, is not enough.
     *
     * @param dead the session that a {@link #markerName() marker} names, not the one of this request
     * @return what {@link #hasEnded} says from now on; {@code false} when the core does not end sessions for others
     * @throws IllegalArgumentException when it is this request's own session
     * @throws io.genievm.api.GenieVmException when the repository can not be asked or written; then the session may have
     *     been ended or not, and the call may be repeated
     */
    public boolean endSession(SessionId dead) {
        if (dead.equals(session)) {
            throw new IllegalArgumentException("session " + dead + " is the one that asks");
        }
        return sessionEnder.test(dead);
    }

    /**
     * Says whether the snapshot is still wanted while {@link HypervisorConnection#beginSnapshot} works.
     *
     * @return never {@code null}
     */
    public Cancellation cancellation() {
        return cancellation;
    }

    /**
     * The name that everything made on the hypervisor for this request bears.
     *
     * @return {@code genievm-<repositoryId>-<sessionId>}
     */
    public String markerName() {
        return "genievm-" + repository + "-" + session;
    }

    /**
     * Collects the parts of a {@link SnapshotRequest}. For one thread.
     *
     * @since 0.1
     */
    public static final class Builder {
        private final RepositoryId repository;
        private final SessionId session;
        private QuiesceMode quiesce = QuiesceMode.NONE;
        private Set<DiskId> excludedDisks = Set.of();
        private Map<DiskId, ChangeToken> parentTokens = Map.of();
        private Predicate<SessionId> endedSessions = other -> false;
        private @Nullable Predicate<SessionId> sessionEnder;
        private Cancellation cancellation = Cancellation.NEVER;

        private Builder(RepositoryId repository, SessionId session) {
            this.repository = repository;
            this.session = session;
        }

        /**
         * Sets how far the guest is to be brought to rest.
         *
         * @param mode the mode
         * @return this builder
         */
        public Builder quiesce(QuiesceMode mode) {
            this.quiesce = mode;
            return this;
        }

        /**
         * Sets the disks to leave out.
         *
         * @param disks their ids, possibly empty
         * @return this builder
         */
        public Builder excludedDisks(Set<DiskId> disks) {
            this.excludedDisks = disks;
            return this;
        }

        /**
         * Sets the tokens of the parent restore point.
         *
         * @param tokens disk to token, possibly empty
         * @return this builder
         */
        public Builder parentTokens(Map<DiskId, ChangeToken> tokens) {
            this.parentTokens = tokens;
            return this;
        }

        /**
         * Sets how to find out whether a session has ended.
         *
         * @param ended safe for use by several threads
         * @return this builder
         */
        public Builder endedSessions(Predicate<SessionId> ended) {
            this.endedSessions = ended;
            return this;
        }

        /**
         * Sets what ends a session whose process is dead. Without it none is ended, and {@link #endSession} answers as
         * {@link #hasEnded} does.
         *
         * @param ender gives whether the session has ended then; safe for use by several threads
         * @return this builder
         */
        public Builder sessionEnder(Predicate<SessionId> ender) {
            this.sessionEnder = ender;
            return this;
        }

        /**
         * Sets what tells whether the snapshot is still wanted.
         *
         * @param value the cancellation
         * @return this builder
         */
        public Builder cancellation(Cancellation value) {
            this.cancellation = value;
            return this;
        }

        /**
         * Makes the request.
         *
         * @return the request
         */
        public SnapshotRequest build() {
            return new SnapshotRequest(this);
        }
    }
}
