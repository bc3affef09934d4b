package io.genievm.core;

import io.genievm.api.Warning;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a check found.
 *
 * @param checkedBytes bytes of objects that were read and compared with their checksums and hashes
 * @param unneededBytes bytes of packs that no point needs: left behind by backups that failed or were killed, or of points
 *     that were deleted; {@code null} where only one point was checked. A pack of which nothing is needed counts with its
 *     whole length, and of another one each segment of which nothing is. Where data is stored more than once, just the
 *     copy that a restore would read is needed. What is being stored by backups under way counts. A guess where there
 *     is damage, as it can not be known then what is needed
 * @param points the points that were checked, with how far their disks are proven; a suspect disk is a warning as well
 * @param damage everything that is not as it was written; empty when all is well
 * @param warnings what a person should know and is no damage
 * @param elapsed how long it took
 * @since 0.1
 */
public record VerifyReport(
        long checkedBytes,
        @Nullable Long unneededBytes,
        List<RestorePoint> points,
        List<Damage> damage,
        List<Warning> warnings,
        Duration elapsed) {
    /**
     * Copies the lists.
     *
     * @param checkedBytes bytes checked
     * @param unneededBytes bytes no point needs
     * @param points the points
     * @param damage the damage
     * @param warnings the warnings
     * @param elapsed the time
     */
    public VerifyReport {
        points = List.copyOf(points);
        damage = List.copyOf(damage);
        warnings = List.copyOf(warnings);
    }

    /**
     * Says whether all is well.
     *
     * @return true when there is no damage
     */
    public boolean isOk() {
        return damage.isEmpty();
    }
}
