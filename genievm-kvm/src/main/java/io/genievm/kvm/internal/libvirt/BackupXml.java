package io.genievm.kvm.internal.libvirt;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The documents of a backup job in pull mode and of a checkpoint.
 *
 * @see <a href="https://libvirt.org/formatbackup.html">libvirt: backup XML format</a>
 * @see <a href="https://libvirt.org/formatcheckpoint.html">libvirt: checkpoint XML format</a>
 */
public final class BackupXml {
    private BackupXml() {}

    /**
     * One disk of a backup job.
     *
     * @param target the disk; also the name of its export
     * @param scratch the file that takes what the guest overwrites; libvirt makes and removes it
     * @param since the checkpoint since which changes are asked for, or {@code null} for none
     * @param bitmapName the name under which the changes are exported; used only with {@code since}
     */
    public record BackupDisk(
            String target, Path scratch, @Nullable String since, String bitmapName) {}

    /**
     * Writes a {@code domainbackup} document.
     *
     * @param socket the Unix socket that QEMU shall serve
     * @param disks the disks of the job
     * @param left targets of disks that take no part
     */
    public static String backup(Path socket, List<BackupDisk> disks, List<String> left) {
        throw new UnsupportedOperationException();
    }

    /**
     * Writes a {@code domaincheckpoint} document.
     *
     * @param name the checkpoint's and its bitmaps' name
     * @param description free text
     * @param created seconds since 1970, only for a checkpoint that is told of and not made, else {@code null}
     * @param tracked targets of the disks that get a bitmap
     * @param left targets of the others
     */
    public static String checkpoint(
            String name, String description, @Nullable Long created, List<String> tracked, List<String> left) {
        throw new UnsupportedOperationException();
    }

    /** The Unix socket that a {@code domainbackup} document names, or {@code null} when it is not in pull mode on one. */
    public static @Nullable Path socketOf(String backup) {
        throw new UnsupportedOperationException();
    }

    /** The scratch files that a {@code domainbackup} document names. */
    public static List<Path> scratchFilesOf(String backup) {
        throw new UnsupportedOperationException();
    }
}
