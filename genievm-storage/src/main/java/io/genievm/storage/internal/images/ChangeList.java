package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The list of changes of one image of a snapshot, if there is one. {@link ImagesProvider} says what it looks like. It is
 * only read, and watched like the image: its token is that of the backup only if both stay as they are.
 */
final class ChangeList {
    private final ImagesVm.Image image;
    private final Path top;
    private final Path path;
    private final ChangeListState state;
    private final Resource resource;
    private final Consumer<DriverFact> facts;
    private ChangeListReader.@Nullable Tokens tokens;
    private @Nullable String lost;

    private ChangeList(ImagesVm vm, ImagesVm.Image image, ChangeListState state, Consumer<DriverFact> facts) {
        this.image = image;
        this.top = vm.top();
        this.path = image.changeList();
        this.state = state;
        this.resource = Resource.of(vm.id(), image.id());
        this.facts = facts;
    }

    /**
     * Reads the tokens.
     *
     * @param state what the list was before: whatever is done to it from then on is found
     * @param facts told what is there and is of no use
     */
    static ChangeList open(ImagesVm vm, ImagesVm.Image image, ChangeListState state, Consumer<DriverFact> facts) {
        ChangeList list = new ChangeList(vm, image, state, facts);
        switch (state.kind()) {
            case ABSENT -> {}
            case IGNORED -> facts.accept(Entry.ignored(list.path, state.objection()));
            case UNUSABLE -> list.lost = list.tellLost(state.objection());
            case FILE -> list.readTokens();
        }
        return list;
    }

    /** The disk that the list is about. */
    Resource resource() {
        return resource;
    }

    Optional<ChangeToken> token() {
        return Optional.ofNullable(tokens).map(ChangeListReader.Tokens::token);
    }

    /** Does what {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince} says, within a scope. */
    Changes since(ChangeToken parent, Scope scope) {
        if (lost != null) {
            return new Changes.Unknown(DriverFact.TRACKING_LOST, lost);
        }
        if (tokens == null) {
            return unknown("NO_TRACKING", "changes of " + image.path() + " are not tracked: " + state.objection());
        }
        if (tokens.since().isEmpty()) {
            return unknown("FIRST_MARK", path + " has no \"since\": it only sets a mark for the lists to come");
        }
        ChangeToken since = tokens.since().get();
        if (!since.equals(parent)) {
            return unknown(
                    "TOKEN_UNKNOWN",
                    path + " tells the changes since '" + Shown.text(since.value()) + "', not since '"
                            + Shown.text(parent.value()) + "'");
        }
        return extents(scope);
    }

    /** Does what {@link io.genievm.api.hypervisor.SnapshotDisk#confirmUnchanged} says. */
    void confirmUnchanged() {
        Optional<String> difference = state.difference(ChangeListState.look(top, path));
        if (difference.isPresent()) {
            throw new GenieVmException(
                    ErrorCode.SOURCE_CHANGED,
                    resource,
                    path + " changed while " + image.path() + " was read: " + difference.get());
        }
    }

    /** The failure of a list that turns out to be of no use while it is read. */
    GenieVmException unusable(MalformedChangeListException cause) {
        return unusable(cause.getMessage(), cause);
    }

    /** The failure of a list that can not be read any further. */
    GenieVmException unusable(IOException cause) {
        return unusable(reason(cause), cause);
    }

    /** The failure of a cursor over this list whose owner, or which itself, was closed. */
    GenieVmException closed(@Nullable Throwable cause) {
        return new GenieVmException(ErrorCode.CLOSED, resource, "the list of changes " + path + " is closed", cause);
    }

    private void readTokens() {
        try (FileChannel file = openFile()) {
            tokens = new ChangeListReader(file).tokens();
        } catch (IOException e) {
            lost = tellLost(reason(e));
        } catch (MalformedChangeListException e) {
            lost = tellLost(e.getMessage());
        }
    }

    private Changes extents(Scope scope) {
        FileChannel file;
        try {
            file = openFile();
        } catch (IOException e) {
            confirmUnchanged();
            return new Changes.Unknown(DriverFact.TRACKING_LOST, tellLost(reason(e)));
        }
        ChangedExtents extents = scope.add(new ChangedExtents(this, file, scope));
        try {
            extents.begin();
            return new Changes.Known(extents);
        } catch (GenieVmException e) {
            extents.close();
            throw e;
        }
    }

    /** A link that takes the place of the file after the look at it is not followed. */
    private FileChannel openFile() throws IOException {
        return FileChannel.open(state.file(), StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
    }

    private GenieVmException unusable(String why, Exception cause) {
        confirmUnchanged();
        return new GenieVmException(ErrorCode.IO_ERROR, resource, tellLost(why), cause);
    }

    private static String reason(IOException failure) {
        return "can not read it: " + FileErrors.reason(failure);
    }

    private Changes.Unknown unknown(String reason, String message) {
        tell(message);
        return new Changes.Unknown(reason, message);
    }

    private String tellLost(String why) {
        String message = "the list of changes " + path + " is of no use: " + why;
        tell(message);
        return message;
    }

    private void tell(String message) {
        facts.accept(new DriverFact(DriverFact.TRACKING_LOST, image.id(), message));
    }
}
