package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.SnapshotRequest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Whose something is: checkpoints, bitmaps, sockets and scratch files of a backup bear it, or begin with it.
 *
 * @param repository the repository that the backup goes to
 * @param session the session that makes it
 */
record Marker(RepositoryId repository, SessionId session) {
    private static final Pattern BEGINNING = Pattern.compile("genievm-([0-9a-f]{32})-([0-9a-f]{32})(?![0-9a-f])");
    private static final char SEPARATOR = ':';

    static Marker of(SnapshotRequest request) {
        return new Marker(request.repository(), request.session());
    }

    /** The marker that a name is, or {@code null}. */
    static @Nullable Marker exactly(String name) {
        Marker marker = atStartOf(name);
        return marker != null && marker.name().equals(name) ? marker : null;
    }

    /** The marker that a name begins with, or {@code null}. */
    static @Nullable Marker atStartOf(String name) {
        Matcher matcher = BEGINNING.matcher(name);
        return matcher.lookingAt()
                ? new Marker(new RepositoryId(matcher.group(1)), new SessionId(matcher.group(2)))
                : null;
    }

    /**
     * The marker in the token of a disk, or {@code null} when the token is not one of that disk, with these images, by this
     * driver.
     */
    static @Nullable Marker in(ChangeToken token, DiskId disk, String images) {
        Marker marker = atStartOf(token.value());
        return marker != null && marker.token(disk, images).equals(token) ? marker : null;
    }

    /** The name of a checkpoint and its bitmaps. */
    String name() {
        return "genievm-" + repository + "-" + session;
    }

    /**
     * The token of a disk: the checkpoint, the disk, and which images it consisted of.
     *
     * @param images their {@link ImageIdentity}
     */
    ChangeToken token(DiskId disk, String images) {
        return new ChangeToken(name() + SEPARATOR + images + SEPARATOR + disk);
    }

    @Override
    public String toString() {
        return name();
    }
}
