package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which point to restore, and where to. Immutable.
 *
 * @since 0.1
 */
public final class RestoreRequest {
    private final VmId vm;
    private final @Nullable SessionId point;
    private final Set<DiskId> disks;
    private final Target target;

    private RestoreRequest(Builder builder, Target target) {
        this.vm = builder.vm;
        this.point = builder.point;
        this.disks = Set.copyOf(builder.disks);
        this.target = target;
    }

    /**
     * Begins a request for the latest point of a VM with all its disks.
     *
     * @param vm the VM's id
     * @return a builder
     */
    public static Builder builder(VmId vm) {
        return new Builder(vm);
    }

    /**
     * The VM.
     *
     * @return its id
     */
    public VmId vm() {
        return vm;
    }

    /**
     * The point.
     *
     * @return its id, or {@code null} for the latest
     */
    public @Nullable SessionId point() {
        return point;
    }

    /**
     * The disks.
     *
     * @return their ids; empty for all
     */
    public Set<DiskId> disks() {
        return disks;
    }

    /**
     * Where to restore to.
     *
     * @return the target
     */
    public Target target() {
        return target;
    }

    /**
     * Where a restore writes.
     *
     * @since 0.1
     */
    public sealed interface Target {}

    /**
     * Raw, sparse files named by disk id in a folder, which is made if it does not exist. A file is under a temporary
     * name until it is whole, and what a restore that was killed has left under such names is removed by the next one to
     * the folder.
     *
     * <p>No existing file of anybody else is ever overwritten or removed. One that has the name and the size of a disk is read and compared
     * with the point: if it is equal, it counts as restored, so that a restore that was killed while it gave its files
     * their names can simply be repeated; if it is not, or whatever else has that name, the restore fails with
     * {@code ALREADY_EXISTS} before any content is written.
     *
     * @param directory the folder
     * @since 0.1
     */
    public record FolderTarget(Path directory) implements Target {}

    /**
     * A new VM.
     *
     * @param connection a connection whose driver has {@link io.genievm.api.hypervisor.VmCreation}; stays the caller's
     * @param name the new VM's name
     * @param options what only the driver knows
     * @since 0.1
     */
    public record VmTarget(HypervisorConnection connection, String name, Map<String, String> options)
            implements Target {
        /**
         * Copies the options.
         *
         * @param connection the connection
         * @param name the name
         * @param options the options
         */
        public VmTarget {
            options = Map.copyOf(options);
        }
    }

    /**
     * The disks of a VM that exists and is shut off. Each restored disk must be there with the same size as in the point,
     * which is checked of all before anything is written. What is there is compared with the point, and only what differs
     * is fetched from the repository and written; other disks of the VM, and its hardware, stay as they are.
     *
     * <p>While it is written, and after a failure or cancellation half-way, the disks are a mixture of what they were and
     * of the point: the same restore once more finishes it. A range that is damaged in the point keeps what it held, and
     * the restore fails with {@link DamagedPointException} when all else is restored; if it is a map of the point that
     * can not be read, then before anything is written.
     *
     * @param connection a connection whose driver has {@link io.genievm.api.hypervisor.DiskWriting}; stays the caller's
     * @param vm the VM to restore over, not necessarily the one that was backed up
     * @since 0.1
     */
    public record ExistingVmTarget(HypervisorConnection connection, VmId vm) implements Target {}

    /**
     * Collects the parts of a {@link RestoreRequest}. For one thread.
     *
     * @since 0.1
     */
    public static final class Builder {
        private final VmId vm;
        private @Nullable SessionId point;
        private Set<DiskId> disks = Set.of();
        private @Nullable Target target;

        private Builder(VmId vm) {
            this.vm = vm;
        }

        /**
         * Sets the point.
         *
         * @param value its id
         * @return this builder
         */
        public Builder point(SessionId value) {
            this.point = value;
            return this;
        }

        /**
         * Sets the disks.
         *
         * @param value their ids; empty for all
         * @return this builder
         */
        public Builder disks(Set<DiskId> value) {
            this.disks = value;
            return this;
        }

        /**
         * Restores to raw files in a folder.
         *
         * @param directory the folder
         * @return this builder
         */
        public Builder toFolder(Path directory) {
            this.target = new FolderTarget(directory);
            return this;
        }

        /**
         * Restores to a new VM.
         *
         * @param connection a connection whose driver can create VMs; stays the caller's
         * @param name the new VM's name
         * @return this builder
         */
        public Builder toNewVm(HypervisorConnection connection, String name) {
            return toNewVm(connection, name, Map.of());
        }

        /**
         * Restores to a new VM, made as the driver's own options say.
         *
         * @param connection a connection whose driver can create VMs; stays the caller's
         * @param name the new VM's name
         * @param options name to value, as the driver documents them; one that it does not know fails the restore before
         *     anything is made
         * @return this builder
         */
        public Builder toNewVm(HypervisorConnection connection, String name, Map<String, String> options) {
            this.target = new VmTarget(connection, name, options);
            return this;
        }

        /**
         * Restores over the disks of a VM that exists and is shut off; see {@link ExistingVmTarget}.
         *
         * @param connection a connection whose driver can write into disks; stays the caller's
         * @param existing the VM to restore over
         * @return this builder
         */
        public Builder overVm(HypervisorConnection connection, VmId existing) {
            this.target = new ExistingVmTarget(connection, existing);
            return this;
        }

        /**
         * Makes the request.
         *
         * @return the request
         * @throws GenieVmException with {@code INVALID_ARGUMENT} when no target was set
         */
        public RestoreRequest build() {
            if (target == null) {
                throw new GenieVmException(
                        ErrorCode.INVALID_ARGUMENT, "a restore needs a target: a folder, a new VM or one that exists");
            }
            return new RestoreRequest(this, target);
        }
    }
}
