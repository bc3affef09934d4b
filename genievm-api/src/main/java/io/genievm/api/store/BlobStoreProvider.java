package io.genievm.api.store;

import java.util.Set;

/**
 * The entry point of a kind of store, found with {@link java.util.ServiceLoader}. Needs a public constructor without
 * arguments that does nothing. Implementations are safe for use by several threads.
 *
 * @since 0.1
 */
public interface BlobStoreProvider {
    /**
     * The short name of this kind of store, which never changes its meaning.
     *
     * @return 1 to 32 characters out of {@code a-z}, {@code 0-9} and {@code -}, beginning with a letter
     */
    String name();

    /**
     * The schemes of the addresses that this provider serves: what stands before the first {@code ':'}. An address
     * without one is a path of the local file system and belongs to the scheme {@code file}.
     *
     * @return at least one; the same form as {@link #name()}
     */
    Set<String> schemes();

    /**
     * Opens a place that holds objects already. Changes nothing there, so that a place that can only be read is opened
     * as well.
     *
     * @param config where it is
     * @return an open store, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when the place does not exist,
     *     {@code INVALID_ARGUMENT} for an address or option that is not allowed or not known, {@code ACCESS_DENIED} or
     *     an I/O code
     */
    BlobStore open(BlobStoreConfig config);

    /**
     * Prepares an empty place, making it where it does not exist, and checks that it can create objects exclusively.
     *
     * @param config where it is to be
     * @return an open store without objects, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS} when the place holds something other than what
     *     a creation that was broken off had left,
     *     {@code UNSUPPORTED} with the reason when it can not create exclusively, {@code INVALID_ARGUMENT},
     *     {@code ACCESS_DENIED}, {@code NO_SPACE} or an I/O code; the place is then as it was before
     */
    BlobStore create(BlobStoreConfig config);
}
