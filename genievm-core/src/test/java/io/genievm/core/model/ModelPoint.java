package io.genievm.core.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import java.util.Map;

/**
 * What the model knows of a restore point.
 *
 * @param id its id
 * @param vm its VM
 * @param sequence its place
 * @param moment what the VM was when its snapshot was taken
 * @param disks what is known of its disks; the excluded ones are missing
 * @param manifest as it is stored
 */
record ModelPoint(
        SessionId id,
        VmId vm,
        long sequence,
        Map<String, GuestDisk.Moment> moment,
        Map<String, Disk> disks,
        JsonNode manifest) {
    /**
     * One disk of it.
     *
     * @param content its bytes: those of the VM, unless the hypervisor has lied
     * @param plan what was read
     * @param reason why
     * @param trust how far it is proven, without what was found out later
     * @param provenPoint the newest point in which it was proven
     * @param token the hypervisor's token, or {@code null}
     * @param stripes how audits divide it; 0 where none has yet
     * @param covered how many stripes were compared since it was proven
     */
    record Disk(
            PlainBytes content,
            DiskPlan plan,
            String reason,
            Trust trust,
            SessionId provenPoint,
            String token,
            int stripes,
            int covered) {
        double coveredShare() {
            return trust == Trust.PROVEN ? 1 : stripes == 0 ? 0 : (double) covered / stripes;
        }
    }
}
