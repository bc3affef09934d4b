package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.nbd.NbdConnection;
import io.genievm.kvm.internal.qemu.QemuImg;
import io.genievm.kvm.internal.qemu.QemuNbd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A snapshot of a domain that is shut off: its images, exported by qemu-nbd, with bitmaps that begin to record at the next
 * start. Nothing keeps anybody from starting the domain meanwhile; that it was started is found out, and what was read is
 * then of no single moment.
 */
final class OfflineSnapshot extends DomainSnapshot {
    private static final Logger LOG = LoggerFactory.getLogger(OfflineSnapshot.class);
    /** One for what is allocated and changed, and those of readers, which may overlap while one takes over from another. */
    private static final int CONNECTIONS = 8;

    private static final long LOOK_MILLIS = 500;
    private static final String UNREADABLE = "unreadable";

    private final BackupFiles files;
    private final Map<DiskId, List<QemuImg.Image>> chains = new LinkedHashMap<>();
    private final Map<Path, String> stamps = new HashMap<>();
    private final List<QemuNbd> servers = new ArrayList<>();
    private final Thread watch;
    private volatile boolean started;
    private volatile boolean stopped;

    private OfflineSnapshot(Subject subject, Claim claim) {
        super(subject, claim);
        this.files = subject.files();
        this.watch = new Thread(this::watch, "genievm-kvm-watch-" + subject.vm());
        watch.setDaemon(true);
    }

    /**
     * Begins a snapshot. When this throws, nothing of it is left, and the claim is the caller's.
     *
     * @throws GenieVmException with {@code BUSY} also when the domain was started meanwhile
     */
    static OfflineSnapshot begin(Subject subject, Claim claim) {
        OfflineSnapshot snapshot = new OfflineSnapshot(subject, claim);
        try {
            snapshot.begin();
            return snapshot;
        } catch (RuntimeException | Error e) {
            snapshot.takeBack(e);
            throw e;
        }
    }

    private void begin() {
        for (SelectedDisk disk : subject.disks()) {
            String source = disk.xml().source();
            if (source == null) {
                subject.facts()
                        .add(
                                DriverFact.DISK_SKIPPED,
                                disk.id(),
                                "disk '" + disk.id() + "' of type '"
                                        + disk.xml().type()
                                        + "' is left out: it can only be read while the domain runs");
            } else {
                chains.put(disk.id(), QemuImg.chain(Path.of(source), disk.xml().format()));
            }
        }
        subject.checkWanted();
        Set<DiskId> tracked = addBitmaps();
        chains.values().forEach(chain -> chain.forEach(image -> stamps.put(image.file(), stamp(image.file()))));
        List<ExportedDisk> disks = new ArrayList<>();
        try {
            for (SelectedDisk disk : subject.disks()) {
                if (chains.containsKey(disk.id())) {
                    disks.add(export(disk, tracked));
                }
            }
            if (subject.domain().state().isActive()) {
                throw new StartedMeanwhileException(subject.vm());
            }
        } catch (RuntimeException | Error e) {
            disks.forEach(ExportedDisk::close);
            throw e;
        }
        begun(disks, atRest());
        watch.start();
        subject.checkWanted();
    }

    /** The guest is at rest; not when its memory waits to go on, with what it has not written yet. */
    private QuiesceMode atRest() {
        if (subject.request().quiesce() != QuiesceMode.NONE && subject.domain().state() == LibvirtDomain.State.SAVED) {
            subject.facts()
                    .add(
                            DriverFact.QUIESCE_REFUSED,
                            null,
                            "the guest was not brought to rest as asked: its memory is saved, so that it goes on where it"
                                    + " was; what it had not written yet is not in its disks");
            return QuiesceMode.NONE;
        }
        if (subject.request().quiesce() == QuiesceMode.APPLICATION) {
            subject.facts()
                    .add(
                            DriverFact.QUIESCE_REFUSED,
                            null,
                            "the domain is shut off: its file systems are at rest, and there are no applications to ask");
            return QuiesceMode.FILE_SYSTEM;
        }
        return subject.request().quiesce();
    }

    /** Adds a bitmap to each image that can have one, and tells libvirt; gives the disks that are tracked from now on. */
    private Set<DiskId> addBitmaps() {
        List<SelectedDisk> tracked = subject.disks().stream()
                .filter(disk -> disk.mayBeTracked() && chains.containsKey(disk.id()))
                .filter(disk -> chainOf(disk.id()).get(0).keepsBitmaps())
                .toList();
        if (tracked.isEmpty()) {
            return Set.of();
        }
        String name = subject.marker().name();
        for (SelectedDisk disk : tracked) {
            addBitmap(chainOf(disk.id()).get(0).file(), name);
        }
        Checkpoints checkpoints = new Checkpoints(subject);
        try {
            checkpoints.redefine(
                    name, tracked.stream().map(disk -> disk.id().value()).collect(Collectors.toSet()));
        } catch (GenieVmException e) {
            // Without libvirt's knowledge the bitmaps are of no use once the domain runs.
            LOG.warn("domain {} is not tracked, as libvirt refuses the checkpoint: {}", subject.vm(), e.getMessage());
            checkpoints.delete(name);
            return Set.of();
        }
        return tracked.stream().map(SelectedDisk::id).collect(Collectors.toSet());
    }

    private List<QemuImg.Image> chainOf(DiskId disk) {
        return Objects.requireNonNull(chains.get(disk));
    }

    private void addBitmap(Path image, String name) {
        try {
            QemuImg.addBitmap(image, name);
        } catch (GenieVmException e) {
            // QEMU has the image open before libvirt says so.
            if (e.code().equals(ErrorCode.BUSY) && subject.domain().state().isActive()) {
                throw new StartedMeanwhileException(subject.vm());
            }
            throw e;
        }
    }

    private ExportedDisk export(SelectedDisk disk, Set<DiskId> tracked) {
        List<QemuImg.Image> chain = chainOf(disk.id());
        ChangeToken token = subject.request().parentTokens().get(disk.id());
        String images = ImageIdentity.of(chain);
        String bitmap = token == null ? null : usableBitmap(disk.id(), token, chain, images);
        QemuNbd server = QemuNbd.serve(new QemuNbd.Export(
                chain.get(0).file(), disk.xml().format(), false, CONNECTIONS, bitmap, files.socket(disk.id())));
        servers.add(server);
        return new ExportedDisk(
                subject.vm(),
                disk.id(),
                server.address(),
                new ExportedDisk.Tracking(
                        images != null && tracked.contains(disk.id())
                                ? subject.marker().token(disk.id(), images)
                                : null,
                        bitmap == null ? null : token,
                        bitmap == null ? "" : bitmap),
                subject.facts(),
                NbdConnection::open,
                this);
    }

    /** The bitmap that has what was written since a token, or {@code null} when none can be relied on. */
    private @Nullable String usableBitmap(
            DiskId disk, ChangeToken token, List<QemuImg.Image> chain, @Nullable String images) {
        Marker parent = images == null ? null : Marker.in(token, disk, images);
        if (parent == null || !parent.repository().equals(subject.marker().repository())) {
            subject.facts().trackingLost(disk, Checkpoints.NOT_OF_THESE_IMAGES);
            return null;
        }
        String name = parent.name();
        for (QemuImg.Image image : chain.subList(1, chain.size())) {
            if (image.bitmaps().stream().anyMatch(bitmap -> bitmap.name().equals(name))) {
                // An image was put on top since. What was written before that is recorded below.
                subject.facts()
                        .trackingLost(disk, "its bitmap is spread over several images, the last " + image.file());
                return null;
            }
        }
        for (QemuImg.Bitmap bitmap : chain.get(0).bitmaps()) {
            if (bitmap.name().equals(name)) {
                if (bitmap.isUsable()) {
                    return name;
                }
                subject.facts().trackingLost(disk, "its bitmap was not closed properly, as when QEMU or the host dies");
                return null;
            }
        }
        subject.facts()
                .trackingLost(
                        disk,
                        "its bitmap " + name + " is not in " + chain.get(0).file());
        return null;
    }

    /** What changes with every write to a file; nothing of the kind is there for a device. */
    private static String stamp(Path image) {
        try {
            Map<String, Object> attributes =
                    Files.readAttributes(image, "unix:ino,size,lastModifiedTime,ctime,isOther");
            return Boolean.TRUE.equals(attributes.get("isOther")) ? "" : attributes.toString();
        } catch (IOException e) {
            return UNREADABLE;
        }
    }

    private void watch() {
        while (!stopped && !started) {
            try {
                Thread.sleep(LOOK_MILLIS);
                started = subject.domain().state().isActive();
            } catch (InterruptedException e) {
                return;
            } catch (GenieVmException e) {
                LOG.info("domain {} can not be watched: {}", subject.vm(), e.getMessage());
            }
        }
    }

    @Override
    public void confirmUnchanged(DiskId disk) {
        if (started || subject.domain().state().isActive()) {
            throw changed(disk, "domain '" + subject.vm() + "' was started while its disks were read");
        }
        for (QemuImg.Image image : chainOf(disk)) {
            String stamp = stamp(image.file());
            if (stamp.equals(UNREADABLE) || !stamp.equals(stamps.get(image.file()))) {
                throw changed(disk, image.file() + " was written while it was read");
            }
        }
    }

    private GenieVmException changed(DiskId disk, String message) {
        return new GenieVmException(ErrorCode.SOURCE_CHANGED, Resource.of(subject.vm(), disk), message);
    }

    @Override
    void stopServing() {
        servers.forEach(QemuNbd::close);
    }

    @Override
    void release(boolean isCleared) {
        stopped = true;
        watch.interrupt();
    }

    @Override
    boolean isServing() {
        return servers.stream().allMatch(server -> server.process().isAlive());
    }
}
