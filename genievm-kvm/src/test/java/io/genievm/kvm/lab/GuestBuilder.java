package io.genievm.kvm.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Says what a guest is to be. */
public final class GuestBuilder {
    private final String name;
    private final Path folder;
    private final Path boot;
    private final List<GuestDisk> disks = new ArrayList<>();
    private final StringBuilder drives = new StringBuilder();
    private boolean agent = true;
    private boolean network;

    GuestBuilder(String name, Path folder, Path boot) {
        this.name = name;
        this.folder = folder;
        this.boot = boot;
    }

    /**
     * A guest with what is common: a QCOW2 disk and a raw one, both mounted, a small QCOW2 disk that nobody uses, of a
     * size that is no multiple of common blocks, and an empty CD-ROM drive.
     */
    public GuestBuilder usual() {
        return disk("vda", disk -> disk.size(96 << 20).ext4(Map.of("known.txt", "known\n".getBytes(UTF_8))))
                .disk("vdb", disk -> disk.raw().size((64 << 20) + 4096).ext4(Map.of()))
                .disk("vdc", disk -> disk.size((24 << 20) + 5 * 512))
                .emptyCdrom("sda");
    }

    /** Adds a disk, of QCOW2 unless it is said otherwise. */
    public GuestBuilder disk(String target, Consumer<GuestDisk> properties) {
        GuestDisk disk = new GuestDisk(target);
        properties.accept(disk);
        disks.add(disk);
        return this;
    }

    /** Adds a CD-ROM drive with a medium. */
    public GuestBuilder cdrom(String target, Path medium) {
        return drive(target, medium);
    }

    /** Adds a CD-ROM drive without a medium. */
    public GuestBuilder emptyCdrom(String target) {
        return drive(target, null);
    }

    private GuestBuilder drive(String target, @Nullable Path medium) {
        drives.append("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>")
                .append(medium == null ? "" : "<source file='" + medium + "'/>")
                .append("<target dev='" + target + "' bus='sata'/><readonly/></disk>");
        return this;
    }

    /** Leaves the guest agent out. */
    public GuestBuilder withoutAgent() {
        agent = false;
        return this;
    }

    /** Adds a network card, to nowhere. */
    public GuestBuilder network() {
        network = true;
        return this;
    }

    /** Makes the disks and defines the domain. */
    public Guest define() {
        for (GuestDisk disk : disks) {
            disk.make(folder);
        }
        Guest guest = new Guest(name, folder, disks, agent);
        guest.define(xml());
        return guest;
    }

    /** Defines the guest and starts it; it is ready when this returns. */
    public Guest start() {
        Guest guest = define();
        guest.start();
        return guest;
    }

    private String xml() {
        StringBuilder devices = new StringBuilder();
        for (GuestDisk disk : disks) {
            devices.append("<disk type='%s' device='disk'><driver name='qemu' type='%s' discard='unmap'/>"
                    .formatted(disk.isBlock() ? "block" : "file", disk.format()));
            devices.append("<source %s='%s'/><target dev='%s' bus='virtio'/></disk>"
                    .formatted(disk.isBlock() ? "dev" : "file", disk.source(), disk.target()));
        }
        if (network) {
            devices.append("<interface type='user'><model type='virtio'/><rom enabled='no'/></interface>");
        }
        if (agent) {
            devices.append("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>");
        }
        for (String port : List.of(Guest.COMMANDS, Guest.BEAT)) {
            devices.append(
                    "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/></channel>"
                            .formatted(folder.resolve(port), port));
        }
        // Emulated: not every host can run any guest under hardware acceleration, or has it at all.
        return """
                <domain type='qemu'>
                  <name>%s</name>
                  <uuid>%s</uuid>
                  <memory unit='MiB'>256</memory>
                  <vcpu>1</vcpu>
                  <os>
                    <type arch='x86_64' machine='q35'>hvm</type>
                    <kernel>%s</kernel>
                    <initrd>%s</initrd>
                    <cmdline>console=ttyS0 panic=1 quiet no_timer_check</cmdline>
                  </os>
                  <features><acpi/></features>
                  <on_reboot>destroy</on_reboot>
                  <on_crash>destroy</on_crash>
                  <devices>
                    %s
                    %s
                    <serial type='file'><source path='%s'/></serial>
                    <memballoon model='none'/>
                  </devices>
                </domain>
                """.formatted(
                        name,
                        UUID.randomUUID(),
                        boot.resolve("vmlinuz"),
                        boot.resolve("initrd.gz"),
                        devices,
                        drives,
                        folder.resolve("console.log"));
    }
}
