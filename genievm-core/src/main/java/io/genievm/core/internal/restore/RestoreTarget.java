package io.genievm.core.internal.restore;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.core.internal.format.Manifest;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Where a restore writes. Ends with {@link #complete} or not, then {@link #close}, which removes what is not complete. */
interface RestoreTarget extends AutoCloseable {
    /** Opens a disk, which reads as zeroes. */
    DiskWriter openWriter(Manifest.Disk disk);

    /**
     * Makes what was written real, all writers being closed.
     *
     * @param damaged numbers of disks that are not whole
     * @return a sentence that tells where disks that are not whole are, if any
     */
    String complete(Set<Integer> damaged);

    /** The files that are complete. */
    List<Path> files();

    /** The VM that was made. */
    @Nullable
    VmId vm();

    @Override
    void close();
}
