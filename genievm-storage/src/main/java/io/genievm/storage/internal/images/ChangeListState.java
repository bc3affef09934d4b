package io.genievm.storage.internal.images;

import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What lies where the list of changes of an image would, looked at without opening it.
 *
 * @param kind what it is
 * @param file the list, links resolved where they may be followed
 * @param objection why it is not to be used; empty for a file
 * @param state of a file; {@code null} for anything else
 */
record ChangeListState(
        Kind kind, Path file, String objection, @Nullable FileState state) {
    /** Linux has no file whose name is longer. */
    private static final int MAX_NAME = 255;

    /** What a list can turn out to be. */
    enum Kind {
        ABSENT,
        IGNORED,
        UNUSABLE,
        FILE
    }

    /**
     * Looks.
     *
     * @param top the real path of the folder that links must not leave
     */
    static ChangeListState look(Path top, Path list) {
        try {
            Entry entry = Entry.look(top, list);
            if (entry.objection() != null) {
                return without(Kind.IGNORED, list, entry.objection());
            }
            if (!entry.isFile()) {
                return without(Kind.UNUSABLE, list, entry.isFolder() ? "it is a folder" : "it is not a file");
            }
            return new ChangeListState(Kind.FILE, entry.real(), "", FileState.of(entry.real()));
        } catch (NoSuchFileException e) {
            return without(Kind.ABSENT, list, "there is no " + list);
        } catch (IOException e) {
            int name = list.getFileName().toString().getBytes(StandardCharsets.UTF_8).length;
            return name > MAX_NAME
                    ? without(Kind.ABSENT, list, "there can be no " + list + ": the name is too long")
                    : without(Kind.UNUSABLE, list, "can not look at it: " + FileErrors.reason(e));
        }
    }

    /** Says whether the list was written at that moment or later. */
    boolean isAsYoungAs(Instant moment) {
        return state != null && state.isAsYoungAs(moment);
    }

    /** Says what is different in a later state, if anything is. */
    Optional<String> difference(ChangeListState later) {
        if (state != null && later.state != null && file.equals(later.file)) {
            return state.difference(later.state);
        }
        if (kind == later.kind && state == null) {
            return Optional.empty();
        }
        if (kind == Kind.ABSENT) {
            return Optional.of("it was not there before");
        }
        return Optional.of(later.state == null ? later.objection : "another file is there");
    }

    private static ChangeListState without(Kind kind, Path list, String objection) {
        return new ChangeListState(kind, list, objection, null);
    }
}
