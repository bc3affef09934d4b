package io.genievm.core.internal.restore;

import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.core.Damage;
import io.genievm.core.internal.format.Manifest;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Where a restore writes. Ends with {@link #complete} or not, then {@link #close}, which removes what is not complete. */
interface RestoreTarget extends AutoCloseable {
    /** Whether the disks read as zeroes until they are written. */
    default boolean isBlank() {
        return true;
    }

    /** Opens a disk. */
    DiskWriter openWriter(Manifest.Disk disk);

    /**
     * Finds out what has to be written, tells the stream to deliver no more than that, and writes nothing.
     *
     * @return damage that must not be met half-way; then nothing will be written
     */
    default List<Damage> prepare(PointStream stream) {
        return List.of();
    }

    /** Writes zeroes where a point has them, unless they are there. */
    default void writeZeroes() {}

    /** Says what a failure of the writing means for what was there before. */
    default GenieVmException explain(GenieVmException failure) {
        return failure;
    }

    /**
     * Makes what was written real, all writers being closed.
     *
     * @param damaged numbers of disks that are not whole
     * @return a sentence that tells where disks that are not whole are, if any
     */
    String complete(Set<Integer> damaged);

    /** The files that are complete. */
    List<Path> files();

    /** The VM that was made or written over. */
    @Nullable
    VmId vm();

    /** Bytes of what was there before that were compared with the point. */
    default long comparedBytes() {
        return 0;
    }

    @Override
    void close();
}
