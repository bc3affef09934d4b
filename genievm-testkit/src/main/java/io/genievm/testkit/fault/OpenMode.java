package io.genievm.testkit.fault;

import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;

/** How a file is opened. */
record OpenMode(
        boolean read,
        boolean write,
        boolean append,
        boolean create,
        boolean createNew,
        boolean cut,
        boolean deleteOnClose) {
    /** Past the page cache, which is no nearer to the disk's memory than any other write. The class is the JDK's own. */
    private static boolean isDirect(OpenOption option) {
        return option instanceof Enum<?> constant && constant.name().equals("DIRECT");
    }

    static OpenMode of(Set<? extends OpenOption> options) {
        for (OpenOption option : options) {
            if (!(option instanceof StandardOpenOption || option instanceof LinkOption || isDirect(option))) {
                throw new UnsupportedOperationException("open option " + option);
            }
        }
        boolean append = options.contains(StandardOpenOption.APPEND);
        boolean write = append || options.contains(StandardOpenOption.WRITE);
        boolean read = options.contains(StandardOpenOption.READ) || !write;
        if (append && (read || options.contains(StandardOpenOption.TRUNCATE_EXISTING))) {
            throw new IllegalArgumentException("APPEND together with READ or TRUNCATE_EXISTING");
        }
        boolean createNew = write && options.contains(StandardOpenOption.CREATE_NEW);
        return new OpenMode(
                read,
                write,
                append,
                createNew || write && options.contains(StandardOpenOption.CREATE),
                createNew,
                write && options.contains(StandardOpenOption.TRUNCATE_EXISTING),
                options.contains(StandardOpenOption.DELETE_ON_CLOSE));
    }
}
