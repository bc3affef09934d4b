package io.genievm.core.internal.verify;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.index.PackFooters;
import io.genievm.core.internal.index.PackList;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.SegmentSource;
import io.genievm.core.internal.task.TaskControl;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/** Checks every byte of every pack, several packs at a time. */
final class PackCheck {
    private final RepositoryAccess access;
    private final TaskControl control;
    private final PackList packs;
    private final Findings findings;
    private final LongAdder checkedBytes;
    private final PackFooters footers;
    private final SegmentSource source;

    PackCheck(RepositoryAccess access, TaskControl control, PackList packs, Findings findings, LongAdder checkedBytes) {
        this.access = access;
        this.control = control;
        this.packs = packs;
        this.findings = findings;
        this.checkedBytes = checkedBytes;
        this.footers = new PackFooters(access.store());
        this.source = new SegmentSource(access, packs);
    }

    void run() {
        for (int pack = 0; pack < packs.size(); pack++) {
            control.meter().plan(packs.length(pack));
        }
        AtomicInteger next = new AtomicInteger();
        access.segmentWorkers(access.parallelism()).run(stop -> {
            try (Segment segment = source.newSegment()) {
                for (int pack = next.getAndIncrement();
                        pack < packs.size() && !stop.requested();
                        pack = next.getAndIncrement()) {
                    check(pack, segment);
                }
            }
        });
        control.checkpoint();
    }

    private void check(int pack, Segment segment) {
        PackName name = packs.name(pack);
        long length = packs.length(pack);
        boolean whole = true;
        Set<Integer> good = new HashSet<>();
        try {
            ByteBuffer header = ByteBuffer.allocate((int) Math.min(PackFormat.HEADER_BYTES, length));
            access.store().get(name.key(), 0, header);
            PackFormat.checkHeader(access.id(), name, header.flip());
        } catch (GenieVmException e) {
            note(name, e);
            whole = false;
        }
        List<PackFormat.SegmentEntry> segments = List.of();
        try {
            segments = footers.footer(name, length);
        } catch (GenieVmException e) {
            note(name, e);
            whole = false;
            segments = walk(name, length);
        }
        for (PackFormat.SegmentEntry entry : segments) {
            control.checkpoint();
            try {
                check(pack, entry, segment);
                good.add(entry.offset());
            } catch (GenieVmException e) {
                note(name, e);
                whole = false;
            }
            checkedBytes.add(entry.length());
            control.meter().read(entry.length());
        }
        if (!whole) {
            // Under a wrong name nothing is where a table says, even if it is whole; what no table names was found in
            // it.
            findings.packWithDamage(pack, packs.isCovered(pack) && isOther(name, length) ? Set.of() : good);
        }
    }

    private void check(int pack, PackFormat.SegmentEntry entry, Segment segment) {
        source.fetch(pack, entry.offset(), entry.length(), segment);
        String key = source.key(pack);
        if (segment.count() != entry.count() || segment.type() != entry.type()) {
            throw Corruption.in(key, "the segment at " + entry.offset() + " is not what the footer says");
        }
        for (int i = 0; i < segment.count(); i++) {
            if (!IdHasher.equal(segment.ids(), segment.idOffset(i), entry.ids(), i * IdHasher.ID_BYTES)) {
                throw Corruption.in(key, "the segment at " + entry.offset() + " is not what the footer says");
            }
            if (!segment.checkContent(i)) {
                throw Corruption.in(
                        key, "entry " + i + " of the segment at " + entry.offset() + " does not have its hash");
            }
        }
    }

    private List<PackFormat.SegmentEntry> walk(PackName name, long length) {
        try {
            return footers.read(name, length);
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            return List.of();
        }
    }

    private boolean isOther(PackName name, long length) {
        if (length < PackFormat.HEADER_BYTES) {
            return true;
        }
        ByteBuffer header = ByteBuffer.allocate(PackFormat.HEADER_BYTES);
        try {
            access.store().get(name.key(), 0, header);
        } catch (GenieVmException e) {
            return true;
        }
        return !PackFormat.mayBe(access.id(), name, header.flip());
    }

    private void note(PackName name, GenieVmException e) {
        if (e.code().equals(ErrorCode.NOT_FOUND)) {
            // Its session gave up meanwhile; if anything needs it, the maps will tell.
            return;
        }
        if (!Corruption.isObjectProblem(e)) {
            throw e;
        }
        findings.object(name.key(), String.valueOf(e.getMessage()));
    }
}
