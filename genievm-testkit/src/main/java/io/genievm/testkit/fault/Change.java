package io.genievm.testkit.fault;

import org.jspecify.annotations.Nullable;

/** One line of a {@link Disk}'s record. */
sealed interface Change {
    /** Bytes were written into a file. */
    record Written(Node.File file, int offset, byte[] bytes) implements Change {}

    /** A file was cut. */
    record Cut(Node.File file, int size) implements Change {}

    /** A name was given, in place of any that was there. */
    record Named(Node.Folder folder, String name, Node node) implements Change {}

    /** A name was taken away; if it was moved, only together with the name that it was moved to. */
    record Unnamed(
            Node.Folder folder, String name, @Nullable Named movedTo) implements Change {}

    /** A file or folder was forced. */
    record Forced(Node node) implements Change {}

    /** A file could not be forced. */
    record ForceFailed(Node.File file) implements Change {}
}
