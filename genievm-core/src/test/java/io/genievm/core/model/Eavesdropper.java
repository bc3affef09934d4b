package io.genievm.core.model;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.testkit.ForwardingHypervisorConnection;
import io.genievm.testkit.ForwardingSnapshotDisk;
import io.genievm.testkit.ForwardingVmSnapshot;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A connection that hears what the core is told of the disks of the last snapshot, be it true or not. */
final class Eavesdropper extends ForwardingHypervisorConnection {
    private final Map<String, Heard> heard = new ConcurrentHashMap<>();

    Eavesdropper(HypervisorConnection connection) {
        super(connection);
    }

    /** What was told of one disk. For one thread at a time. */
    static final class Heard {
        private final long capacity;
        private Telling allocated;
        private Telling changed;
        private String unknown;

        private Heard(long capacity) {
            this.capacity = capacity;
        }

        /** Whether there is a list of what is allocated that can be used. */
        boolean knowsAllocation() {
            return allocated.isValid();
        }

        /** The chunks that may hold something else than zeroes; all where the list fails or breaks the rules. */
        Chunks allocated() {
            return allocated.isValid() ? allocated.chunks : Chunks.all(capacity);
        }

        /** The chunks that were called changed; {@code null} where there is no list that can be used. */
        Chunks changed() {
            return changed != null && changed.isValid() ? changed.chunks : null;
        }

        /** Whether the core has asked for changes at all. */
        boolean wasAsked() {
            return changed != null;
        }

        /** Why there is none; {@code null} where there is one. */
        String whyUnknown() {
            return unknown != null ? unknown : changed() == null ? "TRACKING_LOST" : null;
        }
    }

    /** The last list of one kind, judged by the rules for lists. */
    private static final class Telling {
        private final long capacity;
        private final Chunks chunks;
        private boolean broken;
        private boolean ended;
        private long end;
        private long count;

        Telling(long capacity) {
            this.capacity = capacity;
            this.chunks = new Chunks(capacity);
        }

        boolean isValid() {
            return ended && !broken;
        }

        void add(long offset, long length) {
            if (broken
                    || offset < end
                    || length <= 0
                    || length > capacity
                    || offset > capacity - length
                    || ++count > Math.max(1 << 20, capacity / 512 + 1)) {
                broken = true;
                return;
            }
            end = offset + length;
            chunks.addRange(offset, end);
        }

        ExtentCursor listeningTo(ExtentCursor cursor) {
            return new ExtentCursor() {
                @Override
                public boolean next() {
                    boolean more = cursor.next();
                    if (more) {
                        add(cursor.offset(), cursor.length());
                    } else {
                        ended = true;
                    }
                    return more;
                }

                @Override
                public long offset() {
                    return cursor.offset();
                }

                @Override
                public long length() {
                    return cursor.length();
                }

                @Override
                public void close() {
                    cursor.close();
                }
            };
        }
    }

    /** What was told of a disk of the last snapshot. */
    Heard heard(String disk) {
        return heard.get(disk);
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        VmSnapshot snapshot = super.beginSnapshot(vm, request);
        heard.clear();
        return new ForwardingVmSnapshot(snapshot, this::listeningTo) {};
    }

    private SnapshotDisk listeningTo(SnapshotDisk disk) {
        Heard here = new Heard(disk.capacity());
        heard.put(disk.id().value(), here);
        return new Disk(disk, here);
    }

    private static final class Disk extends ForwardingSnapshotDisk {
        private final Heard heard;

        Disk(SnapshotDisk disk, Heard heard) {
            super(disk);
            this.heard = heard;
        }

        @Override
        public ExtentCursor allocated() {
            heard.allocated = new Telling(heard.capacity);
            return heard.allocated.listeningTo(super.allocated());
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            heard.changed = new Telling(heard.capacity);
            Changes changes = super.changesSince(token);
            if (changes instanceof Changes.Unknown unknown) {
                heard.unknown = unknown.reason();
                return changes;
            }
            return new Changes.Known(heard.changed.listeningTo(((Changes.Known) changes).extents()));
        }
    }
}
