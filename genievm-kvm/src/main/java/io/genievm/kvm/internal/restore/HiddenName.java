package io.genievm.kvm.internal.restore;

import io.genievm.kvm.internal.guard.Owner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Names for files that are not yet what they are to be: {@code .genievm-<host>.<owner>.<number>}. They tell who makes the
 * file, so that what a dead process has left can be told from what a living one works at.
 */
final class HiddenName {
    /** No VM and no disk may begin so. */
    static final String PREFIX = ".genievm-";

    private static final Logger LOG = LoggerFactory.getLogger(HiddenName.class);

    private HiddenName() {}

    /**
     * A name that nobody has.
     *
     * @param host the host's UUID: a folder may be shared, and a process of another host can not be seen from here
     */
    static Path in(Path folder, String host) {
        String owner = Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(Owner.self().toString().getBytes(StandardCharsets.UTF_8));
        return folder.resolve(
                PREFIX + host + "." + owner + "." + UUID.randomUUID().toString().substring(0, 13));
    }

    /** Removes what processes of this host have left that are dead for certain. What can not be removed is left. */
    static void sweep(Path folder, String host) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, PREFIX + "*")) {
            for (Path file : files) {
                Owner owner = owner(file.getFileName().toString(), host);
                if (owner != null && owner.life() == Owner.Life.DEAD) {
                    LOG.info("removing {}, which a process that has died was making", file);
                    Files.deleteIfExists(file);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.warn("can not remove what is of no use any more in {}: {}", folder, e.toString());
        }
    }

    private static @Nullable Owner owner(String name, String host) {
        String[] parts = name.substring(PREFIX.length()).split("\\.", -1);
        if (parts.length != 3 || !parts[0].equals(host)) {
            return null;
        }
        try {
            return Owner.parse(new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }
}
