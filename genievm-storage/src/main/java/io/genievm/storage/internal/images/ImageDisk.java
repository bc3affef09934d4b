package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One image while it is read. */
final class ImageDisk implements SnapshotDisk {
    private final DiskId id;
    private final Path file;
    private final FileState state;
    private final ChangeList changes;
    private final Resource resource;
    private final Scope scope;
    private final Consumer<DriverFact> facts;

    ImageDisk(ImagesVm.Image image, FileState state, ChangeList changes, Scope scope, Consumer<DriverFact> facts) {
        this.id = image.id();
        this.file = image.file();
        this.state = state;
        this.changes = changes;
        this.resource = changes.resource();
        this.scope = scope;
        this.facts = facts;
    }

    @Override
    public DiskId id() {
        return id;
    }

    @Override
    public long capacity() {
        return state.size();
    }

    @Override
    public Optional<ChangeToken> token() {
        return changes.token();
    }

    @Override
    public DiskLimits limits() {
        return DiskLimits.FILE;
    }

    @Override
    public ExtentCursor allocated() {
        scope.requireOpen();
        try {
            return scope.add(DataExtents.of(file, capacity(), resource, scope));
        } catch (HolesUnknownException e) {
            facts.accept(new DriverFact(
                    DriverFact.ALLOCATION_UNKNOWN, id, "the holes of " + file + " are not known: " + e.getMessage()));
            return ExtentCursor.whole(capacity());
        }
    }

    @Override
    public Changes changesSince(ChangeToken token) {
        scope.requireOpen();
        return changes.since(token, scope);
    }

    @Override
    public DiskReader openReader() {
        scope.requireOpen();
        try {
            FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
            return scope.add(new ImageReader(file, channel, capacity(), resource, scope));
        } catch (NoSuchFileException e) {
            throw changed("it is not there any more", e);
        } catch (IOException e) {
            throw FileErrors.of("can not read " + file, resource, e);
        }
    }

    @Override
    public void confirmUnchanged() {
        scope.requireOpen();
        try {
            Optional<String> difference = state.difference(FileState.of(file));
            if (difference.isPresent()) {
                throw changed(difference.get(), null);
            }
        } catch (NoSuchFileException e) {
            throw changed("it is not there any more", e);
        } catch (IOException e) {
            throw FileErrors.of("can not look at " + file, resource, e);
        }
        changes.confirmUnchanged();
    }

    private GenieVmException changed(String how, @Nullable Throwable cause) {
        return new GenieVmException(
                ErrorCode.SOURCE_CHANGED, resource, file + " changed while it was read: " + how, cause);
    }
}
