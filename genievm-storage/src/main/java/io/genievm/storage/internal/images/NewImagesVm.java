package io.genievm.storage.internal.images;

import com.sun.jna.LastErrorException;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.internal.SparseFile;
import io.genievm.storage.internal.file.FileErrors;
import io.genievm.storage.internal.file.PrivateFiles;
import io.genievm.storage.internal.file.StagingFolder;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A VM under construction: a folder in a hidden one that gets its name when it is whole. As long as the process lives it
 * holds a lock, by which the next VM that is made knows what the dead have left and removes it.
 */
final class NewImagesVm implements NewVm, Scope.Part {
    private static final Logger LOG = LoggerFactory.getLogger(NewImagesVm.class);
    private static final int ATTEMPTS = 10;
    private static final String STEM = ".genievm-";
    private static final String UUID_PATTERN = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    private static final Pattern STAGING = Pattern.compile("\\.genievm-" + UUID_PATTERN + "\\." + UUID_PATTERN);

    /** What this process makes begins with it. */
    private static final String OWN = STEM + UUID.randomUUID();

    private final VmId id;
    private final Path place;
    private final StagingFolder staging;
    private final Path folder;
    private final Path target;
    private final Map<DiskId, Long> capacities = new TreeMap<>();
    private final Set<DiskId> written = new HashSet<>();
    private final Scope parent;
    private final Scope scope;
    private boolean ended;

    private NewImagesVm(Path top, NewVmRequest request, StagingFolder staging, Scope parent) {
        this.id = new VmId(request.name());
        this.place = top;
        this.target = top.resolve(request.name());
        this.staging = staging;
        this.folder = staging.resolve("vm");
        for (VmDescription.Disk disk : request.disks()) {
            capacities.put(disk.id(), disk.capacity());
        }
        this.parent = parent;
        this.scope = new Scope("the new VM '" + id + "'");
    }

    static NewImagesVm create(Path top, NewVmRequest request, Scope parent) {
        requireAllowed(top, request);
        VmId id = new VmId(request.name());
        Path target = top.resolve(request.name());
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(id, target, null);
        }
        Wanted.require(request.cancellation(), "the making of VM '" + id + "'");
        removeDead(top);
        String action = "can not create VM '" + id + "' in " + top;
        StagingFolder staging;
        try {
            staging = stage(top);
        } catch (IOException e) {
            throw failure(action, id, top, e);
        }
        NewImagesVm vm = new NewImagesVm(top, request, staging, parent);
        try {
            vm.makeFiles();
            return vm;
        } catch (IOException e) {
            throw vm.removedAfter(vm.failure(action, e));
        }
    }

    @Override
    public synchronized DiskWriter openWriter(DiskId disk) {
        scope.requireOpen();
        Long capacity = capacities.get(disk);
        if (capacity == null) {
            throw new IllegalArgumentException("VM '" + id + "' has no disk '" + disk + "'");
        }
        if (!written.add(disk)) {
            throw new IllegalStateException("disk '" + disk + "' has a writer");
        }
        Path file = file(disk);
        try {
            FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
            return scope.add(new ImageWriter(file, channel, capacity, Resource.of(id, disk), writer -> {
                if (scope.remove(writer)) {
                    forget(disk);
                }
            }));
        } catch (IOException e) {
            written.remove(disk);
            throw failure("can not write " + file, e);
        }
    }

    @Override
    public synchronized VmId complete() {
        scope.requireOpen();
        if (ended || !written.isEmpty()) {
            throw new IllegalStateException(ended ? "VM '" + id + "' is complete" : "writers are open for " + written);
        }
        try {
            for (DiskId disk : capacities.keySet()) {
                PrivateFiles.sync(file(disk));
            }
            PrivateFiles.sync(folder);
            rename(folder, target);
        } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
            throw exists(id, target, e);
        } catch (IOException e) {
            throw failure("can not complete VM '" + id + "' in " + place, e);
        }
        try {
            PrivateFiles.sync(place);
            // Nor may the hidden name come back, as what bears it is removed as a dead one's.
            staging.sync();
        } catch (IOException e) {
            GenieVmException failure = failure("can not make " + target + " durable", e);
            hideAfter(failure);
            throw failure;
        }
        ended = true;
        try {
            staging.remove();
            PrivateFiles.sync(place);
        } catch (IOException e) {
            // The VM is there, and the next one that is made removes what is left.
            LOG.debug("{} stays: {}", staging, e.toString());
        }
        return id;
    }

    @Override
    public void close() {
        parent.remove(this);
        scope.close();
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
            try {
                staging.remove();
            } catch (IOException e) {
                throw failure("can not remove " + staging + ", which is of no use any more", e);
            }
        }
    }

    private static StagingFolder stage(Path top) throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                return StagingFolder.make(top.resolve(OWN + "." + UUID.randomUUID()));
            } catch (NoSuchFileException e) {
                // Another process was removing what the dead have left, at this very moment.
                if (attempt == ATTEMPTS) {
                    throw e;
                }
            }
        }
    }

    private static void removeDead(Path top) {
        try (DirectoryStream<Path> left = Files.newDirectoryStream(top)) {
            for (Path path : left) {
                String name = path.getFileName().toString();
                if (STAGING.matcher(name).matches()
                        && !name.startsWith(OWN)
                        && Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
                    removeIfDead(path);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.debug("leftovers in {} stay: {}", top, e.toString());
        }
    }

    private static void removeIfDead(Path staging) {
        try {
            StagingFolder.removeIfDead(staging);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", staging, e.toString());
        }
    }

    private static void requireAllowed(Path top, NewVmRequest request) {
        if (!request.options().isEmpty()) {
            throw invalid("images has no options; remove "
                    + new TreeSet<>(request.options().keySet()));
        }
        requireName("VM", request.name(), FolderOfVms.objectionToVmName(path(top, request.name())));
        Set<DiskId> ids = new HashSet<>();
        for (VmDescription.Disk disk : request.disks()) {
            String name = disk.id().value();
            requireName("disk", name, FolderOfVms.objectionToDiskName(path(top, name)));
            if (!ids.add(disk.id()) || disk.capacity() < 0) {
                throw invalid("disk '" + name + "' is there twice or has a negative capacity");
            }
        }
    }

    private static void requireName(String what, String name, @Nullable String objection) {
        if (objection != null) {
            throw invalid("a " + what + " can not have the name '" + name + "': " + objection);
        }
    }

    private static Path path(Path top, String name) {
        try {
            Path path = top.resolve(name);
            if (top.equals(path.getParent())) {
                return path;
            }
        } catch (InvalidPathException e) {
            throw invalid("'" + name + "' can not be the name of a file here: " + e.getReason());
        }
        throw invalid("'" + name + "' is not a name");
    }

    private static GenieVmException invalid(String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, message);
    }

    private void makeFiles() throws IOException {
        PrivateFiles.createFolder(folder);
        for (Map.Entry<DiskId, Long> disk : capacities.entrySet()) {
            Path file = file(disk.getKey());
            PrivateFiles.create(file).close();
            SparseFile.setLength(file, disk.getValue());
        }
    }

    /** A plain rename would replace an empty folder, which is a VM without disks. */
    private static void rename(Path from, Path to) throws IOException {
        try {
            NativeFiles.requireSupport(from);
            NativeFiles.renameExclusively(from, to);
        } catch (LastErrorException | LinkageError e) {
            if (e instanceof LastErrorException error && error.getErrorCode() == NativeFiles.EXISTS) {
                throw new FileAlreadyExistsException(to.toString());
            }
            // Looks first and then renames: what is lost in between is at most an empty folder.
            Files.move(from, to);
        }
    }

    private synchronized void forget(DiskId disk) {
        written.remove(disk);
    }

    private void hideAfter(GenieVmException failure) {
        try {
            Files.move(target, folder);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private GenieVmException removedAfter(GenieVmException failure) {
        try {
            staging.remove();
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        return failure;
    }

    private Path file(DiskId disk) {
        return folder.resolve(disk.value());
    }

    private static GenieVmException exists(VmId id, Path target, @Nullable Throwable cause) {
        return new GenieVmException(
                ErrorCode.ALREADY_EXISTS, Resource.of(id), "there is a " + target + " already", cause);
    }

    private GenieVmException failure(String action, IOException cause) {
        return failure(action, id, place, cause);
    }

    private static GenieVmException failure(String action, VmId id, Path place, IOException cause) {
        return FileErrors.ofWrite(action, Resource.of(id), place, 0, cause);
    }
}
