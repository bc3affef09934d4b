package io.genievm.kvm.internal.libvirt;

import io.genievm.api.Resource;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Element;

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
        StringBuilder xml = new StringBuilder("<domainbackup mode='pull'>\n");
        xml.append("  <server transport='unix'")
                .append(attribute("socket", socket))
                .append("/>\n  <disks>\n");
        for (BackupDisk disk : disks) {
            xml.append("    <disk").append(attribute("name", disk.target())).append(" backup='yes' type='file'");
            if (disk.since() == null) {
                xml.append(" backupmode='full'").append(attribute("exportname", disk.target()));
            } else {
                xml.append(" backupmode='incremental'")
                        .append(attribute("incremental", disk.since()))
                        .append(attribute("exportname", disk.target()))
                        .append(attribute("exportbitmap", disk.bitmapName()));
            }
            xml.append(">\n      <driver type='qcow2'/>\n      <scratch")
                    .append(attribute("file", disk.scratch()))
                    .append("/>\n    </disk>\n");
        }
        for (String target : left) {
            xml.append("    <disk").append(attribute("name", target)).append(" backup='no'/>\n");
        }
        return xml.append("  </disks>\n</domainbackup>\n").toString();
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
        StringBuilder xml = new StringBuilder("<domaincheckpoint>\n");
        xml.append("  <name>").append(XmlText.escape(name)).append("</name>\n");
        xml.append("  <description>").append(XmlText.escape(description)).append("</description>\n");
        if (created != null) {
            xml.append("  <creationTime>").append(created).append("</creationTime>\n");
        }
        xml.append("  <disks>\n");
        for (String target : tracked) {
            xml.append("    <disk")
                    .append(attribute("name", target))
                    .append(" checkpoint='bitmap'")
                    .append(attribute("bitmap", name))
                    .append("/>\n");
        }
        for (String target : left) {
            xml.append("    <disk").append(attribute("name", target)).append(" checkpoint='no'/>\n");
        }
        return xml.append("  </disks>\n</domaincheckpoint>\n").toString();
    }

    private static String attribute(String name, Object value) {
        return " " + name + "='" + XmlText.escape(value.toString()) + "'";
    }

    /**
     * The Unix socket that a {@code domainbackup} document names, or {@code null} when it is not in pull mode on one.
     *
     * @throws io.genievm.api.GenieVmException with {@code IO_ERROR} when it is no such document
     */
    public static @Nullable Path socketOf(String backup) {
        Element root = parse(backup);
        if (!"pull".equals(root.getAttribute("mode"))
                || !"unix".equals(XmlText.attributeOf(root, "server", "transport"))) {
            return null;
        }
        return path(XmlText.attributeOf(root, "server", "socket"));
    }

    /**
     * The scratch files that a {@code domainbackup} document names.
     *
     * @throws io.genievm.api.GenieVmException with {@code IO_ERROR} when it is no such document
     */
    public static List<Path> scratchFilesOf(String backup) {
        List<Path> files = new ArrayList<>();
        for (Element disk : XmlText.grandchildren(parse(backup), "disks", "disk")) {
            Path file = path(XmlText.attributeOf(disk, "scratch", "file"));
            if (file != null) {
                files.add(file);
            }
        }
        return List.copyOf(files);
    }

    /** Reads a {@code domaincheckpoint} document. */
    static LibvirtDomain.Checkpoint checkpointOf(String xml, Resource domain) {
        Element root = XmlText.parse(xml, "domaincheckpoint", domain);
        String name = XmlText.textOf(root, "name");
        if (name.isEmpty()) {
            throw XmlText.unreadable(domain, "domaincheckpoint", "it has no name");
        }
        String created = XmlText.textOf(root, "creationTime");
        Map<String, String> bitmaps = new TreeMap<>();
        for (Element disk : XmlText.grandchildren(root, "disks", "disk")) {
            if (disk.getAttribute("checkpoint").equals("bitmap")) {
                String bitmap = disk.getAttribute("bitmap");
                bitmaps.put(disk.getAttribute("name"), bitmap.isEmpty() ? name : bitmap);
            }
        }
        try {
            return new LibvirtDomain.Checkpoint(
                    name,
                    XmlText.textOf(root, "description"),
                    created.isEmpty() ? 0 : Long.parseLong(created),
                    Collections.unmodifiableMap(bitmaps));
        } catch (NumberFormatException e) {
            throw XmlText.unreadable(domain, "domaincheckpoint", "its creation time is '" + created + "'");
        }
    }

    /** The targets of the disks that a {@code domainbackup} document backs up and a {@code domaincheckpoint} tracks. */
    static Set<String> targetsOf(String backup, @Nullable String checkpoint) {
        Set<String> targets = new TreeSet<>();
        for (Element disk : XmlText.grandchildren(parse(backup), "disks", "disk")) {
            targets.add(disk.getAttribute("name"));
        }
        if (checkpoint != null) {
            Element root = XmlText.parse(checkpoint, "domaincheckpoint", Resource.NONE);
            for (Element disk : XmlText.grandchildren(root, "disks", "disk")) {
                targets.add(disk.getAttribute("name"));
            }
        }
        return targets;
    }

    private static Element parse(String backup) {
        return XmlText.parse(backup, "domainbackup", Resource.NONE);
    }

    private static @Nullable Path path(String text) {
        try {
            return text.isEmpty() ? null : Path.of(text);
        } catch (InvalidPathException e) {
            throw XmlText.unreadable(Resource.NONE, "domainbackup", e.getMessage());
        }
    }
}
