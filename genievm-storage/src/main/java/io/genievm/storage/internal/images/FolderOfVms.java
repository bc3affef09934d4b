package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A folder of folders of images. */
final class FolderOfVms implements Inventory {
    /** Made by mkfs in the root of a file system. */
    private static final String LOST_AND_FOUND = "lost+found";

    private final Path top;

    FolderOfVms(Path top) {
        this.top = top;
    }

    @Override
    public Path place() {
        return top;
    }

    @Override
    public VmListing vms() {
        List<VmSummary> vms = new ArrayList<>();
        List<DriverFact> facts = new ArrayList<>();
        for (Entry entry : entries(top)) {
            String objection = objectionToVm(entry);
            if (objection == null) {
                vms.add(new VmSummary(new VmId(entry.name()), entry.name()));
            } else {
                facts.add(Entry.ignored(entry.path(), objection));
            }
        }
        vms.sort(Comparator.comparing(VmSummary::name));
        facts.sort(Comparator.comparing(DriverFact::message));
        return new VmListing(vms, facts);
    }

    @Override
    public ImagesVm find(VmId id) {
        Entry folder = folderOf(id);
        List<ImagesVm.Image> images = new ArrayList<>();
        List<DriverFact> facts = new ArrayList<>();
        List<Entry> lists = new ArrayList<>();
        for (Entry entry : entries(folder.real())) {
            String objection = objectionToDisk(entry);
            if (objection != null) {
                facts.add(Entry.ignored(entry.path(), objection));
            } else if (Entry.isChangeList(entry.path())) {
                lists.add(entry);
            } else {
                images.add(new ImagesVm.Image(
                        new DiskId(entry.name()),
                        entry.path(),
                        entry.real(),
                        entry.attributes().size()));
            }
        }
        Set<Path> paths = images.stream().map(ImagesVm.Image::path).collect(Collectors.toSet());
        for (Entry list : lists) {
            if (!paths.contains(Entry.imageOf(list.path()))) {
                facts.add(Entry.ignored(list.path(), "it is a list of changes without an image"));
            }
        }
        images.sort(Comparator.comparing(ImagesVm.Image::id));
        facts.sort(Comparator.comparing(DriverFact::message));
        return new ImagesVm(id, top, List.copyOf(images), List.copyOf(facts));
    }

    @Override
    public Optional<Path> folder() {
        return Optional.of(top);
    }

    /** Says why a VM can not have a name here. */
    static @Nullable String objectionToVmName(Path path) {
        return path.endsWith(LOST_AND_FOUND) ? "it belongs to the file system" : Entry.objectionToName(path);
    }

    /** Says why a disk can not have a name here. */
    static @Nullable String objectionToDiskName(Path path) {
        return Entry.isChangeList(path) ? "such names are for lists of changes" : Entry.objectionToName(path);
    }

    private static @Nullable String objectionToVm(Entry entry) {
        String objection = objectionToVmName(entry.path());
        if (objection != null || entry.objection() != null) {
            return objection != null ? objection : entry.objection();
        }
        return entry.isFolder() ? null : "a VM is a folder with its images";
    }

    private static @Nullable String objectionToDisk(Entry entry) {
        if (entry.objection() != null) {
            return entry.objection();
        }
        if (entry.isFolder()) {
            return "it is a folder";
        }
        return entry.isFile() ? null : "it is not a file";
    }

    private Entry folderOf(VmId id) {
        try {
            Entry entry = Entry.look(top, top.resolve(id.value()));
            String objection = objectionToVm(entry);
            if (objection == null) {
                return entry;
            }
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.of(id), entry.path() + " is no VM: " + objection);
        } catch (NoSuchFileException | InvalidPathException e) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND, Resource.of(id), "there is no VM '" + id + "' in " + top, e);
        } catch (IOException e) {
            throw FileErrors.of("can not look at VM '" + id + "' in " + top, Resource.of(id), e);
        }
    }

    private List<Entry> entries(Path folder) {
        List<Entry> entries = new ArrayList<>();
        try (DirectoryStream<Path> paths = Files.newDirectoryStream(folder)) {
            for (Path path : paths) {
                addTo(entries, path);
            }
            return entries;
        } catch (DirectoryIteratorException e) {
            throw FileErrors.of(
                    "can not list " + folder, Resource.named(folder.toString()), Objects.requireNonNull(e.getCause()));
        } catch (IOException e) {
            throw FileErrors.of("can not list " + folder, Resource.named(folder.toString()), e);
        }
    }

    private void addTo(List<Entry> entries, Path path) throws IOException {
        try {
            entries.add(Entry.look(top, path));
        } catch (NoSuchFileException e) {
            // Gone since the folder was read.
        }
    }
}
