package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.internal.qemu.QemuImg;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A domain under construction: files under hidden names. Safe for use by several threads. */
final class NewDomain implements NewVm {
    private static final Logger LOG = LoggerFactory.getLogger(NewDomain.class);

    private final LibvirtConnection libvirt;
    private final Path sockets;
    private final NewVmRequest request;
    private final CreationOptions options;
    private final String xml;
    private final VmId id;
    private final SortedMap<DiskId, NewFile> disks = new TreeMap<>();
    private final Map<DiskId, Long> capacities = new HashMap<>();
    private final @Nullable NewFile nvram;
    private final Map<DiskId, Writer> writers = new HashMap<>();
    private boolean closed;
    private boolean ended;

    /**
     * One file.
     *
     * @param hidden its name as long as it is not whole
     * @param file its name after that
     */
    private record NewFile(Path hidden, Path file) {}

    NewDomain(
            LibvirtConnection libvirt,
            Path sockets,
            NewVmRequest request,
            CreationOptions options,
            SortedMap<DiskId, Path> files,
            @Nullable Path nvram,
            String xml) {
        this.libvirt = libvirt;
        this.sockets = sockets;
        this.request = request;
        this.options = options;
        this.xml = xml;
        this.id = new VmId(request.name());
        String host = libvirt.hostUuid();
        files.forEach((disk, file) -> disks.put(disk, new NewFile(HiddenName.in(options.folder(), host), file)));
        this.nvram = nvram == null ? null : new NewFile(HiddenName.in(options.folder(), host), nvram);
        for (VmDescription.Disk disk : request.disks()) {
            capacities.put(disk.id(), disk.capacity());
        }
    }

    void requireWanted() {
        if (request.cancellation().isCancelled()) {
            throw new TaskCancelledException(Resource.of(id), "the making of VM '" + id + "' was cancelled", null);
        }
    }

    /** Makes the files. When this throws, none is left. */
    void makeFiles() {
        boolean made = false;
        try {
            if (nvram != null) {
                writeNvram(nvram.hidden());
            }
            for (Map.Entry<DiskId, NewFile> disk : disks.entrySet()) {
                requireWanted();
                Path file = disk.getValue().hidden();
                QemuImg.create(
                        file, options.format(), capacityOf(disk.getKey()), options.thin(), request.cancellation());
                makePrivate(file);
            }
            made = true;
        } catch (IOException e) {
            throw failure("can not make VM '" + id + "' in " + options.folder(), e);
        } finally {
            if (!made) {
                removeHidden();
            }
        }
    }

    private long capacityOf(DiskId disk) {
        return Objects.requireNonNull(capacities.get(disk));
    }

    private void writeNvram(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            makePrivate(file);
            Hardware.unpackNvram(request.hardware(), out);
        }
    }

    /** libvirt hands it to whom QEMU runs as; everybody else has no business in it. */
    private static void makePrivate(Path file) throws IOException {
        try {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        } catch (UnsupportedOperationException e) {
            // A file system without permissions has its own ways to keep others out.
        }
    }

    @Override
    public synchronized DiskWriter openWriter(DiskId disk) {
        requireOpen();
        NewFile file = disks.get(disk);
        if (file == null) {
            throw new IllegalArgumentException("VM '" + id + "' has no disk '" + disk + "'");
        }
        if (writers.containsKey(disk)) {
            throw new IllegalStateException("disk '" + disk + "' has a writer");
        }
        Writer writer = new Writer(disk, ServedImage.open(file.hidden(), options.format(), sockets), capacityOf(disk));
        writers.put(disk, writer);
        return writer;
    }

    private synchronized void forget(Writer writer) {
        writers.remove(writer.disk, writer);
    }

    @Override
    public synchronized VmId complete() {
        requireOpen();
        if (ended || !writers.isEmpty()) {
            throw new IllegalStateException(
                    ended ? "VM '" + id + "' is complete" : "writers are open for " + writers.keySet());
        }
        List<NewFile> named = new ArrayList<>();
        boolean keep = false;
        try {
            for (Map.Entry<DiskId, NewFile> disk : disks.entrySet()) {
                if (options.format().equals("raw")) {
                    setLength(disk.getValue().hidden(), capacityOf(disk.getKey()));
                }
            }
            for (NewFile file : files()) {
                sync(file.hidden());
            }
            for (NewFile file : files()) {
                giveName(file);
                named.add(file);
            }
            removeHidden();
            sync(options.folder());
            Definition definition = define();
            keep = definition.keepsFiles();
            if (definition.failure() != null) {
                throw definition.failure();
            }
        } catch (FileAlreadyExistsException e) {
            throw NewDomains.exists(id.value(), "there is a " + e.getFile() + " already", e);
        } catch (IOException e) {
            throw failure("can not complete VM '" + id + "' in " + options.folder(), e);
        } finally {
            if (!keep) {
                remove(named.stream().map(NewFile::file).toList());
            }
        }
        ended = true;
        return id;
    }

    /**
     * What came of defining the domain.
     *
     * @param keepsFiles whether a domain has the files, or may have
     * @param failure why it failed, or {@code null} when it did not
     */
    private record Definition(boolean keepsFiles, @Nullable GenieVmException failure) {}

    private Definition define() {
        GenieVmException failure;
        try {
            libvirt.define(xml);
            return new Definition(true, null);
        } catch (GenieVmException e) {
            failure = new GenieVmException(
                    e.code(), Resource.of(id), "libvirt does not define VM '" + id + "': " + e.getMessage(), e);
        }
        if (failure.code().equals(ErrorCode.ALREADY_EXISTS)) {
            return new Definition(false, failure);
        }
        try {
            if (!hasOurFiles(DomainXml.parse(libvirt.domain(id.value()).xml(true)))) {
                return new Definition(false, failure);
            }
            LOG.info("domain '{}' is defined, and libvirt could not say so any more: {}", id, failure.getMessage());
            return new Definition(true, null);
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return new Definition(false, failure);
            }
            // The daemon is gone. A domain without its disks would be worse than disks without their domain.
            failure = new GenieVmException(
                    failure.code(),
                    Resource.of(id),
                    "libvirt was lost while it defined domain '" + id
                            + "'; the files are left, as the domain may be there: "
                            + files().stream()
                                    .map(file -> file.file().toString())
                                    .toList() + ": "
                            + failure.getMessage(),
                    failure);
            return new Definition(true, failure);
        }
    }

    private boolean hasOurFiles(DomainXml found) {
        List<String> ours = files().stream().map(file -> file.file().toString()).toList();
        return found.disks().stream().anyMatch(disk -> disk.source() != null && ours.contains(disk.source()));
    }

    /** QEMU writes whole sectors, and so beyond the end of a disk that has a part of one. */
    private static void setLength(Path file, long length) throws IOException {
        try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
            if (raw.length() != length) {
                raw.setLength(length);
            }
        }
    }

    private static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** A link is made only where nothing is, whatever others do at the same time. */
    private static void giveName(NewFile file) throws IOException {
        try {
            Files.createLink(file.file(), file.hidden());
        } catch (FileAlreadyExistsException e) {
            throw e;
        } catch (IOException | UnsupportedOperationException e) {
            // Not every file system has links.
            giveNameWithoutLink(file.hidden(), file.file());
        }
    }

    /** What replaces an empty file that was made just before, where nothing was, replaces nobody's. */
    static void giveNameWithoutLink(Path hidden, Path name) throws IOException {
        Files.createFile(name);
        boolean moved = false;
        try {
            Files.move(hidden, name, StandardCopyOption.ATOMIC_MOVE);
            moved = true;
        } finally {
            if (!moved) {
                remove(List.of(name));
            }
        }
    }

    @Override
    public void close() {
        List<Writer> open;
        synchronized (this) {
            closed = true;
            open = List.copyOf(writers.values());
        }
        // Outside of the lock, which each of them takes to be forgotten.
        open.forEach(Writer::close);
        synchronized (this) {
            if (!ended) {
                ended = true;
                removeHidden();
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, Resource.of(id), "the new VM '" + id + "' was closed");
        }
    }

    private List<NewFile> files() {
        List<NewFile> files = new ArrayList<>(disks.values());
        if (nvram != null) {
            files.add(nvram);
        }
        return files;
    }

    private void removeHidden() {
        remove(files().stream().map(NewFile::hidden).toList());
    }

    /** What can not be removed now is removed when the next VM is made in the folder, if it has a hidden name. */
    private static void remove(Collection<Path> files) {
        for (Path file : files) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                LOG.warn("can not remove {}, which is of no use any more: {}", file, e.toString());
            }
        }
    }

    private GenieVmException failure(String action, IOException cause) {
        return FileFailures.of(action, Resource.of(id), cause);
    }

    /** Writes one disk. Closing it closes the image, so that it is whole and no longer in use. */
    private final class Writer implements DiskWriter {
        private final DiskId disk;
        private final ServedImage image;
        private final DiskWriter writer;

        Writer(DiskId disk, ServedImage image, long capacity) {
            this.disk = disk;
            this.image = image;
            this.writer = image.writer(capacity);
        }

        @Override
        public DiskLimits limits() {
            return writer.limits();
        }

        @Override
        public void write(long offset, ByteBuffer source) {
            writer.write(offset, source);
        }

        @Override
        public void zero(long offset, long length) {
            writer.zero(offset, length);
        }

        @Override
        public void flush() {
            writer.flush();
        }

        @Override
        public void close() {
            writer.close();
            image.close();
            forget(this);
        }
    }
}
