package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.QuiesceMode;
import java.util.Set;

/**
 * Which VM to back up, and how. Immutable.
 *
 * @since 0.1
 */
public final class BackupRequest {
    private final VmId vm;
    private final Codec codec;
    private final QuiesceMode quiesce;
    private final Set<DiskId> excludedDisks;
    private final boolean allowInconsistent;

    private BackupRequest(Builder builder) {
        this.vm = builder.vm;
        this.codec = builder.codec;
        this.quiesce = builder.quiesce;
        this.excludedDisks = Set.copyOf(builder.excludedDisks);
        this.allowInconsistent = builder.allowInconsistent;
    }

    /**
     * Begins a request with default options.
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
     * How to compress.
     *
     * @return {@link Codec#DEFAULT} unless set
     */
    public Codec codec() {
        return codec;
    }

    /**
     * How far to bring the guest to rest.
     *
     * @return {@link QuiesceMode#NONE} unless set
     */
    public QuiesceMode quiesce() {
        return quiesce;
    }

    /**
     * Disks to leave out.
     *
     * @return their ids, empty unless set
     */
    public Set<DiskId> excludedDisks() {
        return excludedDisks;
    }

    /**
     * Whether a disk that changed while it was read is kept with a warning, instead of failing the backup.
     *
     * @return false unless set
     */
    public boolean allowInconsistent() {
        return allowInconsistent;
    }

    /**
     * Collects the parts of a {@link BackupRequest}. For one thread.
     *
     * @since 0.1
     */
    public static final class Builder {
        private final VmId vm;
        private Codec codec = Codec.DEFAULT;
        private QuiesceMode quiesce = QuiesceMode.NONE;
        private Set<DiskId> excludedDisks = Set.of();
        private boolean allowInconsistent;

        private Builder(VmId vm) {
            this.vm = vm;
        }

        /**
         * Sets how to compress.
         *
         * @param value the codec
         * @return this builder
         */
        public Builder codec(Codec value) {
            this.codec = value;
            return this;
        }

        /**
         * Sets how far to bring the guest to rest.
         *
         * @param value the mode
         * @return this builder
         */
        public Builder quiesce(QuiesceMode value) {
            this.quiesce = value;
            return this;
        }

        /**
         * Sets the disks to leave out. Each must be a disk of the VM.
         *
         * @param value their ids
         * @return this builder
         */
        public Builder excludedDisks(Set<DiskId> value) {
            this.excludedDisks = value;
            return this;
        }

        /**
         * Sets whether a disk that changed while it was read is kept with a warning.
         *
         * @param value whether
         * @return this builder
         */
        public Builder allowInconsistent(boolean value) {
            this.allowInconsistent = value;
            return this;
        }

        /**
         * Makes the request.
         *
         * @return the request
         */
        public BackupRequest build() {
            return new BackupRequest(this);
        }
    }
}
