package io.genievm.core;

import io.genievm.api.Warning;
import java.time.Duration;
import java.util.List;

/**
 * What a check found.
 *
 * @param checkedBytes bytes of objects that were read and compared with their checksums and hashes
 * @param damage everything that is not as it was written; empty when all is well
 * @param warnings what a person should know and is no damage
 * @param elapsed how long it took
 * @since 0.1
 */
public record VerifyReport(long checkedBytes, List<Damage> damage, List<Warning> warnings, Duration elapsed) {
    /**
     * Copies the lists.
     *
     * @param checkedBytes bytes checked
     * @param damage the damage
     * @param warnings the warnings
     * @param elapsed the time
     */
    public VerifyReport {
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
