package io.genievm.kvm.internal.guard;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The right to work at one domain, held by at most one snapshot of this machine at a time: a small file in a folder that
 * a restart of the machine empties. It outlives its owner, and tells the next what the dead one has left. Safe for use by
 * several threads.
 */
public final class Claim implements AutoCloseable {
    /**
     * What a claim says.
     *
     * @param marker the marker of the snapshot: {@code genievm-<repositoryId>-<sessionId>}
     * @param owner the process that holds it
     * @param files files that are to be removed with the snapshot
     */
    public record Content(String marker, Owner owner, List<Path> files) {}

    /** What came of trying to take a claim. */
    public record Attempt(Optional<Claim> claim, Optional<Content> holder) {}

    /**
     * Takes the claim to a domain. When a dead process holds it, it is taken over, and what it said is told along.
     *
     * @param domainUuid the domain
     * @param content what to write
     * @return the claim with what a dead holder said; or no claim and the holder that lives, or may live
     * @throws io.genievm.api.GenieVmException with {@code ACCESS_DENIED} or an I/O code
     */
    public static Attempt take(String domainUuid, Content content) {
        throw new UnsupportedOperationException();
    }

    /** Gives the claim back: removes the file. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
