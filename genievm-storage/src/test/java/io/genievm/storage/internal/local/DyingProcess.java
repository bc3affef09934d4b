package io.genievm.storage.internal.local;

import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/** What a file system sees of a process that is killed: a call, and nothing after it. */
final class DyingProcess implements CrashFileSystem.Hook {
    private final AtomicInteger left;

    /** Makes one that is killed after some calls. */
    DyingProcess(int calls) {
        this.left = new AtomicInteger(calls);
    }

    @Override
    public void before(CrashFileSystem.Event event) throws IOException {
        if (left.getAndDecrement() <= 0) {
            throw new IOException("the process was killed before " + event);
        }
    }
}
