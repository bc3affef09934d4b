package io.genievm.core;

import io.genievm.api.CorruptDataException;
import io.genievm.api.Resource;
import java.util.List;

/**
 * A restore met data that can not be restored. What could be restored was, and lies in files that say so by their name;
 * nothing wrong was written: damaged ranges read as zeroes there. In disks that were restored over, damaged ranges hold
 * what they held before.
 *
 * @since 0.1
 */
public final class DamagedPointException extends CorruptDataException {
    private static final long serialVersionUID = 1L;

    /** What is damaged. */
    private final transient List<Damage> damage;

    /**
     * Makes an exception.
     *
     * @param resource the VM and disk
     * @param message one or more sentences for people
     * @param damage what can not be restored, at least one
     */
    public DamagedPointException(Resource resource, String message, List<Damage> damage) {
        super(resource, message, null);
        this.damage = List.copyOf(damage);
    }

    /**
     * Says what can not be restored.
     *
     * @return objects, disks and ranges
     */
    public List<Damage> damage() {
        return damage;
    }
}
