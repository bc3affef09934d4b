package io.genievm.core.model;

import io.genievm.api.Extent;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.testkit.DriverLie;
import io.genievm.testkit.InMemoryDisk;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * A disk of the hypervisor and its model: the bytes, what was written and when. A disk that is removed and added again is
 * another one. Safe for use by several threads.
 */
final class GuestDisk {
    /** A hypervisor allocates and gives back blocks of so many bytes. */
    static final int ALLOCATION = 65_536;

    private final InMemoryDisk real;
    private final Guest guest;
    private final PlainBytes content = new PlainBytes();
    private final TreeSet<Long> allocated = new TreeSet<>();
    private final List<Extent> written = new ArrayList<>();
    private long capacity;
    private int grain = 4096;
    private int era;
    private boolean tracked = true;
    private List<DriverLie> lies = List.of();
    private DiskLimits limits = DiskLimits.FILE;

    GuestDisk(InMemoryDisk real, Guest guest) {
        this.real = real;
        this.guest = guest;
        this.capacity = real.capacity();
    }

    /**
     * The disk at one moment.
     *
     * @param disk which one
     * @param capacity in bytes
     * @param content its bytes
     * @param allocated the chunks that were written and not discarded
     * @param writes how many writes there had been
     * @param era begins anew whenever the tracking of changes does
     * @param tracked whether changes are tracked
     * @param limits of its readers
     * @param tokens those that the hypervisor has
     */
    record Moment(
            GuestDisk disk,
            long capacity,
            PlainBytes content,
            Chunks allocated,
            int writes,
            int era,
            boolean tracked,
            DiskLimits limits,
            Set<String> tokens) {
        /** The chunks that the hypervisor has to call changed since an earlier moment of the same disk. */
        Chunks writtenSince(Moment earlier) {
            Chunks chunks = new Chunks(capacity);
            synchronized (disk.guest) {
                for (Extent extent : disk.written.subList(earlier.writes, writes)) {
                    chunks.addRange(extent.offset(), extent.end());
                }
            }
            return chunks;
        }
    }

    String id() {
        return real.id().value();
    }

    InMemoryDisk real() {
        return real;
    }

    long capacity() {
        synchronized (guest) {
            return capacity;
        }
    }

    void write(long offset, byte[] bytes) {
        synchronized (guest) {
            real.write(offset, bytes);
            content.write(offset, bytes);
            note(offset, bytes.length);
            for (long block = offset / ALLOCATION; block * ALLOCATION < offset + bytes.length; block++) {
                allocated.add(block);
            }
        }
    }

    void zero(long offset, long length) {
        synchronized (guest) {
            real.zero(offset, length);
            forget(offset, length);
        }
    }

    void resize(long bytes) {
        synchronized (guest) {
            real.resize(bytes);
            if (bytes < capacity) {
                forget(bytes, capacity - bytes);
            }
            capacity = bytes;
        }
    }

    byte[] read(long offset, int length) {
        synchronized (guest) {
            return content.read(offset, length);
        }
    }

    /** Writes what another disk holds. */
    void copyFrom(GuestDisk other) {
        synchronized (guest) {
            other.content.copy().blocks().forEach((number, block) -> {
                long offset = number * PlainBytes.BLOCK;
                int length = (int) Math.min(block.length, capacity - offset);
                if (length > 0) {
                    write(offset, java.util.Arrays.copyOf(block, length));
                }
            });
        }
    }

    void loseTracking() {
        synchronized (guest) {
            real.loseTracking();
            era++;
        }
    }

    void track(boolean on) {
        synchronized (guest) {
            real.trackChanges(on);
            tracked = on;
            if (!on) {
                era++;
            }
        }
    }

    boolean isTracked() {
        synchronized (guest) {
            return tracked;
        }
    }

    void grain(int bytes) {
        synchronized (guest) {
            real.trackingGrain(bytes);
            grain = bytes;
        }
    }

    void limits(DiskLimits value) {
        synchronized (guest) {
            real.limits(value);
            limits = value;
        }
    }

    /** Tells lies from now on; the model is not told. */
    void lie(List<DriverLie> values) {
        synchronized (guest) {
            real.lie(values.toArray(DriverLie[]::new));
            lies = List.copyOf(values);
        }
    }

    List<DriverLie> lies() {
        synchronized (guest) {
            return lies;
        }
    }

    Moment freeze() {
        synchronized (guest) {
            Chunks now = new Chunks(capacity);
            allocated.forEach(block -> now.addRange(block * ALLOCATION, (block + 1) * ALLOCATION));
            Set<String> tokens = new HashSet<>();
            for (ChangeToken token : real.tokens()) {
                tokens.add(token.value());
            }
            return new Moment(this, capacity, content.copy(), now, written.size(), era, tracked, limits, tokens);
        }
    }

    private void forget(long offset, long length) {
        content.zero(offset, length);
        note(offset, length);
        // Only whole blocks are given back.
        long first = (offset + ALLOCATION - 1) / ALLOCATION;
        long end = (offset + length) / ALLOCATION;
        if (first < end) {
            allocated.subSet(first, end).clear();
        }
    }

    private void note(long offset, long length) {
        if (length > 0) {
            long start = offset / grain * grain;
            long end = (offset + length + grain - 1) / grain * grain;
            written.add(new Extent(start, end - start));
        }
    }
}
