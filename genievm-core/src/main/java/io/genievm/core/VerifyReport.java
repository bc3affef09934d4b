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
 * @param orphans what sessions have left that have no point: part of what is unneeded; {@code null} where only one point was
 *     checked
 * @param points the points that were checked, with how far their disks are proven; a suspect disk is a warning as well
 * @param damage everything that is not as it was written; empty when all is well
 * @param warnings what a person should know and is no damage
 * @param elapsed how long it took
 * @since 0.1
 */
public record VerifyReport(
        long checkedBytes,
        @Nullable Long unneededBytes,
        @Nullable Orphans orphans,
        List<RestorePoint> points,
        List<Damage> damage,
        List<Warning> warnings,
        Duration elapsed) {
    /**
     * What backups have left that were killed, or were ended by others, and what those that are under way have stored so
     * far, as nobody can tell them apart. What a backup leaves that fails and can clear up is not among it, nor what was
     * needed by points that are deleted. It harms nothing and waits for collection.
     *
     * @param sessions how many backups have begun and not come to an end
     * @param packs how many packs of theirs, and of backups that were ended by others, no point needs anything of
     * @param bytes bytes of packs of such backups that no point needs, of packs that are needed in part as well
     * @since 0.1
     */
    public record Orphans(int sessions, int packs, long bytes) {}

    /**
     * Copies the lists.
     *
     * @param checkedBytes bytes checked
     * @param unneededBytes bytes no point needs
     * @param orphans what sessions without a point have left
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
