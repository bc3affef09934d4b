package io.genievm.core;

import io.genievm.api.SessionId;
import org.jspecify.annotations.Nullable;

/**
 * What to check. Immutable.
 *
 * @param point check just what this point needs; {@code null} for every object of the repository
 * @param structureOnly check that everything that is needed is there and every index, map and manifest is right, without
 *     reading the data of the disks
 * @since 0.1
 */
public record VerifyRequest(@Nullable SessionId point, boolean structureOnly) {
    /** Every byte of every object. */
    public static final VerifyRequest EVERYTHING = new VerifyRequest(null, false);
}
