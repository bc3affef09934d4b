package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import java.util.List;
import java.util.Map;

/**
 * The ability to make a new VM with given disks.
 *
 * @since 0.1
 */
public interface VmCreation {
    /**
     * Begins a VM. Nothing of it is to be seen as a VM before {@link NewVm#complete()}.
     *
     * @param request what to make
     * @return the VM under construction, owned by the caller
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS} when a VM of that name is there,
     *     {@code INVALID_ARGUMENT}, {@code NO_SPACE}, {@code ACCESS_DENIED} or an I/O code; nothing is left behind then
     */
    NewVm create(NewVmRequest request);

    /**
     * What to make.
     *
     * @param name the new VM's name
     * @param disks its disks with their capacities in bytes, in ascending order of their ids
     * @param hardware the documents of the {@link VmDescription} that was backed up; empty when it came from another
     *     kind of hypervisor
     * @param options what only this driver knows, name to value; unknown names are refused
     * @param cancellation says whether the VM is still wanted while {@link #create} works
     * @since 0.1
     */
    record NewVmRequest(
            String name,
            List<VmDescription.Disk> disks,
            Map<String, String> hardware,
            Map<String, String> options,
            Cancellation cancellation) {
        /**
         * Copies the collections.
         *
         * @param name the name
         * @param disks the disks
         * @param hardware the documents
         * @param options the options
         * @param cancellation the cancellation
         */
        public NewVmRequest {
            disks = List.copyOf(disks);
            hardware = Map.copyOf(hardware);
            options = Map.copyOf(options);
        }
    }

    /**
     * A VM under construction. Ends with {@link #complete()} and {@link #close()}; {@code close()} alone removes it.
     * Safe for use by several threads.
     *
     * @since 0.1
     */
    interface NewVm extends AutoCloseable {
        /**
         * Opens a disk, which reads as zeroes until it is written. At most one writer for a disk.
         *
         * @param disk one of the disks of the request
         * @return the writer, closed by the caller
         * @throws io.genievm.api.GenieVmException with an I/O code or {@code CLOSED}
         */
        DiskWriter openWriter(DiskId disk);

        /**
         * Makes the VM real under its name, all at once. All writers were flushed and closed before.
         *
         * @return its id
         * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS} when a VM of that name came up meanwhile,
         *     or an I/O code; nothing is to be seen of the VM then
         */
        VmId complete();

        /** Removes the VM unless it was completed. Does nothing the second time. */
        @Override
        void close();
    }
}
