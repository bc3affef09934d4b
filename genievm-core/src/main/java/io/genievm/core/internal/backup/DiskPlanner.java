package io.genievm.core.internal.backup;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupRequest;
import io.genievm.core.DiskPlan;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.plan.AuditStripes;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapReader;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.PointMaps;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.TaskControl;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides for each disk of a snapshot what is read of it and what is audited. For one thread. */
final class DiskPlanner {
    private static final Logger LOG = LoggerFactory.getLogger(DiskPlanner.class);
    private static final String TRACKING_LOST = DriverFact.TRACKING_LOST;

    private final BackupRequest request;
    private final WriterSession session;
    private final Parent parent;
    private final PointMaps maps;
    private final TaskControl control;
    private final int chunkSize;

    DiskPlanner(
            RepositoryAccess access,
            BackupRequest request,
            WriterSession session,
            Parent parent,
            PointMaps maps,
            TaskControl control) {
        this.request = request;
        this.session = session;
        this.parent = parent;
        this.maps = maps;
        this.control = control;
        this.chunkSize = access.options().chunkSize();
    }

    PlannedDisk plan(DiskSource source) {
        SnapshotDisk disk = source.disk();
        requireSize(disk);
        ChunkBitmap allocated = allocated(disk);
        PointMaps.Disk before = maps.disk(disk.id());
        String reason = whyNotChanged(disk, before);
        if (reason == null && before != null) {
            Tracked tracked = changesSince(disk, before);
            ChunkBitmap changed = tracked.changed;
            if (changed != null) {
                return changed(source, before, allocated, changed);
            }
            reason = tracked.reason;
        }
        boolean all = before == null || request.full();
        ChunkBitmap calledChanged = request.full() ? checkedOnTheWay(disk, before) : null;
        if (before != null && calledChanged != null && isContradicted(before, allocated, calledChanged)) {
            control.meter()
                    .warn(new Warning(
                            DriverFact.ALLOCATION_UNKNOWN,
                            disk.id(),
                            "the driver says that nothing is allocated where point " + parent.id()
                                    + " has data that did not change, so holes of disk '" + disk.id()
                                    + "' are read as well"));
            allocated = ChunkBitmap.full(allocated.chunks());
        }
        return new PlannedDisk(
                source,
                all ? DiskPlan.ALL : DiskPlan.SCAN,
                reason,
                allocated,
                allocated,
                before,
                null,
                calledChanged,
                null);
    }

    /** Whether the parent has data where the driver says that there is a hole and that nothing has changed. */
    private static boolean isContradicted(PointMaps.Disk before, ChunkBitmap allocated, ChunkBitmap calledChanged) {
        boolean[] found = new boolean[1];
        before.visit(new MapReader.Visitor() {
            @Override
            public boolean skip(int level, long page, byte[] ids, int idOffset) {
                return found[0];
            }

            @Override
            public void chunk(long number, byte[] ids, int idOffset) {
                found[0] |= !allocated.get(number) && !calledChanged.get(number);
            }

            @Override
            public void damaged(long first, long count, CorruptDataException cause) {
                // What is not known contradicts nothing.
            }
        });
        return found[0];
    }

    /** What the driver says has changed although everything is read: an audit of the whole list that costs nothing. */
    private @Nullable ChunkBitmap checkedOnTheWay(SnapshotDisk disk, PointMaps.@Nullable Disk before) {
        return before != null && request.audit() != AuditMode.NONE && whyNotAsked(disk, before) == null
                ? changesSince(disk, before).changed
                : null;
    }

    private record Tracked(
            @Nullable ChunkBitmap changed, @Nullable String reason) {}

    private void requireSize(SnapshotDisk disk) {
        if (disk.capacity() < 0 || disk.capacity() / chunkSize >= ChunkBitmap.MAX_CHUNKS) {
            throw new GenieVmException(
                    ErrorCode.LIMIT_EXCEEDED,
                    resource(disk),
                    "disk '" + disk.id() + "' has " + disk.capacity() + " bytes; with chunks of " + chunkSize
                            + " bytes a disk has less than " + ChunkBitmap.MAX_CHUNKS * chunkSize);
        }
    }

    private Resource resource(SnapshotDisk disk) {
        return Resource.of(request.vm(), disk.id());
    }

    private ChunkBitmap allocated(SnapshotDisk disk) {
        try (ExtentCursor allocated = disk.allocated()) {
            return widened(bitmap(disk, allocated), disk);
        } catch (RuntimeException e) {
            throwIfEnded(e);
            // Half a list is no list, and a broken one can not be believed; reading everything is always right.
            control.meter()
                    .warn(new Warning(
                            DriverFact.ALLOCATION_UNKNOWN,
                            disk.id(),
                            "the list of what is allocated of disk '" + disk.id()
                                    + "' can not be used, so holes are read as well: " + e.getMessage()));
            return ChunkBitmap.full((disk.capacity() + chunkSize - 1) / chunkSize);
        }
    }

    /** Goes on throwing what ends the backup: that it is not wanted any more, or that the snapshot is closed. */
    private void throwIfEnded(RuntimeException e) {
        control.checkpoint();
        if (e instanceof GenieVmException known && known.code().equals(ErrorCode.CLOSED)) {
            throw e;
        }
    }

    private ChunkBitmap bitmap(SnapshotDisk disk, ExtentCursor extents) {
        return ChunkBitmap.of(extents, disk.capacity(), chunkSize, resource(disk), control::checkpoint);
    }

    private ChunkBitmap widened(ChunkBitmap bitmap, SnapshotDisk disk) {
        int alignment = disk.limits().alignment();
        if (alignment > chunkSize) {
            bitmap.widen(alignment / chunkSize);
        }
        return bitmap;
    }

    /** The rules by which a disk's changes are not even asked for. */
    private @Nullable String whyNotChanged(SnapshotDisk disk, PointMaps.@Nullable Disk before) {
        if (parent.manifest() == null) {
            return "NO_PARENT";
        }
        if (before == null) {
            return "DISK_ADDED";
        }
        return request.full() ? "FULL_REQUESTED" : whyNotAsked(disk, before);
    }

    /** Why what the driver says of a disk that the parent has can not count. */
    private @Nullable String whyNotAsked(SnapshotDisk disk, PointMaps.Disk before) {
        if (before.manifest().capacity() != disk.capacity()) {
            return "RESIZED";
        }
        if (!parent.isSameSource()) {
            return "SOURCE_DIFFERS";
        }
        if (before.manifest().token() == null) {
            return "NO_TOKEN";
        }
        return parent.isTakingOverSuspect(before.manifest()) ? "PARENT_SUSPECT" : null;
    }

    private Tracked changesSince(SnapshotDisk disk, PointMaps.Disk before) {
        try {
            Changes changes = disk.changesSince(
                    new ChangeToken(String.valueOf(before.manifest().token())));
            if (changes instanceof Changes.Unknown unknown) {
                LOG.info("changes of disk {} are not known: {}", disk.id(), unknown.message());
                return new Tracked(
                        null, unknown.reason().matches("[A-Z][A-Z0-9_]*") ? unknown.reason() : TRACKING_LOST);
            }
            try (ExtentCursor extents = ((Changes.Known) changes).extents()) {
                return new Tracked(widened(bitmap(disk, extents), disk), null);
            }
        } catch (RuntimeException e) {
            throwIfEnded(e);
            // Half a list is no list, and a driver that fails in it is no reason to have no backup.
            control.meter()
                    .warn(new Warning(
                            TRACKING_LOST,
                            disk.id(),
                            "the list of changes of disk '" + disk.id() + "' can not be used, so all of it is read: "
                                    + e.getMessage()));
            return new Tracked(null, TRACKING_LOST);
        }
    }

    private PlannedDisk changed(DiskSource source, PointMaps.Disk before, ChunkBitmap allocated, ChunkBitmap changed) {
        PlannedDisk.Audit audit = audit(before, changed);
        boolean everyPage = !session.mayTakeOver(parent.id());
        takeOver(source.disk(), before, changed, audit == null ? null : audit.chunks(), everyPage);
        if (audit != null) {
            audit = new PlannedDisk.Audit(audit.chunks().without(changed), audit.stripe(), audit.share(), audit.next());
        }
        return new PlannedDisk(
                source,
                DiskPlan.CHANGED,
                null,
                allocated,
                allocated.and(changed),
                before,
                new MapWriter.Base(before, changed, everyPage),
                changed,
                audit);
    }

    private PlannedDisk.@Nullable Audit audit(PointMaps.Disk before, ChunkBitmap changed) {
        Manifest.AuditState state = before.manifest().auditState();
        if (request.audit() == AuditMode.NONE) {
            return null;
        }
        ChunkBitmap unchanged = ChunkBitmap.full(changed.chunks()).without(changed);
        if (request.audit() == AuditMode.FULL) {
            return new PlannedDisk.Audit(unchanged, null, 1, state);
        }
        // A hair less, so that a share of 1/49 makes 49 stripes although it is no binary fraction.
        int stripes = (int) Math.ceil(1 / request.auditShare() - 1e-6);
        if (state == null || state.stripes() != stripes) {
            state = new Manifest.AuditState(HexFormat.of().toHexDigits(new SecureRandom().nextLong()), stripes, 0, 0);
        }
        int stripe = state.next() % stripes;
        long seed = HexFormat.fromHexDigitsToLong(state.seed());
        ChunkBitmap chosen = new AuditStripes(seed, stripes, changed.chunks(), AuditStripes.runChunks(chunkSize))
                .stripe(stripe)
                .and(unchanged);
        Manifest.AuditState next = new Manifest.AuditState(
                state.seed(), stripes, (stripe + 1) % stripes, Math.min(stripes, state.covered() + 1));
        return new PlannedDisk.Audit(chosen, stripe, 1.0 / stripes, next);
    }

    /**
     * Looks whether what is not read can be taken over from the parent; what can not joins the changed chunks: ranges
     * whose page is damaged, and, where pages can not be relied on with all below them, chunks that are in no pack that
     * counts for this session (rule 4 of the protocol).
     */
    private void takeOver(
            SnapshotDisk disk,
            PointMaps.Disk before,
            ChunkBitmap changed,
            @Nullable ChunkBitmap audited,
            boolean everyPage) {
        Scratch scratch = new Scratch();
        Location location = new Location();
        long chunks = changed.chunks();
        before.visit(new MapReader.Visitor() {
            @Override
            public boolean skip(int level, long page, byte[] ids, int idOffset) {
                if (everyPage) {
                    return false;
                }
                long span = MapPage.chunks(level);
                long end = Math.min((page + 1) * span, chunks);
                return changed.count(page * span, end) == 0
                        && (audited == null || audited.count(page * span, end) == 0);
            }

            @Override
            public void chunk(long number, byte[] ids, int idOffset) {
                if (everyPage
                        && !changed.get(number)
                        && !session.index().base().find(ids, idOffset, scratch, location)) {
                    changed.set(number, number + 1);
                }
            }

            @Override
            public void damaged(long first, long count, CorruptDataException cause) {
                control.meter()
                        .warn(new Warning(
                                "PARENT_DAMAGED",
                                disk.id(),
                                "a part of disk '" + disk.id() + "' is read although it did not change, as what point "
                                        + parent.id() + " has of it is damaged: " + cause.getMessage()));
                changed.set(first, first + count);
                // The new map may well have the very pages that are damaged.
                session.storePagesAnew();
            }
        });
        widened(changed, disk);
    }
}
