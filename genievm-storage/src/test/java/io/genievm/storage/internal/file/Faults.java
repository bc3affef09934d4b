package io.genievm.storage.internal.file;

import java.io.IOException;
import java.nio.file.Path;

/**
 * What goes wrong in a {@link FaultyFileSystem}: looked at before and after every operation. To throw before is a failure
 * without effect, to throw after is one whose answer was lost.
 */
@FunctionalInterface
public interface Faults {
    Faults NONE = (operation, path) -> {};

    /** What is done to a path. */
    enum Operation {
        CREATE,
        OPEN,
        READ,
        WRITE,
        FORCE,
        LINK,
        LINKED,
        DELETE,
        CREATE_FOLDER,
        LIST,
        LOOK
    }

    /** The path is one of the file system below. {@code LINKED} comes after a link has been made. */
    void at(Operation operation, Path path) throws IOException;
}
