package io.genievm.kvm.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.guard.Owner;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Keeps backups of a domain away while its disks are written. The disks of one domain are opened one by one and share it,
 * in all of this process; that none of them is opened twice is for QEMU's lock to see to. Safe for use by several threads.
 */
final class DomainUse implements AutoCloseable {
    /** No backup's: none has a session of that name to end. */
    private static final String MARKER = "genievm-restore";

    private static final Map<String, Shared> SHARED = new HashMap<>();

    private final String domainUuid;
    private boolean closed;

    private static final class Shared {
        private final Claim claim;
        private int uses;

        Shared(Claim claim) {
            this.claim = claim;
        }
    }

    private DomainUse(String domainUuid) {
        this.domainUuid = domainUuid;
    }

    /**
     * Begins to use a domain.
     *
     * @throws GenieVmException with {@code BUSY} when a backup, or another process that restores, works at it;
     *     {@code ACCESS_DENIED} or an I/O code
     */
    static DomainUse begin(VmId vm, String domainUuid) {
        synchronized (SHARED) {
            Shared shared = SHARED.get(domainUuid);
            if (shared == null) {
                // What a dead backup has left of its files is known by their names: the next backup removes them.
                Claim.Attempt attempt = Claim.take(domainUuid, new Claim.Content(MARKER, Owner.self(), List.of()));
                shared = new Shared(attempt.claim().orElseThrow(() -> busy(vm, attempt)));
                SHARED.put(domainUuid, shared);
            }
            shared.uses++;
            return new DomainUse(domainUuid);
        }
    }

    private static GenieVmException busy(VmId vm, Claim.Attempt attempt) {
        return new GenieVmException(
                ErrorCode.BUSY,
                Resource.of(vm),
                "a backup or another restore works at domain '" + vm + "': "
                        + attempt.holder()
                                .map(holder -> holder.marker() + ", process "
                                        + holder.owner().pid())
                                .orElse("by whom can not be told"));
    }

    /** Ends the use; the last one lets backups begin again. Does nothing the second time. */
    @Override
    public void close() {
        synchronized (SHARED) {
            if (closed) {
                return;
            }
            closed = true;
            Shared shared = SHARED.get(domainUuid);
            if (shared != null && --shared.uses == 0) {
                SHARED.remove(domainUuid);
                shared.claim.close();
            }
        }
    }
}
