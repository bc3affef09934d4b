package io.genievm.kvm.internal.libvirt;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import org.jspecify.annotations.Nullable;

/** A backup job that libvirt did not begin for a reason that another attempt can avoid. */
public final class BackupRefusedException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    private final LibvirtDomain.BackupProblem problem;
    private final @Nullable String disk;

    /**
     * Makes the exception.
     *
     * @param domain the domain's name
     * @param problem what is in the way
     * @param disk the target of the disk that libvirt names, or {@code null} when it names none
     * @param message libvirt's words
     */
    BackupRefusedException(String domain, LibvirtDomain.BackupProblem problem, @Nullable String disk, String message) {
        super(ErrorCode.IO_ERROR, Resource.named(domain), message);
        this.problem = problem;
        this.disk = disk;
    }

    /** What is in the way. */
    public LibvirtDomain.BackupProblem problem() {
        return problem;
    }

    /** The target of the disk that libvirt names, or {@code null} when it names none. */
    public @Nullable String disk() {
        return disk;
    }
}
