package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.qemu.QemuImg;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Opens the disks of domains that are shut off. As long as one is open, QEMU's lock on its image keeps the domain, and
 * whatever else uses that image with QEMU, from starting, and no backup of the domain begins. What is written goes into the
 * image that the domain names, never into those behind it, and into the bitmaps by which the next backup knows what has
 * changed. Safe for use by several threads.
 */
public final class ExistingDisks implements DiskWriting {
    private static final List<String> TYPES = List.of("file", "block");
    private static final List<String> FORMATS = List.of("qcow2", "raw");

    private final LibvirtConnection libvirt;
    private final Path sockets;

    /**
     * Opens disks of one daemon's domains.
     *
     * @param libvirt not closed by this
     * @param sockets the folder for Unix sockets
     */
    public ExistingDisks(LibvirtConnection libvirt, Path sockets) {
        this.libvirt = libvirt;
        this.sockets = sockets;
    }

    /**
     * {@inheritDoc}
     *
     * <p>{@code BUSY} also when its memory is saved, which would go on with what is in the disks now, and when a backup
     * works at it. {@code UNSUPPORTED} for disks that are not a file or a block device of this machine, of other formats
     * than {@code qcow2} and {@code raw}, encrypted, shared with other domains, or not writable for the guest.
     */
    @Override
    public WritableDisk openDisk(VmId vm, DiskId disk) {
        LibvirtDomain domain = libvirt.domain(vm.value());
        DomainXml.Disk definition = definition(vm, disk, domain);
        requireShutOff(vm, disk, domain);
        Path image = image(vm, disk, definition);
        DomainUse use = DomainUse.begin(vm, domain.uuid());
        ServedImage served = null;
        boolean opened = false;
        try {
            if (QemuImg.chain(image, definition.format()).get(0).isEncrypted()) {
                throw failure(ErrorCode.UNSUPPORTED, vm, disk, "disk '" + disk + "' is encrypted: " + image);
            }
            served = open(vm, disk, image, definition.format());
            // From here on QEMU's lock keeps it from starting: what was true before has to be true still.
            requireShutOff(vm, disk, domain);
            if (!definition.equals(definition(vm, disk, domain))) {
                throw failure(
                        ErrorCode.BUSY,
                        vm,
                        disk,
                        "disk '" + disk + "' of domain '" + vm + "' was defined anew meanwhile");
            }
            OpenDisk result = new OpenDisk(served, use);
            opened = true;
            return result;
        } finally {
            if (!opened) {
                if (served != null) {
                    served.close();
                }
                use.close();
            }
        }
    }

    private ServedImage open(VmId vm, DiskId disk, Path image, String format) {
        try {
            return ServedImage.open(image, format, sockets);
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.BUSY)) {
                throw new GenieVmException(
                        ErrorCode.BUSY,
                        Resource.of(vm, disk),
                        "somebody else has disk '" + disk + "' of domain '" + vm + "' open: " + e.getMessage(),
                        e);
            }
            throw e;
        }
    }

    private static void requireShutOff(VmId vm, DiskId disk, LibvirtDomain domain) {
        LibvirtDomain.State state = domain.state();
        if (state == LibvirtDomain.State.SAVED) {
            throw failure(
                    ErrorCode.BUSY,
                    vm,
                    disk,
                    "the memory of domain '" + vm
                            + "' is saved, and would go on with disks that are not those it knows: start it and shut it"
                            + " down, or remove what is saved");
        }
        if (state != LibvirtDomain.State.SHUT_OFF) {
            throw failure(
                    ErrorCode.BUSY, vm, disk, "domain '" + vm + "' has to be shut off for its disks to be written");
        }
        Optional<String> job = domain.runningJob();
        if (job.isPresent()) {
            throw failure(ErrorCode.BUSY, vm, disk, "a job holds domain '" + vm + "': " + job.get());
        }
    }

    private static DomainXml.Disk definition(VmId vm, DiskId disk, LibvirtDomain domain) {
        return DomainXml.parse(domain.xml(true)).disks().stream()
                .filter(each -> each.target().equals(disk.value()))
                .findFirst()
                .orElseThrow(
                        () -> failure(ErrorCode.NOT_FOUND, vm, disk, "domain '" + vm + "' has no disk '" + disk + "'"));
    }

    private static Path image(VmId vm, DiskId disk, DomainXml.Disk definition) {
        String source = definition.source();
        String objection = null;
        if (definition.device() != DomainXml.Device.DISK) {
            objection = "it is no hard disk of its own";
        } else if (!TYPES.contains(definition.type())) {
            objection = "it is of type '" + definition.type() + "', and not one of " + TYPES;
        } else if (source == null) {
            objection = definition.hasSource() ? "it is only a part of its file" : "it has no image";
        } else if (!FORMATS.contains(definition.format())) {
            objection = "it is of format '" + definition.format() + "', and not one of " + FORMATS;
        } else if (definition.shareable()) {
            objection = "it may be shared with other domains, and QEMU does not lock it";
        } else if (definition.readOnly()) {
            objection = "the guest can not write it either";
        }
        if (source == null || objection != null) {
            throw failure(
                    ErrorCode.UNSUPPORTED,
                    vm,
                    disk,
                    "disk '" + disk + "' of domain '" + vm + "' can not be written: " + objection);
        }
        try {
            return Path.of(source);
        } catch (InvalidPathException e) {
            throw failure(
                    ErrorCode.UNSUPPORTED,
                    vm,
                    disk,
                    "the path of disk '" + disk + "' of domain '" + vm
                            + "' has characters that the JVM's locale does not: " + source);
        }
    }

    private static GenieVmException failure(ErrorCode code, VmId vm, DiskId disk, String message) {
        return new GenieVmException(code, Resource.of(vm, disk), message);
    }

    /** A disk that is open. */
    private static final class OpenDisk implements WritableDisk {
        private final ServedImage image;
        private final DomainUse use;
        private final DiskReader reader;
        private final DiskWriter writer;

        OpenDisk(ServedImage image, DomainUse use) {
            this.image = image;
            this.use = use;
            this.reader = image.reader();
            this.writer = image.writer(image.size());
        }

        @Override
        public long capacity() {
            return image.size();
        }

        @Override
        public DiskLimits limits() {
            return image.limits();
        }

        @Override
        public DiskReader reader() {
            return reader;
        }

        @Override
        public DiskWriter writer() {
            return writer;
        }

        @Override
        public void close() {
            try {
                reader.close();
                writer.close();
                image.close();
            } finally {
                use.close();
            }
        }
    }
}
