package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.kvm.internal.KvmOptions;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.guard.Owner;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.restore.Hardware;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Describes domains and begins their snapshots. Safe for use by several threads. */
public final class Snapshots {
    private final LibvirtConnection libvirt;
    private final KvmOptions options;
    private final Clock clock;

    /**
     * Works at the domains of one daemon.
     *
     * @param libvirt not closed by this
     * @param options how to work
     * @param clock what the makers of checkpoints write down
     */
    public Snapshots(LibvirtConnection libvirt, KvmOptions options, Clock clock) {
        this.libvirt = libvirt;
        this.options = options;
        this.clock = clock;
    }

    /** Describes a domain, as {@link io.genievm.api.hypervisor.HypervisorConnection#describe} says. */
    public VmDescription describe(VmId vm) {
        LibvirtDomain domain = domain(vm);
        return describe(vm, domain, xmlOf(domain));
    }

    private VmDescription describe(VmId vm, LibvirtDomain domain, DomainXml xml) {
        List<VmDescription.Disk> disks = new ArrayList<>();
        List<DriverFact> facts = new ArrayList<>();
        for (DomainXml.Disk disk : xml.disks()) {
            if (SelectedDisk.isDisk(disk)) {
                DiskId id = new DiskId(disk.target());
                disks.add(new VmDescription.Disk(id, domain.capacity(disk.target())));
                if (!new SelectedDisk(id, disk).mayBeTracked()) {
                    facts.add(new DriverFact(
                            DriverFact.TRACKING_UNAVAILABLE,
                            id,
                            "no dirty bitmap can be kept of disk '" + id + "', as "
                                    + (disk.readOnly() ? "it is read-only" : "its format is '" + disk.format() + "'")
                                    + ", so every backup reads all of it that is allocated"));
                }
            }
        }
        return new VmDescription(vm, vm.value(), disks, Hardware.of(domain), facts);
    }

    /**
     * Begins a snapshot, as {@link io.genievm.api.hypervisor.HypervisorConnection#beginSnapshot} says.
     *
     * @param onClose told when the snapshot has been closed
     */
    public VmSnapshot begin(VmId vm, SnapshotRequest request, Consumer<VmSnapshot> onClose) {
        LibvirtDomain domain = domain(vm);
        try {
            return begin(vm, domain, request, onClose);
        } catch (StartedMeanwhileException e) {
            return begin(vm, domain, request, onClose);
        }
    }

    private VmSnapshot begin(VmId vm, LibvirtDomain domain, SnapshotRequest request, Consumer<VmSnapshot> onClose) {
        DomainXml xml = xmlOf(domain);
        if (xml.hasTpm()) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.of(vm),
                    "domain '" + vm
                            + "' has a TPM, whose state can not be backed up: what was sealed with it could not be"
                            + " opened after a restore. Take the <tpm> out of its definition to back it up");
        }
        Marker marker = Marker.of(request);
        Facts facts = new Facts();
        VmDescription description = describe(vm, domain, xml);
        checkExcluded(description, request);
        List<SelectedDisk> disks = SelectedDisk.of(xml, request.excludedDisks(), facts);
        Subject subject = new Subject(vm, domain, description, disks, request, marker, options, clock, facts);
        subject.checkWanted();
        Claim claim = claim(subject, disks);
        try {
            DomainSnapshot snapshot = domain.state().isActive()
                    ? RunningSnapshot.begin(subject, claim, xml)
                    : OfflineSnapshot.begin(subject, claim);
            snapshot.onClose(onClose);
            return snapshot;
        } catch (RuntimeException | Error e) {
            claim.close();
            throw e;
        }
    }

    /** Takes the claim to a domain and clears what dead sessions left there. */
    private Claim claim(Subject subject, List<SelectedDisk> disks) {
        List<Path> files = new ArrayList<>();
        BackupFiles names = subject.files();
        files.add(names.socket());
        for (SelectedDisk disk : disks) {
            files.add(names.scratch(disk.id()));
            files.add(names.socket(disk.id()));
        }
        Claim.Attempt attempt = Claim.take(
                subject.domain().uuid(), new Claim.Content(subject.marker().name(), Owner.self(), files));
        Claim claim = attempt.claim().orElse(null);
        if (claim == null) {
            throw subject.failure(
                    ErrorCode.BUSY,
                    "another backup works at domain '" + subject.vm() + "': "
                            + attempt.holder()
                                    .map(holder -> holder.marker() + ", process "
                                            + holder.owner().pid())
                                    .orElse("by whom can not be told"));
        }
        try {
            new Leftovers(subject, attempt.holder().orElse(null)).clear();
            return claim;
        } catch (RuntimeException | Error e) {
            claim.close();
            throw e;
        }
    }

    private static void checkExcluded(VmDescription description, SnapshotRequest request) {
        List<DiskId> known =
                description.disks().stream().map(VmDescription.Disk::id).toList();
        for (DiskId disk : request.excludedDisks()) {
            if (!known.contains(disk)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.of(description.id(), disk),
                        "domain '" + description.id() + "' has no disk '" + disk + "' to leave out; it has " + known);
            }
        }
    }

    private LibvirtDomain domain(VmId vm) {
        return libvirt.domain(vm.value());
    }

    private static DomainXml xmlOf(LibvirtDomain domain) {
        return DomainXml.parse(domain.xml(!domain.state().isActive()));
    }
}
