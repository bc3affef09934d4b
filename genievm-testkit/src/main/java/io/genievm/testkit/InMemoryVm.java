package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/**
 * A VM of an {@link InMemoryHypervisor}. Its disks may be written at any time, also while they are backed up: a snapshot
 * does not see it. Safe for use by several threads.
 *
 * @since 0.1
 */
public final class InMemoryVm {
    private final VmId id;
    private final TreeMap<DiskId, InMemoryDisk> disks = new TreeMap<>();
    private String name;
    private Map<String, String> hardware = Map.of();
    private long nextMoment;
    private boolean shutOff;

    InMemoryVm(VmId id) {
        this.id = id;
        this.name = id.value();
    }

    /**
     * The VM's id.
     *
     * @return unique within its hypervisor
     */
    public VmId id() {
        return id;
    }

    /**
     * Sets the VM's name for people.
     *
     * @param value the name; the id unless set
     */
    public synchronized void name(String value) {
        name = value;
    }

    /**
     * Sets the documents that {@link VmDescription#hardware()} gives.
     *
     * @param documents name to text; none unless set
     */
    public synchronized void hardware(Map<String, String> documents) {
        hardware = Map.copyOf(documents);
    }

    /**
     * Sets whether the VM is shut off, as it is not unless set: then its disks may be written with
     * {@link io.genievm.api.hypervisor.DiskWriting}. One that a connection has made is shut off.
     *
     * @param value whether
     */
    public synchronized void shutOff(boolean value) {
        shutOff = value;
    }

    /**
     * Adds a disk of zeroes.
     *
     * @param disk its id
     * @param capacity its size in bytes, 0 or more
     * @return the disk
     * @throws IllegalArgumentException when the VM has a disk of that id
     */
    public synchronized InMemoryDisk addDisk(String disk, long capacity) {
        if (capacity < 0) {
            throw new IllegalArgumentException("a disk can not have " + capacity + " bytes");
        }
        InMemoryDisk added = new InMemoryDisk(new DiskId(disk), capacity, this);
        if (disks.putIfAbsent(added.id(), added) != null) {
            throw new IllegalArgumentException("VM '" + id + "' has a disk '" + disk + "' already");
        }
        return added;
    }

    /**
     * Adds a disk with some content.
     *
     * @param disk its id
     * @param content all its bytes
     * @return the disk
     * @throws IllegalArgumentException when the VM has a disk of that id
     */
    public synchronized InMemoryDisk addDisk(String disk, byte[] content) {
        InMemoryDisk added = addDisk(disk, content.length);
        added.write(0, content);
        return added;
    }

    /**
     * Takes a disk away. Open snapshots still have it.
     *
     * @param disk its id
     * @throws IllegalArgumentException when the VM has no such disk
     */
    public synchronized void removeDisk(String disk) {
        if (disks.remove(new DiskId(disk)) == null) {
            throw noDisk(disk);
        }
    }

    /**
     * Finds a disk.
     *
     * @param disk its id
     * @return the disk
     * @throws IllegalArgumentException when the VM has no such disk
     */
    public synchronized InMemoryDisk disk(String disk) {
        InMemoryDisk found = disks.get(new DiskId(disk));
        if (found == null) {
            throw noDisk(disk);
        }
        return found;
    }

    /**
     * All disks.
     *
     * @return in ascending order of their ids
     */
    public synchronized List<InMemoryDisk> disks() {
        return List.copyOf(disks.values());
    }

    synchronized boolean isShutOff() {
        return shutOff;
    }

    /** What the VM is at one moment. */
    record Frozen(VmDescription description, List<InMemoryDisk.Frozen> disks, List<DriverFact> facts) {}

    synchronized VmDescription describe() {
        List<VmDescription.Disk> described = disks.values().stream()
                .map(disk -> new VmDescription.Disk(disk.id(), disk.capacity()))
                .toList();
        return new VmDescription(id, name, described, hardware, List.of());
    }

    /** The sessions of a repository with tokens here that are none of the parent's. */
    synchronized Set<SessionId> otherSessions(SnapshotRequest request) {
        Set<SessionId> sessions = new HashSet<>();
        forEachMoment((log, moment, mark) -> {
            if (isOther(mark, request) && !mark.session().equals(request.session())) {
                sessions.add(mark.session());
            }
        });
        return sessions;
    }

    /** All disks that are not excluded at one and the same moment, with new tokens, and without those left behind. */
    synchronized Frozen freeze(SnapshotRequest request, boolean tracks, Set<SessionId> ended) {
        for (DiskId excluded : request.excludedDisks()) {
            if (!disks.containsKey(excluded)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.of(id, excluded),
                        "VM '" + id + "' has no disk '" + excluded + "' to leave out");
            }
        }
        List<DriverFact> facts = new ArrayList<>();
        clear(request, ended, facts);
        long moment = nextMoment();
        List<InMemoryDisk.Frozen> frozen = new ArrayList<>();
        for (InMemoryDisk disk : disks.values()) {
            if (!request.excludedDisks().contains(disk.id())) {
                frozen.add(disk.freeze(moment, tracks && disk.isTracked() ? newMark(request) : null));
            }
        }
        return new Frozen(describe(), frozen, facts);
    }

    /** Lets the new tokens count and drops those that they take the place of. */
    synchronized void commit(SnapshotRequest request, List<InMemoryDisk.Frozen> frozen) {
        long newest = -1;
        for (InMemoryDisk.Frozen disk : frozen) {
            if (disk.moment() != null) {
                disk.moment().commit();
                newest = Math.max(newest, disk.moment().number());
            }
        }
        long committed = newest;
        forEachMoment((log, moment, mark) -> {
            // Others of this repository are either of sessions that may live or gone since the snapshot was begun.
            if (moment.number() < committed
                    && mark.repository().equals(request.repository())
                    && (!isOther(mark, request) || mark.session().equals(request.session()))) {
                log.drop(moment);
            }
        });
    }

    /** Drops the new tokens. */
    synchronized void abandon(List<InMemoryDisk.Frozen> frozen) {
        for (InMemoryDisk.Frozen disk : frozen) {
            if (disk.moment() != null) {
                disk.disk().log().drop(disk.moment());
            }
        }
    }

    /** Tells that nobody asks for changes up to these moments any more. */
    synchronized void release(List<InMemoryDisk.Frozen> frozen) {
        for (InMemoryDisk.Frozen disk : frozen) {
            if (disk.moment() != null) {
                disk.disk().log().release(disk.moment());
            }
        }
    }

    /** A number that is higher than those of all moments before; the caller holds this VM's lock. */
    long nextMoment() {
        return nextMoment++;
    }

    private void clear(SnapshotRequest request, Set<SessionId> ended, List<DriverFact> facts) {
        Set<SessionId> dead = new HashSet<>();
        forEachMoment((log, moment, mark) -> {
            if (isOther(mark, request) && ended.contains(mark.session())) {
                log.drop(moment);
                // What was committed was not left behind: a younger restore point has taken its place.
                if (!moment.isCommitted() && dead.add(mark.session())) {
                    facts.add(new DriverFact(
                            DriverFact.LEFTOVER_CLEARED,
                            null,
                            "dropped the tokens of session " + mark.session() + ", which has ended"));
                }
            }
        });
    }

    private static boolean isOther(ChangeLog.Mark mark, SnapshotRequest request) {
        return mark.repository().equals(request.repository())
                && !request.parentTokens().containsValue(mark.token());
    }

    private static ChangeLog.Mark newMark(SnapshotRequest request) {
        return new ChangeLog.Mark(
                request.repository(),
                request.session(),
                new ChangeToken(request.markerName() + "." + UUID.randomUUID()));
    }

    private interface MomentVisitor {
        void visit(ChangeLog log, ChangeLog.Moment moment, ChangeLog.Mark mark);
    }

    private void forEachMoment(MomentVisitor visitor) {
        for (InMemoryDisk disk : disks.values()) {
            for (ChangeLog.Moment moment : disk.log().marked()) {
                ChangeLog.Mark mark = moment.mark();
                if (mark != null) {
                    visitor.visit(disk.log(), moment, mark);
                }
            }
        }
    }

    private IllegalArgumentException noDisk(String disk) {
        return new IllegalArgumentException("VM '" + id + "' has no disk '" + disk + "'; it has " + disks.keySet());
    }
}
