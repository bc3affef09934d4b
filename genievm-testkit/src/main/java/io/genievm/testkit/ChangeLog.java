package io.genievm.testkit;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What was written to one disk between the moments that somebody may still ask about. Takes heap for what was written
 * since the oldest of them, and none without such a moment. Guarded by the lock of the VM.
 */
final class ChangeLog {
    // By their numbers, which all disks of a VM share: the disks of one snapshot have the same.
    private final TreeMap<Long, Moment> moments = new TreeMap<>();
    private final Set<ChangeToken> lost = new HashSet<>();

    /** Whose token it is. */
    record Mark(RepositoryId repository, SessionId session, ChangeToken token) {}

    /** A moment of the disk: kept as long as it has a token that is alive, or is held by an open snapshot or a lie. */
    static final class Moment {
        private final long number;
        private final long capacity;
        private final Ranges after = new Ranges();
        private @Nullable Mark mark;
        private boolean held = true;
        private boolean committed;

        private Moment(long number, long capacity, @Nullable Mark mark) {
            this.number = number;
            this.capacity = capacity;
            this.mark = mark;
        }

        long number() {
            return number;
        }

        /** The capacity at that moment. */
        long capacity() {
            return capacity;
        }

        /** Whose token it has, or null once that was dropped. */
        @Nullable
        Mark mark() {
            return mark;
        }

        /** Whether its restore point is known to be in the repository. */
        boolean isCommitted() {
            return committed;
        }

        void commit() {
            committed = true;
        }
    }

    /** A new moment, now, held by the caller. */
    Moment begin(long number, long capacity, @Nullable Mark mark) {
        Moment moment = new Moment(number, capacity, mark);
        moments.put(number, moment);
        return moment;
    }

    void record(Ranges written) {
        if (!moments.isEmpty()) {
            moments.lastEntry().getValue().after.addAll(written);
        }
    }

    /** What was written between two moments; when the first is not known, since the last one before it that is. */
    Ranges between(long first, long second) {
        Long from = moments.floorKey(first);
        Ranges ranges = new Ranges();
        moments.subMap(from == null ? Math.min(first, second) : from, second)
                .values()
                .forEach(moment -> ranges.addAll(moment.after));
        return ranges;
    }

    @Nullable
    Moment find(ChangeToken token) {
        for (Moment moment : moments.values()) {
            if (moment.mark != null && moment.mark.token().equals(token)) {
                return moment;
            }
        }
        return null;
    }

    /** The moments with tokens that are alive, the oldest first. */
    List<Moment> marked() {
        return moments.values().stream().filter(moment -> moment.mark != null).toList();
    }

    boolean wasLost(ChangeToken token) {
        return lost.contains(token);
    }

    /** Drops the token of a moment. */
    void drop(Moment moment) {
        moment.mark = null;
        forgetUnlessNeeded(moment);
    }

    /** Ends the hold that {@link #begin} has given. */
    void release(Moment moment) {
        moment.held = false;
        forgetUnlessNeeded(moment);
    }

    /** Drops all tokens as a crash of the hypervisor does. */
    void lose() {
        for (Moment moment : marked()) {
            if (moment.mark != null) {
                lost.add(moment.mark.token());
            }
            drop(moment);
        }
    }

    private void forgetUnlessNeeded(Moment moment) {
        if (moment.mark == null && !moment.held && moments.remove(moment.number) != null) {
            var before = moments.lowerEntry(moment.number);
            if (before != null) {
                before.getValue().after.addAll(moment.after);
            }
        }
    }
}
