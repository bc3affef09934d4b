package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A disk of an {@link InMemoryVm}, as the guest sees it. Takes heap only for blocks of 64 KiB that were written, so it may
 * be terabytes large. Safe for use by several threads.
 *
 * <p>Its changes are tracked, unless {@link #trackChanges} says otherwise, for connections of a hypervisor that
 * {@linkplain InMemoryHypervisor#trackChanges tracks changes}. What {@link #write}, {@link #zero} and {@link #resize}
 * change is recorded in ranges rounded outwards to the {@linkplain #trackingGrain grain}, whatever the bytes were before,
 * as long as there is a token or an open snapshot from whose moment somebody may ask. A token whose moment had another
 * capacity is unknown, with the reason {@code RESIZED}.
 *
 * @since 0.1
 */
public final class InMemoryDisk {
    private static final int BLOCK = 65_536;

    private static final int GRAIN = 4096;

    private final DiskId id;
    private final InMemoryVm vm;
    private final ChangeLog log = new ChangeLog();
    // An array is never changed once it is in the map, so that a copy of the map is a frozen disk.
    private TreeMap<Long, byte[]> blocks = new TreeMap<>();
    private long capacity;
    private DiskLimits limits = DiskLimits.FILE;
    private boolean tracked = true;
    private int grain = GRAIN;
    private List<DriverLie> lies = List.of();
    // When the lie StaleToken was set.
    private ChangeLog.@Nullable Moment stale;
    private long liesTold;
    private boolean openForWriting;

    InMemoryDisk(DiskId id, long capacity, InMemoryVm vm) {
        this.id = id;
        this.capacity = capacity;
        this.vm = vm;
    }

    /**
     * The disk's id.
     *
     * @return unique within its VM
     */
    public DiskId id() {
        return id;
    }

    /**
     * The disk's size.
     *
     * @return bytes, 0 or more
     */
    public long capacity() {
        synchronized (vm) {
            return capacity;
        }
    }

    /**
     * Makes the disk longer, by zeroes, or shorter.
     *
     * @param bytes its new size, 0 or more
     */
    public void resize(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a disk can not have " + bytes + " bytes");
        }
        synchronized (vm) {
            if (bytes < capacity) {
                zero(bytes, capacity - bytes);
            }
            capacity = bytes;
        }
    }

    /**
     * Sets what readers of later snapshots may be asked for.
     *
     * @param value the limits; {@link DiskLimits#FILE} unless set
     */
    public void limits(DiskLimits value) {
        synchronized (vm) {
            limits = value;
        }
    }

    /**
     * Writes as the guest does.
     *
     * @param offset the first byte
     * @param bytes what to write
     * @throws IllegalArgumentException when it does not fit the disk
     */
    public void write(long offset, byte[] bytes) {
        write(offset, bytes, 0, bytes.length);
    }

    /**
     * Makes a range read as zeroes, as a discard does: what lies in it is not allocated any more.
     *
     * @param offset the first byte
     * @param length bytes, 0 or more
     * @throws IllegalArgumentException when it does not fit the disk
     */
    public void zero(long offset, long length) {
        synchronized (vm) {
            requireInside(offset, length);
            record(offset, length);
            long end = offset + length;
            long firstWhole = (offset + BLOCK - 1) / BLOCK;
            long behindWhole = end / BLOCK;
            if (firstWhole < behindWhole) {
                blocks.subMap(firstWhole, behindWhole).clear();
            }
            for (long block : new long[] {offset / BLOCK, end / BLOCK}) {
                byte[] old = blocks.get(block);
                if (old != null) {
                    byte[] changed = old.clone();
                    int from = (int) Math.max(0, offset - block * BLOCK);
                    int to = (int) Math.min(BLOCK, end - block * BLOCK);
                    if (from < to) {
                        Arrays.fill(changed, from, to, (byte) 0);
                        blocks.put(block, changed);
                    }
                }
            }
        }
    }

    /**
     * Reads as the guest does.
     *
     * @param offset the first byte
     * @param length bytes, 0 or more
     * @return the bytes
     * @throws IllegalArgumentException when the range does not lie inside the disk
     */
    public byte[] read(long offset, int length) {
        synchronized (vm) {
            requireInside(offset, length);
            byte[] bytes = new byte[length];
            copy(blocks, offset, bytes, 0, length);
            return bytes;
        }
    }

    /**
     * Reads the whole disk.
     *
     * @return all its bytes
     * @throws ArithmeticException when that is more than an array holds
     */
    public byte[] content() {
        synchronized (vm) {
            return read(0, Math.toIntExact(capacity));
        }
    }

    /**
     * Sets whether changes of this disk are tracked, as they are unless set. A disk whose changes are not tracked has no
     * tokens, in a snapshot among others that have some. Turning it off loses the tokens that there are.
     *
     * @param on whether later snapshots get a token for this disk
     */
    public void trackChanges(boolean on) {
        synchronized (vm) {
            tracked = on;
            if (!on) {
                log.lose();
            }
        }
    }

    /**
     * Sets what the ranges of changes are rounded outwards to, for what is written from now on.
     *
     * @param bytes a power of two; 4 096 unless set. The end of the disk cuts the last range
     * @throws IllegalArgumentException when it is no power of two
     */
    public void trackingGrain(int bytes) {
        if (Integer.bitCount(bytes) != 1 || bytes < 0) {
            throw new IllegalArgumentException("a grain is a power of two, not " + bytes);
        }
        synchronized (vm) {
            grain = bytes;
        }
    }

    /**
     * Loses all tokens, as the crash of a host does: they are unknown from now on, with the reason
     * {@code TRACKING_RESET}, also to snapshots that are open. Later snapshots make new ones.
     */
    public void loseTracking() {
        synchronized (vm) {
            log.lose();
        }
    }

    /**
     * The tokens that are alive: made, and neither dropped nor lost.
     *
     * @return those of all repositories, the oldest first; each begins with the name of its
     *     {@linkplain io.genievm.api.hypervisor.SnapshotRequest#markerName() marker}
     */
    public List<ChangeToken> tokens() {
        synchronized (vm) {
            return log.marked().stream()
                    .map(moment -> Objects.requireNonNull(moment.mark()).token())
                    .toList();
        }
    }

    /**
     * Makes the answers about this disk wrong, also those of snapshots that are open. Lies are told one on top of the
     * other: each distorts what the one before it has made of the truth.
     *
     * @param values the lies, in place of those set before; none to tell the truth again. A
     *     {@link DriverLie.BrokenChanges}, {@link DriverLie.BrokenAllocation} or {@link DriverLie.UnknownChanges} hides
     *     those of its kind that follow it
     * @throws IllegalArgumentException when another disk's list is to be told that is no disk of the same VM
     */
    public void lie(DriverLie... values) {
        synchronized (vm) {
            boolean isStale = false;
            for (DriverLie lie : values) {
                if (lie instanceof DriverLie.OtherDisk other && other.other().vm != vm) {
                    throw new IllegalArgumentException("disk '" + other.other().id + "' is of another VM");
                }
                isStale |= lie instanceof DriverLie.StaleToken;
            }
            lies = List.of(values);
            if (stale != null) {
                log.release(stale);
            }
            stale = isStale ? log.begin(vm.nextMoment(), capacity, null) : null;
        }
    }

    /**
     * Says how often a lie was told: how many lists of changes or of allocated ranges were given that differ from the
     * true one.
     *
     * @return the number since the disk was made; what {@link DriverLie.UnrecordedWrites} hides is not counted
     */
    public long liesTold() {
        synchronized (vm) {
            return liesTold;
        }
    }

    void write(long offset, byte[] bytes, int from, int length) {
        synchronized (vm) {
            requireInside(offset, length);
            record(offset, length);
            int done = 0;
            while (done < length) {
                long block = (offset + done) / BLOCK;
                int at = (int) ((offset + done) % BLOCK);
                int count = Math.min(BLOCK - at, length - done);
                byte[] old = blocks.get(block);
                byte[] changed = old == null ? new byte[BLOCK] : old.clone();
                System.arraycopy(bytes, from + done, changed, at, count);
                blocks.put(block, changed);
                done += count;
            }
        }
    }

    DiskLimits limits() {
        synchronized (vm) {
            return limits;
        }
    }

    /** Whether nobody else has it open for writing. */
    boolean beginWriting() {
        synchronized (vm) {
            boolean free = !openForWriting;
            openForWriting = true;
            return free;
        }
    }

    void endWriting() {
        synchronized (vm) {
            openForWriting = false;
        }
    }

    /** Whether its changes are tracked; the caller holds the VM's lock. */
    boolean isTracked() {
        return tracked;
    }

    /** The moments of this disk; the caller holds the VM's lock. */
    ChangeLog log() {
        return log;
    }

    /** The disk as it is now, with a mark at this moment if one is given; the caller holds the VM's lock. */
    Frozen freeze(long moment, ChangeLog.@Nullable Mark mark) {
        return new Frozen(
                this,
                capacity,
                limits,
                new TreeMap<>(blocks),
                mark == null ? null : log.begin(moment, capacity, mark),
                mark == null ? null : mark.token());
    }

    /** The caller holds the VM's lock. */
    private void record(long offset, long length) {
        if (length == 0) {
            return;
        }
        Ranges written = new Ranges();
        long last = offset + length - 1 | grain - 1;
        // The end that does not fit a long lies behind every disk's.
        written.add(offset & -grain, last == Long.MAX_VALUE ? last : last + 1);
        for (DriverLie lie : lies) {
            if (lie instanceof DriverLie.UnrecordedWrites hidden) {
                written.remove(hidden.extent().offset(), hidden.extent().end());
            }
        }
        log.record(written);
    }

    private void requireInside(long offset, long length) {
        if (offset < 0 || length < 0 || offset > capacity - length) {
            throw new IllegalArgumentException("the range " + offset + "+" + length + " does not lie inside disk '" + id
                    + "' of " + capacity + " bytes");
        }
    }

    private static void copy(SortedMap<Long, byte[]> blocks, long offset, byte[] into, int start, int length) {
        int done = 0;
        while (done < length) {
            int at = (int) ((offset + done) % BLOCK);
            int count = Math.min(BLOCK - at, length - done);
            byte[] block = blocks.get((offset + done) / BLOCK);
            if (block != null) {
                System.arraycopy(block, at, into, start + done, count);
            }
            done += count;
        }
    }

    /**
     * A disk at one moment.
     *
     * @param moment its place in the log, or null when its changes are not tracked
     * @param token the token of the moment, which may be dropped meanwhile, or null
     */
    record Frozen(
            InMemoryDisk disk,
            long capacity,
            DiskLimits limits,
            SortedMap<Long, byte[]> blocks,
            ChangeLog.@Nullable Moment moment,
            @Nullable ChangeToken token) {
        DiskId id() {
            return disk.id;
        }

        /** The ranges that were written and not discarded, or what the disk's lies make of them. */
        ExtentCursor allocated() {
            List<Extent> truth = blocksWritten();
            synchronized (disk.vm) {
                List<Extent> told = truth;
                for (DriverLie lie : disk.lies) {
                    if (lie instanceof DriverLie.HiddenAllocation hidden) {
                        told = without(told, hidden.extent());
                    } else if (lie instanceof DriverLie.BrokenAllocation broken) {
                        return tell(broken.how(), truth, told);
                    }
                }
                return tell(truth, told);
            }
        }

        /** What was written since the moment of a token, or what the disk's lies make of it. */
        Changes changesSince(ChangeToken token) {
            synchronized (disk.vm) {
                Changes.Unknown unknown = whyUnknown(token);
                if (unknown != null) {
                    return unknown;
                }
                long since = Objects.requireNonNull(disk.log.find(token)).number();
                List<Extent> truth = written(disk, since);
                List<Extent> told = truth;
                for (DriverLie lie : disk.lies) {
                    if (lie instanceof DriverLie.MissingChanges missing) {
                        told = without(told, missing.extent());
                    } else if (lie instanceof DriverLie.NoChanges) {
                        told = List.of();
                    } else if (lie instanceof DriverLie.StaleToken && disk.stale != null) {
                        // Not what is told so far: an older moment can not be taken out of a list.
                        told = written(disk, Math.max(since, disk.stale.number()));
                    } else if (lie instanceof DriverLie.OtherDisk other) {
                        told = written(other.other(), since);
                    } else if (lie instanceof DriverLie.UnknownChanges word) {
                        disk.liesTold++;
                        return new Changes.Unknown(word.reason(), "the changes are unknown, as they were told to be");
                    } else if (lie instanceof DriverLie.BrokenChanges broken) {
                        return new Changes.Known(tell(broken.how(), truth, told));
                    }
                }
                return new Changes.Known(tell(truth, told));
            }
        }

        /** Why the changes since a token are truly unknown, or null. */
        Changes.@Nullable Unknown whyUnknown(ChangeToken since) {
            synchronized (disk.vm) {
                if (moment == null) {
                    return new Changes.Unknown("NO_TRACKING", "changes of disk '" + id() + "' are not tracked");
                }
                ChangeLog.Moment known = disk.log.find(since);
                if (known == null) {
                    return disk.log.wasLost(since)
                            ? new Changes.Unknown("TRACKING_RESET", "tracking of disk '" + id() + "' began anew since")
                            : new Changes.Unknown("TOKEN_UNKNOWN", "disk '" + id() + "' has no such token");
                }
                if (known.number() > moment.number()) {
                    return new Changes.Unknown("TOKEN_TOO_NEW", "the token is younger than the snapshot");
                }
                if (known.capacity() != capacity) {
                    return new Changes.Unknown(
                            "RESIZED",
                            "disk '" + id() + "' had " + known.capacity() + " bytes and has " + capacity + " now");
                }
                return null;
            }
        }

        /** Fills an array. */
        void read(long offset, byte[] into) {
            copy(blocks, offset, into, 0, into.length);
        }

        private List<Extent> blocksWritten() {
            Ranges written = new Ranges();
            blocks.keySet().forEach(block -> written.add(block * BLOCK, block * BLOCK + BLOCK));
            return written.below(capacity);
        }

        private List<Extent> written(InMemoryDisk of, long since) {
            long until = Objects.requireNonNull(moment).number();
            return of.log.between(Math.min(since, until), until).below(capacity);
        }

        private ExtentCursor tell(List<Extent> truth, List<Extent> told) {
            if (!told.equals(truth)) {
                disk.liesTold++;
            }
            return ExtentCursor.of(told);
        }

        private ExtentCursor tell(BrokenList how, List<Extent> truth, List<Extent> told) {
            if (how.breaks(told) || !told.equals(truth)) {
                disk.liesTold++;
            }
            return how.cursor(told, capacity);
        }

        private static List<Extent> without(List<Extent> extents, Extent hidden) {
            Ranges ranges = Ranges.of(extents);
            ranges.remove(hidden.offset(), hidden.end());
            return ranges.below(Long.MAX_VALUE);
        }
    }
}
