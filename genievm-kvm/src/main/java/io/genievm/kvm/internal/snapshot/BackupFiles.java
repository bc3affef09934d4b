package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.kvm.internal.KvmOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of one backup of one domain: Unix sockets, and what takes the blocks that the guest overwrites. Their names
 * begin with the marker, and tell the domain, so that what a dead session left can be told from what another backup to the
 * same repository uses.
 */
final class BackupFiles {
    private static final Logger LOG = LoggerFactory.getLogger(BackupFiles.class);
    /** 60 bits of a hash: a whole UUID would make the path of a socket too long. */
    private static final int TAG_LENGTH = 10;

    private static final String FROZEN = ".frozen";
    private static final String SOCKET = ".sock";

    private final Path scratchFolder;
    private final String beginning;

    BackupFiles(KvmOptions options, Marker marker, String domainUuid) {
        this.scratchFolder = options.scratch();
        this.beginning = marker.name() + tag(domainUuid);
    }

    /** The socket on which QEMU exports the disks of a running domain. */
    Path socket() {
        return KvmOptions.SOCKETS.resolve(beginning + SOCKET);
    }

    /** The socket on which a process of its own exports a disk. */
    Path socket(DiskId disk) {
        return KvmOptions.SOCKETS.resolve(beginning + "-" + disk + SOCKET);
    }

    /** The file that takes what the guest overwrites. */
    Path scratch(DiskId disk) {
        return scratchFolder.resolve(beginning + "-" + disk + ".scratch");
    }

    /** The record that the guest is being frozen by this backup: there from before the freeze until after the thaw. */
    Path freezeRecord() {
        return KvmOptions.SOCKETS.resolve(beginning + FROZEN);
    }

    /** Whether a file is the record of a freeze, made by this user and not by anybody who can write to the folder. */
    static boolean isFreezeRecord(Path file) {
        try {
            return file.toString().endsWith(FROZEN)
                    && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                    && Files.getOwner(file, LinkOption.NOFOLLOW_LINKS).equals(Files.getOwner(Path.of("/proc/self")));
        } catch (IOException e) {
            return false;
        }
    }

    /** Whether a file is the socket of a process that exports one disk. */
    static boolean isSocketOfDisk(Path file) {
        String name = String.valueOf(file.getFileName());
        Marker marker = Marker.atStartOf(name);
        return marker != null
                && name.endsWith(SOCKET)
                && name.length() > marker.name().length() + TAG_LENGTH + 1 + SOCKET.length();
    }

    /** The files that backups of a domain to a repository have left. Only for who holds the claim to the domain. */
    static List<Path> left(KvmOptions options, RepositoryId repository, String domainUuid) {
        List<Path> left = new ArrayList<>();
        for (Path folder : new HashSet<>(List.of(options.scratch(), KvmOptions.SOCKETS))) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "genievm-" + repository + "-*")) {
                for (Path file : files) {
                    if (isOf(file, repository, domainUuid)) {
                        left.add(file);
                    }
                }
            } catch (IOException e) {
                LOG.info("can not look for files of dead backups in {}: {}", folder, e.toString());
            }
        }
        return left;
    }

    /** Whether a file is of a backup of a domain to a repository. */
    static boolean isOf(Path file, RepositoryId repository, String domainUuid) {
        String name = String.valueOf(file.getFileName());
        Marker marker = Marker.atStartOf(name);
        return marker != null
                && marker.repository().equals(repository)
                && name.startsWith(marker.name() + tag(domainUuid));
    }

    /** Removes files that are there. */
    static void remove(List<Path> files) {
        for (Path file : files) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                LOG.warn("can not remove {}: {}", file, e.toString());
            }
        }
    }

    private static String tag(String domainUuid) {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(domainUuid.getBytes(StandardCharsets.UTF_8));
            return "-" + Base64.getUrlEncoder().encodeToString(hash).substring(0, TAG_LENGTH);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
