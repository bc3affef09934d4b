package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.kvm.internal.libvirt.DomainXml;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A disk of a domain that takes part in a backup.
 *
 * @param id its id
 * @param xml its definition
 */
record SelectedDisk(DiskId id, DomainXml.Disk xml) {
    /** Kinds of storage that QEMU can not make a backup job of, or that are none of the domain's own. */
    private static final Set<String> NOT_BACKED_UP = Set.of("dir", "vhostuser", "vhostvdpa");

    /**
     * The disks of a domain that are neither excluded nor something else than a disk with a medium of its own.
     *
     * @param domain the domain
     * @param excluded disks to leave out
     * @param facts told what is left out without having been excluded
     */
    static List<SelectedDisk> of(DomainXml domain, Set<DiskId> excluded, Consumer<DriverFact> facts) {
        List<SelectedDisk> selected = new ArrayList<>();
        for (DomainXml.Disk disk : domain.disks()) {
            String why = whyNot(disk);
            if (why != null) {
                facts.accept(
                        new DriverFact(DriverFact.DISK_SKIPPED, null, "'" + disk.target() + "' is left out: " + why));
            } else {
                DiskId id = new DiskId(disk.target());
                if (!excluded.contains(id)) {
                    selected.add(new SelectedDisk(id, disk));
                }
            }
        }
        return selected;
    }

    /** Whether it is a disk of the domain's own, so that a description lists it. */
    static boolean isDisk(DomainXml.Disk disk) {
        return whyNot(disk) == null;
    }

    private static @Nullable String whyNot(DomainXml.Disk disk) {
        return switch (disk.device()) {
            case CDROM -> disk.hasSource() ? "it is a CD-ROM drive" : "it is a CD-ROM drive without a medium";
            case FLOPPY -> disk.hasSource() ? "it is a floppy drive" : "it is a floppy drive without a medium";
            case LUN -> "it is a LUN of the host that is handed through, which no backup job can read";
            case DISK -> {
                if (!disk.hasSource()) {
                    yield "it has no image";
                }
                if (NOT_BACKED_UP.contains(disk.type())) {
                    yield "no backup job can read a disk of type '" + disk.type() + "'";
                }
                yield disk.isTransient() ? "what is written to it is thrown away when the domain ends" : null;
            }
        };
    }

    /** Whether the format of its image can keep dirty bitmaps. */
    boolean mayBeTracked() {
        return xml.format().equals("qcow2") && !xml.readOnly();
    }
}
