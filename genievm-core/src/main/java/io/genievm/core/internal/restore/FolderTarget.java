package io.genievm.core.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.internal.NewFolders;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.work.IoErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Raw, sparse files in a folder, under hidden names until they are whole. For one thread at a time. */
final class FolderTarget implements RestoreTarget {
    private final Path directory;
    private final List<Manifest.Disk> disks;
    private final List<Path> temporary = new ArrayList<>();
    private final List<Path> files = new ArrayList<>();
    private final NewFolders folders;
    private @Nullable PartFiles parts;

    /** Checks that nothing stands in the way, before anything is written. */
    FolderTarget(Path directory, List<Manifest.Disk> disks) {
        this.directory = directory;
        this.disks = disks;
        this.folders = new NewFolders(directory, Files::createDirectory);
        for (Manifest.Disk disk : disks) {
            for (Path path : List.of(finalPath(disk), incompletePath(disk))) {
                if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
                    throw new GenieVmException(
                            ErrorCode.ALREADY_EXISTS,
                            Resource.named(path.toString()),
                            path + " exists already; a restore never overwrites a file");
                }
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
            return RawFileWriter.create(path, disk.capacity());
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "create", e);
        }
    }

    @Override
    public String complete(Set<Integer> damaged) {
        List<Path> named = new ArrayList<>();
        List<Path> incomplete = new ArrayList<>();
        makeDirectory();
        try {
            for (int disk = 0; disk < disks.size(); disk++) {
                boolean whole = !damaged.contains(disk);
                Path path = whole ? finalPath(disks.get(disk)) : incompletePath(disks.get(disk));
                publish(temporary.get(disk), path, named);
                (whole ? files : incomplete).add(path);
            }
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
    public void close() {
        for (Path path : temporary) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                // A hidden file stays behind, which says by its name what it is; the failure told is the restore's.
            }
        }
        if (parts != null) {
            parts.close();
        }
        folders.undo(null);
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
                Files.delete(temporary);
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
