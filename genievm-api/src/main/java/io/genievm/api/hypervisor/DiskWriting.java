package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import io.genievm.api.Experimental;
import io.genievm.api.VmId;

/**
 * The ability to write into the disks of a VM that exists and is shut off. What is written is a change like the guest's: it
 * is among what {@link SnapshotDisk#changesSince} tells later, or the tokens from before are not known any more.
 *
 * @since 0.1
 */
@Experimental
public interface DiskWriting {
    /**
     * Opens an existing disk for reading and writing.
     *
     * @param vm the VM, which is shut off
     * @param disk its disk
     * @return the open disk, owned by the caller
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND}, {@code BUSY} when the VM runs, {@code UNSUPPORTED}
     *     or an I/O code
     */
    WritableDisk openDisk(VmId vm, DiskId disk);

    /**
     * A disk open for reading and writing. Closing it closes its reader and writer.
     *
     * @since 0.1
     */
    interface WritableDisk extends AutoCloseable {
        /**
         * The disk's size.
         *
         * @return bytes
         */
        long capacity();

        /**
         * What reader and writer together may be asked for.
         *
         * @return the same for the life of this disk
         */
        DiskLimits limits();

        /**
         * Reads the disk as it is now; writes that have returned are seen.
         *
         * @return the one reader, which lives as long as this disk
         */
        DiskReader reader();

        /**
         * Writes the disk.
         *
         * @return the one writer, which lives as long as this disk
         */
        DiskWriter writer();

        /** Releases the disk without flushing. Does nothing the second time. */
        @Override
        void close();
    }
}
