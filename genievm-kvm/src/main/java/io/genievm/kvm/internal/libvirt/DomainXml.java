package io.genievm.kvm.internal.libvirt;

import io.genievm.api.Resource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Element;

/** What the driver needs of a domain's XML. Immutable. */
public final class DomainXml {
    /** What a disk is to the guest. */
    public enum Device {
        /** A hard disk. */
        DISK,
        /** A CD-ROM drive. */
        CDROM,
        /** A floppy drive. */
        FLOPPY,
        /** A LUN of the host handed through. */
        LUN
    }

    /**
     * One {@code <disk>}.
     *
     * @param target its name in the guest's definition, such as {@code vda}
     * @param device what it is to the guest
     * @param type libvirt's word for where it is: {@code file}, {@code block}, {@code network}, {@code volume}...
     * @param source the path of its image on this machine, for {@code file} and {@code block}; {@code null} for others,
     *     when the image is only a part of what is there, and when there is no medium
     * @param hasSource whether there is a medium at all
     * @param format the format of the image: {@code qcow2}, {@code raw}...
     * @param readOnly whether the guest can not write it
     * @param shareable whether other domains may write it too
     * @param isTransient whether what the guest writes is thrown away at the end
     */
    public record Disk(
            String target,
            Device device,
            String type,
            @Nullable String source,
            boolean hasSource,
            String format,
            boolean readOnly,
            boolean shareable,
            boolean isTransient) {}

    private static final String AGENT = "org.qemu.guest_agent.0";

    private static final Pattern NODE = Pattern.compile("libvirt-([0-9]+)-[a-z]+");

    private final String name;
    private final String uuid;
    private final List<Disk> disks;
    private final @Nullable String nvram;
    private final boolean hasTpm;
    private final boolean hasAgentChannel;

    private DomainXml(Element domain, String name) {
        this.name = name;
        uuid = XmlText.textOf(domain, "uuid");
        Resource resource = Resource.named(name);
        List<Disk> found = new ArrayList<>();
        for (Element disk : XmlText.grandchildren(domain, "devices", "disk")) {
            found.add(disk(disk, resource));
        }
        found.sort(Comparator.comparing(Disk::target));
        disks = List.copyOf(found);
        Element os = XmlText.child(domain, "os");
        nvram = os == null ? null : nvram(os);
        hasTpm = !XmlText.grandchildren(domain, "devices", "tpm").isEmpty();
        hasAgentChannel = XmlText.grandchildren(domain, "devices", "channel").stream()
                .anyMatch(channel -> AGENT.equals(XmlText.attributeOf(channel, "target", "name")));
    }

    /**
     * Reads a definition. What it does not know in it, it passes over.
     *
     * @throws io.genievm.api.GenieVmException with {@code IO_ERROR} when it is none
     */
    public static DomainXml parse(String xml) {
        Element domain = XmlText.parse(xml, "domain", Resource.NONE);
        String name = XmlText.textOf(domain, "name");
        if (name.isEmpty()) {
            throw XmlText.unreadable(Resource.NONE, "domain", "it has no name");
        }
        return new DomainXml(domain, name);
    }

    private static Disk disk(Element disk, Resource resource) {
        String target = XmlText.attributeOf(disk, "target", "dev");
        if (target.isEmpty()) {
            throw XmlText.unreadable(resource, "domain", "a disk has no target");
        }
        Device device = switch (disk.getAttribute("device")) {
            // libvirt's default
            case "", "disk" -> Device.DISK;
            case "cdrom" -> Device.CDROM;
            case "floppy" -> Device.FLOPPY;
            case "lun" -> Device.LUN;
            default ->
                throw XmlText.unreadable(
                        resource, "domain", "disk '" + target + "' is a '" + disk.getAttribute("device") + "'");
        };
        String type = disk.getAttribute("type").isEmpty() ? "file" : disk.getAttribute("type");
        Element source = XmlText.child(disk, "source");
        String path = switch (type) {
            case "file" -> source == null ? "" : source.getAttribute("file");
            case "block" -> source == null ? "" : source.getAttribute("dev");
            default -> "";
        };
        boolean isPath = type.equals("file") || type.equals("block");
        // Whoever opened all of the file would read and write what is around the image.
        boolean isPart = source != null && XmlText.child(source, "slices") != null;
        String format = XmlText.attributeOf(disk, "driver", "type");
        return new Disk(
                target,
                device,
                type,
                path.isEmpty() || isPart ? null : path,
                isPath ? !path.isEmpty() : source != null,
                // libvirt's default too: it does not guess, since the content of a raw image is the guest's.
                format.isEmpty() ? "raw" : format,
                XmlText.child(disk, "readonly") != null,
                XmlText.child(disk, "shareable") != null,
                XmlText.child(disk, "transient") != null);
    }

    /**
     * The disk whose image QEMU has under a name that libvirt gave it, such as {@code libvirt-2-format}; {@code null}
     * when it can not be told.
     *
     * @param xml the domain as it runs
     */
    static @Nullable String targetOfNode(String xml, String node) {
        Matcher matcher = NODE.matcher(node);
        if (!matcher.matches()) {
            return null;
        }
        Element domain = XmlText.parse(xml, "domain", Resource.NONE);
        for (Element disk : XmlText.grandchildren(domain, "devices", "disk")) {
            if (matcher.group(1).equals(XmlText.attributeOf(disk, "source", "index"))) {
                return XmlText.attributeOf(disk, "target", "dev");
            }
        }
        return null;
    }

    /** The path is the text of the element, or since libvirt 8.5 the file of a source in it. */
    private static @Nullable String nvram(Element os) {
        Element element = XmlText.child(os, "nvram");
        if (element == null) {
            return null;
        }
        String path = XmlText.child(element, "source") == null
                ? element.getTextContent().strip()
                : XmlText.attributeOf(element, "source", "file");
        return path.isEmpty() ? null : path;
    }

    /** The domain's name. */
    public String name() {
        return name;
    }

    /** The domain's UUID; empty in a definition that leaves it to libvirt to draw one. */
    public String uuid() {
        return uuid;
    }

    /** Its disks of all kinds, ascending by target. */
    public List<Disk> disks() {
        return disks;
    }

    /** The path of the file with the firmware's variables. */
    public Optional<String> nvram() {
        return Optional.ofNullable(nvram);
    }

    /** Whether there is a TPM. */
    public boolean hasTpm() {
        return hasTpm;
    }

    /** Whether a channel for the guest agent is there. */
    public boolean hasAgentChannel() {
        return hasAgentChannel;
    }
}
