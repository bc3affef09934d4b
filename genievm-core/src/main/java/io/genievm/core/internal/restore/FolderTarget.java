package io.genievm.core.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.internal.NewFolders;
import io.genievm.core.Damage;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.work.IoErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Raw, sparse files in a folder, under hidden names until they are whole. Of several files, the names are given one after
 * the other, when all are whole: whoever is killed meanwhile leaves some. So a file that is there already is compared
 * with the disk whose name it has, and is as good as a restored one when it is equal. For one thread at a time.
 */
final class FolderTarget implements RestoreTarget {
    private final RepositoryAccess access;
    private final TaskControl control;
    private final Manifest manifest;
    private final Path directory;
    private final List<Manifest.Disk> disks;
    private final List<Path> temporary = new ArrayList<>();
    private final List<Path> files = new ArrayList<>();
    private final NewFolders folders;
    private final Set<Manifest.Disk> present = new HashSet<>();
    private final Map<Manifest.Disk, String> states = new HashMap<>();
    private final List<ExistingDisk> existing = new ArrayList<>();
    private long comparedBytes;
    private @Nullable PartFiles parts;

    /** Checks that nothing stands in the way, unless it may be what is to be restored, before anything is written. */
    FolderTarget(
            RepositoryAccess access,
            TaskControl control,
            Path directory,
            Manifest manifest,
            List<Manifest.Disk> disks) {
        this.access = access;
        this.control = control;
        this.directory = directory;
        this.manifest = manifest;
        this.disks = disks;
        this.folders = new NewFolders(directory, Files::createDirectory);
        for (Manifest.Disk disk : disks) {
            if (Files.exists(finalPath(disk), LinkOption.NOFOLLOW_LINKS)) {
                requireComparable(disk);
                present.add(disk);
            }
            if (Files.exists(incompletePath(disk), LinkOption.NOFOLLOW_LINKS)) {
                throw exists(incompletePath(disk), "", null);
            }
        }
        if (Files.exists(directory) && !Files.isDirectory(directory)) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(directory.toString()),
                    directory + " is no folder; disks are restored to files in a folder");
        }
    }

    @Override
    public DiskWriter openWriter(Manifest.Disk disk) {
        makeDirectory();
        Path path = directory;
        try {
            PartFiles names = parts == null ? PartFiles.in(directory) : parts;
            parts = names;
            path = names.next();
            temporary.add(path);
            if (present.contains(disk)) {
                return openExisting(disk);
            }
            return RawFileWriter.create(path, disk.capacity());
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "create", e);
        }
    }

    @Override
    public List<Damage> prepare(PointStream stream) {
        if (!existing.isEmpty()) {
            requireEqual(stream);
            stream.deliverOnly(disks.stream().map(this::missing).toList());
        }
        return List.of();
    }

    @Override
    public String complete(Set<Integer> damaged) {
        List<Path> named = new ArrayList<>();
        List<Path> incomplete = new ArrayList<>();
        makeDirectory();
        try {
            for (int disk = 0; disk < disks.size(); disk++) {
                if (present.contains(disks.get(disk))) {
                    requireUnchanged(disks.get(disk));
                    files.add(finalPath(disks.get(disk)));
                    continue;
                }
                boolean whole = !damaged.contains(disk);
                Path path = whole ? finalPath(disks.get(disk)) : incompletePath(disks.get(disk));
                publish(temporary.get(disk), path, named);
                (whole ? files : incomplete).add(path);
            }
            // A second name that can not be removed is no reason to fail; it says what it is.
            temporary.forEach(FolderTarget::removeQuietly);
            makeDurable();
        } catch (GenieVmException e) {
            takeBack(named, e);
            throw e;
        }
        temporary.clear();
        folders.keep();
        return incomplete.isEmpty() ? "" : "what could be restored is in " + incomplete;
    }

    /** The files' names, and those of the folders that were made for them. */
    private void makeDurable() {
        try (FileChannel folder = FileChannel.open(directory, StandardOpenOption.READ)) {
            folder.force(true);
            folders.syncAbove();
        } catch (IOException e) {
            throw IoErrors.of(directory.toString(), "make durable what is in", e);
        }
    }

    /** What failed is repeated, and must not find its own files in the way. */
    private void takeBack(List<Path> named, GenieVmException failure) {
        files.clear();
        for (Path path : named) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
    }

    @Override
    public List<Path> files() {
        return files;
    }

    @Override
    public @Nullable VmId vm() {
        return null;
    }

    @Override
    public long comparedBytes() {
        return comparedBytes;
    }

    @Override
    public void close() {
        temporary.forEach(FolderTarget::removeQuietly);
        if (parts != null) {
            parts.close();
        }
        folders.undo(null);
    }

    private static void removeQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // A hidden file stays behind, which says by its name what it is; the failure told is the restore's.
            return;
        }
    }

    /** What was compared may have been replaced or written to since, while the other disks were restored. */
    private void requireUnchanged(Manifest.Disk disk) {
        Path path = finalPath(disk);
        String before = states.get(disk);
        String now;
        try {
            now = state(path);
        } catch (IOException e) {
            throw exists(path, " or did, and can not be looked at any more", e);
        }
        if (!now.equals(before)) {
            throw exists(path, " and has changed since it was compared", null);
        }
    }

    private static String state(Path path) throws IOException {
        BasicFileAttributes file = Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        return file.fileKey() + " " + file.size() + " " + file.lastModifiedTime();
    }

    private ChunkBitmap missing(Manifest.Disk disk) {
        long chunks = disk.chunks(access.options().chunkSize());
        return present.contains(disk) ? new ChunkBitmap(chunks) : ChunkBitmap.full(chunks);
    }

    /** A look that costs nothing, at what can not be equal. */
    private void requireComparable(Manifest.Disk disk) {
        Path path = finalPath(disk);
        try {
            if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS) || Files.size(path) != disk.capacity()) {
                throw exists(path, " and is no file of " + disk.capacity() + " bytes", null);
            }
        } catch (IOException e) {
            throw exists(path, " and can not be looked at", e);
        }
    }

    private DiskWriter openExisting(Manifest.Disk disk) {
        Path path = finalPath(disk);
        ExistingFile file;
        try {
            states.put(disk, state(path));
            file = ExistingFile.open(path);
        } catch (IOException e) {
            throw exists(path, " and can not be compared with what is to be restored: " + e.getMessage(), e);
        }
        if (file.capacity() != disk.capacity()) {
            file.close();
            throw exists(path, " and is being changed", null);
        }
        existing.add(new ExistingDisk(disk, file));
        return file;
    }

    private void requireEqual(PointStream stream) {
        while (true) {
            try (DiskComparison comparison = new DiskComparison(access, control, manifest, existing, stream.index())) {
                List<Damage> damage = comparison.damage();
                if (damage.isEmpty()) {
                    requireNone(comparison.runToFirst());
                    comparedBytes = comparison.comparedBytes();
                    return;
                }
                if (!stream.rereadIndex()) {
                    throw exists(
                            finalPath(existing.get(0).description()),
                            " and can not be compared with what is to be restored: "
                                    + damage.get(0).message(),
                            null);
                }
            }
        }
    }

    private void requireNone(List<DiskDifference> differences) {
        for (int disk = 0; disk < differences.size(); disk++) {
            if (!differences.get(disk).isEmpty()) {
                throw exists(
                        finalPath(existing.get(disk).description()),
                        " and holds something else than point " + manifest.point(),
                        null);
            }
        }
    }

    private static GenieVmException exists(Path path, String why, @Nullable Throwable cause) {
        return new GenieVmException(
                ErrorCode.ALREADY_EXISTS,
                Resource.named(path.toString()),
                path + " exists already" + why + "; a restore never overwrites a file",
                cause);
    }

    private void makeDirectory() {
        if (Files.isDirectory(directory)) {
            return;
        }
        try {
            folders.make();
        } catch (IOException e) {
            throw IoErrors.of(directory.toString(), "create", e);
        }
    }

    private Path finalPath(Manifest.Disk disk) {
        return directory.resolve(disk.id().value());
    }

    private Path incompletePath(Manifest.Disk disk) {
        String name = disk.id().value() + ".incomplete";
        // A disk's id may be as long as the name of a file can be, and another disk may bear this very name.
        for (int number = 0; name.getBytes(StandardCharsets.UTF_8).length > 255 || isDisk(name); number++) {
            name = "disk-" + disks.indexOf(disk) + "-" + number + ".incomplete";
        }
        return directory.resolve(name);
    }

    private boolean isDisk(String name) {
        return disks.stream().anyMatch(disk -> disk.id().value().equals(name));
    }

    private static void publish(Path temporary, Path path, List<Path> named) {
        try {
            try {
                // A link, because a rename would overwrite what came up meanwhile.
                Files.createLink(path, temporary);
                named.add(path);
            } catch (FileAlreadyExistsException e) {
                throw e;
            } catch (IOException | UnsupportedOperationException e) {
                if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
                    throw new FileAlreadyExistsException(path.toString());
                }
                Files.move(temporary, path);
                named.add(path);
            }
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "create", e);
        }
    }
}
