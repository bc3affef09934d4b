package io.genievm.storage.internal.local;

import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/** A disk that fails to force a file or folder: once, or from then on. */
final class FailingForce implements CrashFileSystem.Hook {
    private final AtomicInteger left;
    private final boolean forEver;

    /** Makes one that fails after so many times that it did not. */
    FailingForce(int times, boolean forEver) {
        this.left = new AtomicInteger(times);
        this.forEver = forEver;
    }

    @Override
    public void before(CrashFileSystem.Event event) throws IOException {
        if (event.call() == CrashFileSystem.Call.FORCE) {
            int now = left.getAndDecrement();
            if (now == 0 || forEver && now < 0) {
                throw new IOException("Input/output error");
            }
        }
    }
}
