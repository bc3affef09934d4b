package io.genievm.core.testing;

import java.lang.reflect.Method;

/** Counts what a thread allocates, without asking for the module that can tell. */
public final class Allocation {
    private Allocation() {}

    /** Bytes of heap that the current thread has allocated so far. */
    public static long ofCurrentThread() {
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
