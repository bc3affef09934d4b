package io.genievm.core.internal.restore;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.Damage;
import io.genievm.core.DamagedPointException;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.spi.IoBuffers;
import io.genievm.core.internal.task.TaskControl;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** One restore of one point. For one thread. */
public final class RestoreTask {
    /** Zeroes of this length, aligned, are not written: the block size of the file systems that images lie on. */
    private static final int HOLE_BYTES = 4096;

    private final RepositoryAccess access;
    private final RestoreRequest request;
    private final TaskControl control;
    private final long started = System.nanoTime();
    private final LongAdder written = new LongAdder();
    private final byte[] zeroes = new byte[1 << 16];

    /** Prepares a restore. */
    public RestoreTask(RepositoryAccess access, RestoreRequest request, TaskControl control) {
        this.access = access.checkedBy(control::checkpoint);
        this.request = request;
        this.control = control;
    }

    /** Runs it. */
    public RestoreReport run() {
        PointCatalog catalog = PointCatalog.read(access, request.vm());
        Manifest manifest = manifest(catalog);
        List<Manifest.Disk> disks = disks(manifest);
        RestorePoint point = catalog.toRestorePoint(manifest);
        catalog.unreadableIncidents().forEach(incident -> control.meter().warn(incident.toWarning()));
        catalog.warnOfSuspects(manifest, disks, control.meter());
        try (RestoreTarget target = target(manifest, disks)) {
            List<Damage> damage = copy(manifest, disks, target);
            control.checkpoint();
            control.meter().enter(TaskPhase.COMMIT);
            Set<Integer> damaged = damagedDisks(disks, damage);
            if (!damage.isEmpty()) {
                checkStillListed(manifest, target);
            }
            String rest = target.complete(damaged);
            if (!damage.isEmpty()) {
                throw new DamagedPointException(
                        Resource.of(
                                manifest.vm(),
                                disks.get(damaged.iterator().next()).id()),
                        describe(manifest, damage) + "; " + rest,
                        damage);
            }
            return new RestoreReport(
                    manifest.point(),
                    point.disks().stream()
                            .filter(disk ->
                                    disks.stream().anyMatch(each -> each.id().equals(disk.id())))
                            .toList(),
                    target.files(),
                    target.vm(),
                    written.sum(),
                    target.comparedBytes(),
                    control.meter().warnings(),
                    Duration.ofNanos(System.nanoTime() - started));
        }
    }

    private Manifest manifest(PointCatalog catalog) {
        SessionId wanted = request.point();
        if (wanted != null) {
            return point(catalog, wanted);
        }
        long best = catalog.points().isEmpty() ? 0 : catalog.latest().sequence();
        for (PointCatalog.LostPoint lost : catalog.lost()) {
            if (lost.sequence() >= best) {
                String message = "the latest point of VM '" + request.vm() + "' may be one that can not be read: "
                        + lost.message() + ". Name a point to restore another";
                throw lost.isTooNew()
                        ? new UnsupportedFormatVersionException(Resource.named(lost.key()), message, lost.cause())
                        : new CorruptDataException(Resource.named(lost.key()), message, lost.cause());
            }
            control.meter().warn(new Warning("POINT_DAMAGED", null, lost.message()));
        }
        if (catalog.points().isEmpty()) {
            Set<String> known = PointCatalog.read(access).points().stream()
                    .map(point -> point.vm().value())
                    .collect(Collectors.toCollection(TreeSet::new));
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    Resource.of(request.vm()),
                    "the repository has no point of VM '" + request.vm() + "'; it has "
                            + (known.isEmpty() ? "none at all" : "points of " + String.join(", ", known)));
        }
        return catalog.latest();
    }

    private Manifest point(PointCatalog catalog, SessionId wanted) {
        try {
            return catalog.point(wanted);
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                throw e;
            }
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    Resource.of(request.vm()),
                    "VM '" + request.vm() + "' has no restore point " + wanted,
                    e);
        }
    }

    private List<Manifest.Disk> disks(Manifest manifest) {
        Set<DiskId> known = manifest.disks().stream().map(Manifest.Disk::id).collect(Collectors.toSet());
        for (DiskId disk : request.disks()) {
            if (!known.contains(disk)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.of(manifest.vm(), disk),
                        "point " + manifest.point() + " has no disk '" + disk + "'; it has "
                                + manifest.disks().stream()
                                        .map(each -> each.id().value())
                                        .collect(Collectors.joining(", ")));
            }
        }
        return request.disks().isEmpty()
                ? manifest.disks()
                : manifest.disks().stream()
                        .filter(disk -> request.disks().contains(disk.id()))
                        .toList();
    }

    private RestoreTarget target(Manifest manifest, List<Manifest.Disk> disks) {
        if (request.target() instanceof RestoreRequest.FolderTarget folder) {
            return new FolderTarget(access, control, folder.directory(), manifest, disks);
        }
        if (request.target() instanceof RestoreRequest.ExistingVmTarget existing) {
            return new ExistingVmTarget(access, control, existing, manifest, disks);
        }
        return new VmTarget((RestoreRequest.VmTarget) request.target(), manifest, disks, new Cancellation() {
            @Override
            public boolean isCancelled() {
                return control.isCancelled();
            }

            @Override
            public void onCancel(Runnable action) {
                control.onCancel(action);
            }
        });
    }

    private List<Damage> copy(Manifest manifest, List<Manifest.Disk> disks, RestoreTarget target) {
        List<Output> outputs = new ArrayList<>();
        try {
            for (Manifest.Disk disk : disks) {
                outputs.add(new Output(disk, target.openWriter(disk), target.isBlank()));
            }
            try (PointStream stream = new PointStream(access, control, manifest, disks, () -> new Writes(outputs))) {
                List<Damage> damage = target.prepare(stream);
                if (damage.isEmpty()) {
                    damage = write(stream, outputs, target);
                }
                stream.index().warnOfProblems(control.meter());
                return damage;
            }
        } finally {
            outputs.forEach(output -> output.writer.close());
        }
    }

    private List<Damage> write(PointStream stream, List<Output> outputs, RestoreTarget target) {
        control.meter().enter(TaskPhase.COPY);
        try {
            target.writeZeroes();
            List<Damage> damage = stream.run();
            for (Output output : outputs) {
                control.checkpoint();
                output.writer.flush();
            }
            return damage;
        } catch (RuntimeException | Error e) {
            throw target.explain(control.translate(e));
        }
    }

    private Set<Integer> damagedDisks(List<Manifest.Disk> disks, List<Damage> damage) {
        Set<DiskId> ids = new HashSet<>();
        damage.forEach(each -> ids.add(each.disk()));
        Set<Integer> numbers = new TreeSet<>();
        for (int disk = 0; disk < disks.size(); disk++) {
            if (ids.contains(disks.get(disk).id())) {
                numbers.add(disk);
            }
        }
        return numbers;
    }

    /** What is missing of a point that was deleted meanwhile is no damage. */
    private void checkStillListed(Manifest manifest, RestoreTarget target) {
        try {
            PointCatalog.read(access, manifest.vm()).point(manifest.point());
        } catch (GenieVmException e) {
            throw target.explain(e);
        }
    }

    private static String describe(Manifest manifest, List<Damage> damage) {
        Damage first = damage.get(0);
        Extent extent = first.extent();
        return "point " + manifest.point() + " is damaged: " + damage.size()
                + (damage.size() == 1 ? " range" : " ranges") + " can not be restored, the first in disk '"
                + first.disk() + "'"
                + (extent == null ? "" : ", bytes " + extent.offset() + " to " + (extent.end() - 1)) + " ("
                + first.message() + ")";
    }

    /** Puts what is to be written in a row together, and writes it with one request. For one thread. */
    private static final class Writes implements PointStream.Receiver {
        private static final int LONGEST = 1 << 20;

        private final List<Output> outputs;
        private final ByteBuffer row = IoBuffers.allocate(LONGEST);

        private @Nullable Output output;
        private long position;

        Writes(List<Output> outputs) {
            this.outputs = outputs;
        }

        @Override
        public void chunk(int disk, long chunk, byte[] content, int offset) {
            outputs.get(disk).write(chunk, content, offset, this);
        }

        void add(Output to, long start, byte[] content, int offset, int length) {
            if (output != to || position + row.position() != start || row.remaining() < length) {
                flush();
                if (length > row.remaining()) {
                    to.write(start, ByteBuffer.wrap(content, offset, length));
                    return;
                }
                output = to;
                position = start;
            }
            row.put(content, offset, length);
        }

        @Override
        public void flush() {
            Output to = output;
            if (to != null) {
                output = null;
                to.write(position, row.flip());
                row.clear();
            }
        }
    }

    /** One disk that is written by several threads. */
    private final class Output {
        private final DiskId disk;
        private final DiskWriter writer;
        private final long capacity;
        private final boolean blank;
        private final int grain;
        private final Semaphore permits;

        Output(Manifest.Disk disk, DiskWriter writer, boolean blank) {
            this.disk = disk.id();
            this.writer = writer;
            this.blank = blank;
            this.capacity = disk.capacity();
            DiskLimits limits = writer.limits();
            this.grain = Math.max(HOLE_BYTES, limits.alignment());
            this.permits = new Semaphore(limits.requestsPerReader());
            if (limits.alignment() > access.options().chunkSize()) {
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        "the target's disk '" + disk.id() + "' is written in blocks of " + limits.alignment()
                                + " bytes, more than the repository's chunks of "
                                + access.options().chunkSize());
            }
        }

        /** Writes a chunk, but for its runs of zeroes: those are made, unless they are there. */
        void write(long chunk, byte[] content, int offset, Writes writes) {
            long start = chunk * access.options().chunkSize();
            int length = (int) Math.min(access.options().chunkSize(), capacity - start);
            for (int at = 0; at < length; ) {
                boolean zero = isZero(content, offset + at, Math.min(grain, length - at));
                int end = at;
                do {
                    end = Math.min(length, end + grain);
                } while (end < length && isZero(content, offset + end, Math.min(grain, length - end)) == zero);
                if (!zero) {
                    writes.add(this, start + at, content, offset + at, end - at);
                } else if (!blank) {
                    zeroRange(start + at, end - at);
                }
                at = end;
            }
        }

        /** Writes what is left in a buffer. */
        void write(long position, ByteBuffer source) {
            int length = source.remaining();
            permits.acquireUninterruptibly();
            try {
                int max = writer.limits().maxRequest();
                int end = source.limit();
                for (long at = position; source.position() < end; at += max) {
                    int to = Math.min(end, source.position() + max);
                    writer.write(at, source.limit(to));
                    if (source.position() != to) {
                        throw new GenieVmException(
                                ErrorCode.DRIVER_CONTRACT_BROKEN,
                                "the driver's writer of disk '" + disk + "' left " + (to - source.position())
                                        + " bytes unwritten that belong before byte " + (at + max));
                    }
                }
            } finally {
                permits.release();
            }
            written.add(length);
            control.meter().store(length);
        }

        private void zeroRange(long position, int length) {
            permits.acquireUninterruptibly();
            try {
                writer.zero(position, length);
            } finally {
                permits.release();
            }
        }

        private boolean isZero(byte[] content, int offset, int length) {
            return Arrays.equals(content, offset, offset + length, zeroes, 0, length);
        }
    }
}
