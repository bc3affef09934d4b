package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.QuiesceMode;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which VM to back up, and how. Immutable.
 *
 * @since 0.1
 */
public final class BackupRequest {
    /** One part in 64 of what is called unchanged. */
    public static final double DEFAULT_AUDIT_SHARE = 1.0 / 64;
    /** The least share that can be asked for. */
    public static final double MIN_AUDIT_SHARE = 0.000001;

    private final VmId vm;
    private final Codec codec;
    private final @Nullable QuiesceMode quiesce;
    private final Set<DiskId> excludedDisks;
    private final boolean allowInconsistent;
    private final boolean full;
    private final AuditMode audit;
    private final double auditShare;
    private final boolean checkCompression;

    private BackupRequest(Builder builder) {
        this.vm = builder.vm;
        this.codec = builder.codec;
        this.quiesce = builder.quiesce;
        this.excludedDisks = Set.copyOf(builder.excludedDisks);
        this.allowInconsistent = builder.allowInconsistent;
        this.full = builder.full;
        this.audit = builder.audit;
        this.auditShare = builder.auditShare;
        this.checkCompression = builder.checkCompression;
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
     * How far to bring the guest to rest. Where that fails, the backup goes on with a warning, which tells how far it
     * came.
     *
     * @return the mode, or {@code null} unless set: {@link QuiesceMode#FILE_SYSTEM} with a hypervisor that has
     *     {@link io.genievm.api.hypervisor.Capability#QUIESCE_FILE_SYSTEM}, {@link QuiesceMode#NONE} with any other
     */
    public @Nullable QuiesceMode quiesce() {
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
     * Whether everything that is allocated is read, whatever the hypervisor says has changed. What is stored already is
     * not stored again.
     *
     * @return false unless set
     */
    public boolean full() {
        return full;
    }

    /**
     * How much of what the hypervisor calls unchanged is compared.
     *
     * @return {@link AuditMode#SAMPLE} unless set
     */
    public AuditMode audit() {
        return audit;
    }

    /**
     * Which part of a disk one {@link AuditMode#SAMPLE} covers: with a share of 1/K, K backups in a row compare every
     * chunk that they do not read anyway.
     *
     * @return {@link #DEFAULT_AUDIT_SHARE} unless set
     */
    public double auditShare() {
        return auditShare;
    }

    /**
     * Whether everything that is compressed is decompressed again and compared before it is stored. What is not the same is
     * stored uncompressed, so that the point is right, and the report has a warning {@code COMPRESSION_FAILED} that names
     * the disk and where it was first: the processor, the memory or the codec errs.
     *
     * @return true unless set
     */
    public boolean checkCompression() {
        return checkCompression;
    }

    /**
     * Collects the parts of a {@link BackupRequest}. For one thread.
     *
     * @since 0.1
     */
    public static final class Builder {
        private final VmId vm;
        private Codec codec = Codec.DEFAULT;
        private @Nullable QuiesceMode quiesce;
        private Set<DiskId> excludedDisks = Set.of();
        private boolean allowInconsistent;
        private boolean full;
        private AuditMode audit = AuditMode.SAMPLE;
        private double auditShare = DEFAULT_AUDIT_SHARE;
        private boolean checkCompression = true;

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
         * Sets whether everything that is allocated is read, whatever the hypervisor says has changed.
         *
         * @param value whether
         * @return this builder
         */
        public Builder full(boolean value) {
            this.full = value;
            return this;
        }

        /**
         * Sets how much of what the hypervisor calls unchanged is compared.
         *
         * @param value the mode
         * @return this builder
         */
        public Builder audit(AuditMode value) {
            this.audit = value;
            return this;
        }

        /**
         * Sets which part of a disk one {@link AuditMode#SAMPLE} covers. It is rounded down to 1/K with a whole K. With
         * another share than the parent's the count begins anew.
         *
         * @param value from {@link #MIN_AUDIT_SHARE} to 1
         * @return this builder
         * @throws GenieVmException with {@code INVALID_ARGUMENT} for anything else
         */
        public Builder auditShare(double value) {
            if (!(value >= MIN_AUDIT_SHARE && value <= 1)) {
                throw new GenieVmException(
                        ErrorCode.INVALID_ARGUMENT,
                        "no audit share " + value + ": allowed are " + MIN_AUDIT_SHARE + " to 1");
            }
            this.auditShare = value;
            return this;
        }

        /**
         * Sets whether everything that is compressed is decompressed again and compared before it is stored. That costs
         * processor time, which {@code docs/adr/0011-compression-is-checked.md} gives figures of.
         *
         * @param value whether
         * @return this builder
         */
        public Builder checkCompression(boolean value) {
            this.checkCompression = value;
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
