package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Clock;
import java.util.Set;
import java.util.TreeSet;

/**
 * Takes a folder of disk images for a hypervisor. The address is {@code images:DIR}, where every folder in DIR is a VM
 * and every file in that folder is a raw image of one of its disks, or {@code images:FILE}, one image that is a VM with
 * one disk. There are no options.
 *
 * <h2>Lists of changes</h2>
 *
 * <p>Files have no memory of what was written to them. Whoever writes an image and knows what changed can say so in a
 * list beside it, under the image's name followed by {@code .changes}: {@code root.raw.changes} for {@code root.raw}.
 * Where the image is a link, the list lies beside the link. The driver reads lists and never writes, renames or deletes
 * one.
 *
 * <pre>{@code
 * {"token":"T2","since":"T1"}
 * {"offset":0,"length":65536}
 * {"offset":1048576,"length":512}
 * }</pre>
 *
 * <p>A list is UTF-8 without byte order mark: one JSON object in each line, lines ended by a line feed, which may be
 * missing after the last. Further white space of JSON, such as a carriage return, may stand in a line; no line is blank
 * or has more than 65 536 bytes. There are no other fields than these, and none twice.
 *
 * <p>The first line has the marks. {@code token} names the moment of this list, and {@code since} the moment of an
 * earlier one, both any text of 1 to 4 096 bytes that the writer never uses for two moments of one image. The restore
 * point that is made from the image keeps {@code token}. The next backup takes the extents for all that changed only if
 * {@code since} is what its parent point has kept for the disk; otherwise it reads the disk in full. A list without
 * {@code since} sets a first mark and tells no changes: lines behind the first are not read.
 *
 * <p>Every further line is an extent, {@code offset} and {@code length} in bytes, whole numbers from 0 to
 * 9 223 372 036 854 775 807 without fraction or exponent. Extents are ascending and disjoint (they may touch), at least
 * 1 byte long, and inside the image. There may be none, when nothing changed, and any number of them: they are never
 * all in memory.
 *
 * <p>The extents cover every byte that was written after {@code since}, up to this backup: also by a restore, a copy
 * over the image, or a change of its size. A writer who is not sure leaves {@code since} out, or deletes the list.
 * Nothing is written to image or list while the backup runs; a new list is written under another name and renamed.
 *
 * <p>Image and list do not change at one moment, and a writer can die between the two. So the list is deleted first, then
 * the image is written, and the new list is put last, when the image is whole and on the disk: a backup in between finds
 * no list and reads everything. With the old list still beside a new image, or the new list beside an old image, what
 * was written would be missing from points. A list that breaks off at the end of a line looks like a whole one.
 *
 * <p>What follows from a list that is not so:
 *
 * <ul>
 *   <li>No list, or a list that is a link out of DIR (out of the folder of FILE, for one image), which a fact
 *       {@code FILE_IGNORED} tells: the disk has no token, and all of it is read.
 *   <li>The list was not begun anew since the last backup: {@code since} is not its {@code token}, so that all of the
 *       disk is read; the token is kept once more and still good for the next list.
 *   <li>The first line is not as described, {@code token} and {@code since} are equal, the list is empty, is no regular
 *       file or can not be read: tracking is lost, which a fact {@code TRACKING_LOST} tells with the number of the line.
 *       The disk has no token, and all of it is read.
 *   <li>A later line is not as described: tracking is lost as well, and all of the disk is read; nothing is taken from
 *       the lines before. The token stays, for it names the moment whatever the extents are worth.
 *   <li>Extents break the rules above: they are handed on as they are, and the backup takes them for lost tracking.
 *   <li>The parent point has a token, and there is no list any more, or {@code since} is missing or another: all of the
 *       disk is read, and a fact {@code TRACKING_LOST} tells why the parent's token is of no use.
 *   <li>The list changes, appears or vanishes during the backup: {@code SOURCE_CHANGED}, as when the image does.
 *   <li>The list of a disk that is excluded is not looked at.
 * </ul>
 *
 * @since 0.1
 */
public final class ImagesProvider implements HypervisorProvider {
    /** Makes the provider. */
    public ImagesProvider() {}

    @Override
    public String name() {
        return "images";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("images");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        if (!config.options().isEmpty()) {
            throw invalid(
                    config.address(),
                    "images has no options; remove "
                            + new TreeSet<>(config.options().keySet()));
        }
        if (!schemes().contains(config.scheme()) || config.rest().isEmpty()) {
            throw invalid(config.address(), "an address of images is images:<folder or file>: " + config.address());
        }
        try {
            return open(Path.of(config.rest()).toAbsolutePath(), Clock.systemUTC());
        } catch (InvalidPathException e) {
            throw invalid(config.address(), "not a path: " + e.getMessage());
        }
    }

    /** Opens a folder or file of any file system. */
    static HypervisorConnection open(Path place, Clock clock) {
        try {
            // Looked at by its target: whoever names a link means what it points to.
            BasicFileAttributes attributes = Files.readAttributes(place, BasicFileAttributes.class);
            if (attributes.isDirectory()) {
                return new ImagesConnection(new FolderOfVms(place.toRealPath()), clock);
            }
            if (!attributes.isRegularFile()) {
                throw invalid(place.toString(), place + " is neither a folder nor a file; devices are not supported");
            }
            return new ImagesConnection(new LoneImage(place), clock);
        } catch (IOException e) {
            if (FileErrors.isAbsent(place, e)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.named(place.toString()),
                        "there is no folder or file " + place,
                        e);
            }
            throw FileErrors.of("can not open " + place, Resource.named(place.toString()), e);
        }
    }

    private static GenieVmException invalid(String resource, String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, Resource.named(resource), message);
    }
}
