package io.genievm.kvm.internal.libvirt;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

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
     * @param source the path of its image on this machine, for {@code file} and {@code block}; {@code null} for others and
     *     when there is no medium
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

    /**
     * Reads a definition.
     *
     * @throws io.genievm.api.GenieVmException with {@code IO_ERROR} when it is none
     */
    public static DomainXml parse(String xml) {
        throw new UnsupportedOperationException();
    }

    /** The domain's name. */
    public String name() {
        throw new UnsupportedOperationException();
    }

    /** The domain's UUID. */
    public String uuid() {
        throw new UnsupportedOperationException();
    }

    /** Its disks of all kinds, ascending by target. */
    public List<Disk> disks() {
        throw new UnsupportedOperationException();
    }

    /** The path of the file with the firmware's variables. */
    public Optional<String> nvram() {
        throw new UnsupportedOperationException();
    }

    /** Whether there is a TPM. */
    public boolean hasTpm() {
        throw new UnsupportedOperationException();
    }

    /** Whether a channel for the guest agent is there. */
    public boolean hasAgentChannel() {
        throw new UnsupportedOperationException();
    }
}
