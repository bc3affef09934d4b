package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Makes domains. Safe for use by several threads.
 *
 * <p>Options:
 *
 * <ul>
 *   <li>{@code folder}: the folder for the files of the disks, absolute; {@code /var/lib/libvirt/images} when it is not
 *       given
 *   <li>{@code format}: {@code qcow2} or {@code raw}; {@code qcow2} when it is not given
 *   <li>{@code thin}: {@code true} for disks that take space for what is written only, {@code false} for disks that take
 *       all of it at once; {@code true} when it is not given
 *   <li>{@code type}: {@code kvm}, or {@code qemu} for a processor that is emulated; that of the domain that was backed
 *       up when it is not given, and without one {@code kvm} where there is {@code /dev/kvm}, else {@code qemu}
 * </ul>
 *
 * <p>Disks are the files {@code <name>-<disk>.<format>} in the folder, and a firmware's variables
 * {@code <name>_VARS.fd}; nothing that is there is overwritten. They are made under hidden names, get their names when all
 * are whole, and then the domain is defined, and not started. A process that dies before leaves no VM. The hidden files
 * that it leaves are removed when the next VM is made in that folder; one that dies between the last two steps leaves the
 * files with their names as well, and who tries again is told so.
 *
 * <p>The definition is {@link NewDomainXml}'s: that of the domain that was backed up, which keeps the ids of its disks. From
 * another kind of hypervisor comes none. The domain is a plain one then, and a disk whose id is not a target that libvirt
 * allows, such as {@code vda}, gets the next that is free: its id in backups of the new VM is another.
 */
public final class NewDomains implements VmCreation {
    private static final Path KVM = Path.of("/dev/kvm");
    private static final int LONGEST_FILE_NAME = 255;
    private static final Pattern EMULATOR = Pattern.compile("qemu-system-.+|qemu-kvm|kvm");
    private static final int WRITABLE_BY_OTHERS = 0022;

    private final LibvirtConnection libvirt;
    private final Path sockets;

    /**
     * Makes domains of one daemon.
     *
     * @param libvirt not closed by this
     * @param sockets the folder for Unix sockets
     */
    public NewDomains(LibvirtConnection libvirt, Path sockets) {
        this.libvirt = libvirt;
        this.sockets = sockets;
    }

    /**
     * {@inheritDoc}
     *
     * <p>{@code UNSUPPORTED} when the VM is to be of type {@code kvm} and the machine does not have it, and {@code IO_ERROR}
     * when the documents of the restore point are none of this driver's.
     */
    @Override
    public NewVm create(NewVmRequest request) {
        CreationOptions options = CreationOptions.of(request.options());
        requireName(request.name());
        SortedMap<DiskId, Path> files = files(request, options);
        Path nvram = request.hardware().containsKey(Hardware.NVRAM)
                ? file(options.folder(), request.name() + "_VARS.fd")
                : null;
        String xml = xml(request, options, files, nvram);
        NewDomain domain = new NewDomain(libvirt, sockets, request, options, files, nvram, xml);
        domain.requireWanted();
        requireAbsent(request.name(), files, nvram);
        HiddenName.sweep(options.folder(), libvirt.hostUuid());
        domain.makeFiles();
        return domain;
    }

    private static void requireName(String name) {
        String objection = null;
        try {
            new VmId(name);
        } catch (IllegalArgumentException e) {
            objection = e.getMessage();
        }
        if (name.isBlank()) {
            objection = "libvirt wants something that can be seen";
        } else if (name.startsWith(HiddenName.PREFIX)) {
            objection = "what begins so is of no use any more when the process that made it has ended";
        } else if (name.indexOf('\uFFFE') >= 0 || name.indexOf('\uFFFF') >= 0) {
            objection = "it has characters that XML does not";
        }
        if (objection != null) {
            throw invalid("a VM can not have the name '" + name + "': " + objection);
        }
    }

    private static SortedMap<DiskId, Path> files(NewVmRequest request, CreationOptions options) {
        SortedMap<DiskId, Path> files = new TreeMap<>();
        for (VmDescription.Disk disk : request.disks()) {
            Path file = file(options.folder(), request.name() + "-" + disk.id() + "." + options.format());
            if (files.put(disk.id(), file) != null || disk.capacity() < 0) {
                throw invalid("disk '" + disk.id() + "' is there twice or has a negative capacity");
            }
        }
        return files;
    }

    private static Path file(Path folder, String name) {
        int length = name.getBytes(StandardCharsets.UTF_8).length;
        if (length > LONGEST_FILE_NAME) {
            throw invalid("the file of a disk is named by the VM and the disk, in at most " + LONGEST_FILE_NAME
                    + " bytes; '" + name + "' has " + length);
        }
        try {
            return folder.resolve(name);
        } catch (InvalidPathException e) {
            throw invalid("'" + name + "' can not be the name of a file here: " + e.getReason());
        }
    }

    private static String xml(
            NewVmRequest request, CreationOptions options, SortedMap<DiskId, Path> files, @Nullable Path nvram) {
        String original = request.hardware().get(Hardware.DOMAIN_XML);
        String type = options.type();
        if (original == null) {
            original = NewDomainXml.PLAIN;
            type = type == null && !isKvmHere() ? "qemu" : type;
        }
        // Found out before the disks are written: libvirt would refuse it after that.
        if ((type == null ? NewDomainXml.typeOf(original) : type).equals("kvm") && !isKvmHere()) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(KVM.toString()),
                    "VM '" + request.name() + "' is to be of type kvm, and there is no " + KVM
                            + " here; the option 'type' with the value qemu makes one whose processor is emulated");
        }
        SortedSet<String> access = NewDomainXml.hostAccessOf(original);
        if (!options.keepsHostAccess() && !access.isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(request.name()),
                    "the definition in the restore point reaches for the host, with " + String.join(", ", access)
                            + ": whoever can write to the repository could have this host run programs so. If you"
                            + " trust it, the option '" + CreationOptions.HOST_ACCESS + "' with the value "
                            + CreationOptions.KEEP + " takes that over; or restore the disks to files");
        }
        return NewDomainXml.of(
                original,
                new NewDomainXml.Parts(request.name(), type, options.format(), files, nvram, NewDomains::isEmulator));
    }

    /**
     * Whether a program may be one that runs guests. libvirt runs it already when the domain is defined, with its own
     * rights, and who wrote the definition that was backed up may be anybody: so it has to be called like one, and to be
     * root's alone.
     */
    static boolean isEmulator(String path) {
        try {
            Path program = Path.of(path);
            if (!program.isAbsolute() || !Files.isExecutable(program)) {
                return false;
            }
            Path real = program.toRealPath();
            return EMULATOR.matcher(real.getFileName().toString()).matches()
                    && (int) Files.getAttribute(real, "unix:uid") == 0
                    && ((int) Files.getAttribute(real, "unix:mode") & WRITABLE_BY_OTHERS) == 0;
        } catch (InvalidPathException | IOException e) {
            return false;
        }
    }

    private static boolean isKvmHere() {
        return Files.exists(KVM);
    }

    private void requireAbsent(String name, Map<DiskId, Path> files, @Nullable Path nvram) {
        if (isThere(name)) {
            throw exists(name, "there is a domain '" + name + "' already", null);
        }
        for (Path file : files.values()) {
            requireAbsent(name, file);
        }
        if (nvram != null) {
            requireAbsent(name, nvram);
        }
    }

    private static void requireAbsent(String name, Path file) {
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(name, "there is a " + file + " already, which VM '" + name + "' would have as its own", null);
        }
    }

    private boolean isThere(String name) {
        try {
            libvirt.domain(name);
            return true;
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return false;
            }
            throw e;
        }
    }

    static GenieVmException exists(String name, String message, @Nullable Throwable cause) {
        return new GenieVmException(ErrorCode.ALREADY_EXISTS, Resource.of(new VmId(name)), message, cause);
    }

    private static GenieVmException invalid(String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, message);
    }
}
