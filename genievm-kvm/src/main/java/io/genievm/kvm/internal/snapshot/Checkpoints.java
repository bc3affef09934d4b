package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.kvm.internal.guard.Owner;
import io.genievm.kvm.internal.libvirt.BackupXml;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.qemu.QemuImg;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of one repository at one domain, whether it runs or not: what libvirt knows of them, and their bitmaps
 * in the images. Those of others are never touched.
 */
final class Checkpoints {
    static final String NOT_OF_THESE_IMAGES =
            "its token was made by another driver or for another repository, or for other images than it has now";

    private static final Logger LOG = LoggerFactory.getLogger(Checkpoints.class);

    private final Subject subject;

    Checkpoints(Subject subject) {
        this.subject = subject;
    }

    /** The text that is stored with a checkpoint: the process that makes it. */
    static String description() {
        return "made by GenieVM, process " + Owner.self();
    }

    /** Whether the process that made a checkpoint lives, as far as its text tells. */
    static Owner.Life lifeOfMaker(LibvirtDomain.Checkpoint checkpoint) {
        String text = checkpoint.description().strip();
        Owner owner = Owner.parse(text.substring(text.lastIndexOf(' ') + 1));
        return owner == null ? Owner.Life.UNKNOWN : owner.life();
    }

    /** The checkpoints of this repository. */
    List<LibvirtDomain.Checkpoint> ours() {
        return subject.domain().checkpoints().stream()
                .filter(checkpoint -> isOurs(checkpoint.name()))
                .toList();
    }

    /**
     * Deletes the checkpoints of ended sessions.
     *
     * @param kept names of those that stay
     * @param ended whether a session has ended, asked with what is known of the process that made the checkpoint
     * @return how many were deleted
     */
    int deleteEnded(Set<String> kept, BiPredicate<SessionId, Owner.Life> ended) {
        int deleted = 0;
        for (LibvirtDomain.Checkpoint checkpoint : ours()) {
            Marker marker = Marker.exactly(checkpoint.name());
            if (marker != null
                    && !kept.contains(checkpoint.name())
                    && ended.test(marker.session(), lifeOfMaker(checkpoint))) {
                delete(checkpoint.name());
                deleted++;
            }
        }
        return deleted;
    }

    /** Deletes one checkpoint with its bitmaps; does nothing when it is not there. */
    void delete(String name) {
        LibvirtDomain domain = subject.domain();
        if (domain.state().isActive()) {
            try {
                domain.deleteCheckpoint(name, false);
            } catch (GenieVmException e) {
                // Whatever may pass is no reason to leave a bitmap that records for ever.
                if (!e.code().equals(ErrorCode.IO_ERROR)) {
                    throw e;
                }
                // A bitmap is missing, as after the death of QEMU: all that is left is what libvirt believes.
                LOG.info("checkpoint {} is dropped without its bitmaps: {}", name, e.getMessage());
                domain.deleteCheckpoint(name, true);
            }
        } else {
            for (Path image : images()) {
                removeBitmap(image, name);
            }
            domain.deleteCheckpoint(name, true);
        }
    }

    private static void removeBitmap(Path image, String name) {
        try {
            QemuImg.removeBitmap(image, name);
        } catch (GenieVmException e) {
            // An image that is gone or in use must not keep the others from being cleared.
            LOG.warn("bitmap {} stays in {}: {}", name, image, e.getMessage());
        }
    }

    /**
     * Deletes a bitmap of a disk of a running domain where libvirt has forgotten the checkpoint: it is told of it, and then
     * to delete it. Nothing happens when the bitmap is not there either.
     *
     * @param name the checkpoint's name, one of this repository
     * @param target the disk
     */
    void deleteForgotten(String name, String target) {
        try {
            redefine(name, Set.of(target));
            delete(name);
        } catch (GenieVmException e) {
            LOG.info("nothing to delete of checkpoint {} on {}: {}", name, target, e.getMessage());
        }
    }

    /**
     * Tells libvirt of a checkpoint whose bitmaps are in the images.
     *
     * @param name the checkpoint's and the bitmaps' name
     * @param tracked targets of the disks that have the bitmap
     */
    void redefine(String name, Set<String> tracked) {
        LibvirtDomain domain = subject.domain();
        List<String> others = DomainXml.parse(domain.xml(!domain.state().isActive())).disks().stream()
                .map(DomainXml.Disk::target)
                .filter(other -> !tracked.contains(other))
                .toList();
        long now = subject.clock().instant().getEpochSecond();
        domain.redefineCheckpoint(BackupXml.checkpoint(name, description(), now, List.copyOf(tracked), others));
    }

    /**
     * Removes bitmaps of this repository from the images of a domain that is shut off where libvirt knows no checkpoint
     * for them: it forgot, or a session died before it told libvirt.
     *
     * @param kept names of those that stay
     * @param ended whether a session has ended
     */
    int removeUnknownBitmaps(Set<String> kept, Predicate<SessionId> ended) {
        List<String> known = ours().stream().map(LibvirtDomain.Checkpoint::name).toList();
        int removed = 0;
        for (Path image : images()) {
            for (QemuImg.Bitmap bitmap : QemuImg.chain(image, "qcow2").get(0).bitmaps()) {
                Marker marker = Marker.exactly(bitmap.name());
                if (marker != null
                        && marker.repository().equals(subject.marker().repository())
                        && !kept.contains(bitmap.name())
                        && !known.contains(bitmap.name())
                        && ended.test(marker.session())) {
                    removeBitmap(image, bitmap.name());
                    removed++;
                }
            }
        }
        return removed;
    }

    private boolean isOurs(String name) {
        Marker marker = Marker.exactly(name);
        return marker != null && marker.repository().equals(subject.marker().repository());
    }

    /** The images on this machine that can have bitmaps, of all disks: also of those that are excluded now. */
    private List<Path> images() {
        List<Path> images = new ArrayList<>();
        for (DomainXml.Disk disk : DomainXml.parse(subject.domain().xml(true)).disks()) {
            String source = disk.source();
            if (SelectedDisk.isDisk(disk) && disk.format().equals("qcow2") && source != null) {
                images.add(Path.of(source));
            }
        }
        return images;
    }
}
