package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process holds, to see that nothing is left. */
final class Resources {
    private Resources() {}

    /** How many files and sockets are open; 0 where nobody can tell. */
    static int openFiles() throws IOException {
        Path descriptors = Path.of("/proc/self/fd");
        if (!Files.isDirectory(descriptors)) {
            return 0;
        }
        int count = 0;
        try (DirectoryStream<Path> all = Files.newDirectoryStream(descriptors)) {
            for (Path each : all) {
                count += Files.isSymbolicLink(each)
                                && Files.readSymbolicLink(each).toString().startsWith("socket:")
                        ? 1
                        : 0;
            }
        }
        return count;
    }

    /** Bytes of heap that the current thread has allocated so far, without asking for the module that can tell. */
    static long allocated() {
        try {
            Object bean = Class.forName("java.lang.management.ManagementFactory")
                    .getMethod("getThreadMXBean")
                    .invoke(null);
            Method method =
                    Class.forName("com.sun.management.ThreadMXBean").getMethod("getThreadAllocatedBytes", long.class);
            return (long) method.invoke(bean, Thread.currentThread().getId());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }
}
