package io.genievm.core.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.core.Damage;
import io.genievm.core.RestoreRequest;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.task.TaskControl;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The disks of a VM that exists, of which only what differs is written. For one thread at a time. */
final class ExistingVmTarget implements RestoreTarget {
    private static final long ZERO_BYTES = 1L << 30;

    private final RepositoryAccess access;
    private final TaskControl control;
    private final Manifest manifest;
    private final VmId vm;
    private final List<ExistingDisk> disks = new ArrayList<>();
    private List<DiskDifference> differences = List.of();
    private long comparedBytes;
    private boolean begun;

    /** Opens all disks and checks that they are such as the point has, before anything is written. */
    ExistingVmTarget(
            RepositoryAccess access,
            TaskControl control,
            RestoreRequest.ExistingVmTarget target,
            Manifest manifest,
            List<Manifest.Disk> disks) {
        this.access = access;
        this.control = control;
        this.manifest = manifest;
        this.vm = target.vm();
        DiskWriting writing = target.connection()
                .ability(DiskWriting.class)
                .orElseThrow(() -> new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(target.connection().providerName()),
                        "the driver '" + target.connection().providerName()
                                + "' can not write into the disks of a VM; restore to a folder instead"));
        try {
            for (Manifest.Disk disk : disks) {
                control.checkpoint();
                ExistingDisk existing = new ExistingDisk(disk, writing.openDisk(vm, disk.id()));
                this.disks.add(existing);
                requireSameCapacity(existing);
            }
        } catch (RuntimeException | Error e) {
            closeAfter(e);
            throw e;
        }
    }

    @Override
    public boolean isBlank() {
        return false;
    }

    @Override
    public DiskWriter openWriter(Manifest.Disk disk) {
        return disks.stream()
                .filter(existing -> existing.description().equals(disk))
                .findFirst()
                .orElseThrow()
                .disk()
                .writer();
    }

    @Override
    public List<Damage> prepare(PointStream stream) {
        while (true) {
            try (DiskComparison comparison = new DiskComparison(access, control, manifest, disks, stream.index())) {
                List<Damage> damage = comparison.damage();
                if (damage.isEmpty()) {
                    differences = comparison.run();
                    comparedBytes = comparison.comparedBytes();
                    stream.deliverOnly(
                            differences.stream().map(DiskDifference::data).toList());
                    return damage;
                }
                if (!stream.rereadIndex()) {
                    return damage;
                }
            }
        }
    }

    @Override
    public void writeZeroes() {
        begun = !differences.stream().allMatch(DiskDifference::isEmpty);
        for (int disk = 0; disk < disks.size(); disk++) {
            writeZeroes(disks.get(disk), differences.get(disk).zeroes());
        }
    }

    @Override
    public GenieVmException explain(GenieVmException failure) {
        if (!begun) {
            return failure;
        }
        String message = failure.getMessage() + "; the disks of VM '" + vm
                + "' are now a mixture of what they were and of" + " point " + manifest.point()
                + ": restoring over them once more, to the end, makes them whole";
        return failure instanceof TaskCancelledException
                ? new TaskCancelledException(failure.resource(), message, failure)
                : new GenieVmException(failure.code(), failure.resource(), message, failure);
    }

    @Override
    public String complete(Set<Integer> damaged) {
        if (damaged.isEmpty()) {
            return "";
        }
        if (!begun) {
            return "nothing was written to VM '" + vm + "'";
        }
        List<String> partly = damaged.stream()
                .map(disk -> "'" + disks.get(disk).description().id() + "'")
                .toList();
        return "of VM '" + vm + "' " + String.join(", ", partly) + (partly.size() == 1 ? " is" : " are")
                + " partly restored: the damaged ranges hold what they held, all else is as in the point";
    }

    @Override
    public List<Path> files() {
        return List.of();
    }

    @Override
    public @Nullable VmId vm() {
        return vm;
    }

    @Override
    public long comparedBytes() {
        return comparedBytes;
    }

    @Override
    public void close() {
        RuntimeException failure = null;
        for (ExistingDisk existing : disks) {
            try {
                existing.disk().close();
            } catch (RuntimeException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private void requireSameCapacity(ExistingDisk existing) {
        long wanted = existing.description().capacity();
        long found = existing.disk().capacity();
        if (found != wanted) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.of(vm, existing.description().id()),
                    "disk '" + existing.description().id() + "' of VM '" + vm + "' has " + found + " bytes, in point "
                            + manifest.point() + " it has " + wanted
                            + "; only a disk of the same size can be restored over");
        }
    }

    private void writeZeroes(ExistingDisk existing, ChunkBitmap chunks) {
        int chunkSize = access.options().chunkSize();
        long most = Math.max(1, ZERO_BYTES / chunkSize);
        for (long first = chunks.nextSet(0); first >= 0; ) {
            control.checkpoint();
            long end = chunks.nextClear(first, first + most);
            Extent range = ChunkBitmap.bytes(
                    first, end - first, chunkSize, existing.description().capacity());
            existing.disk().writer().zero(range.offset(), range.length());
            first = chunks.nextSet(end);
        }
    }

    private void closeAfter(Throwable failure) {
        try {
            close();
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }
}
