package io.genievm.testkit.fault;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileLock;

/** A lock of a file, until it is released or its channel closed. */
final class CrashLock extends FileLock {
    private final CrashChannel channel;

    CrashLock(CrashChannel channel, long position, long size, boolean shared) {
        super(channel, position, size, shared);
        this.channel = channel;
    }

    @Override
    public boolean isValid() {
        return channel.isOpen() && channel.isLocked(this);
    }

    @Override
    public void release() throws IOException {
        if (!channel.isOpen()) {
            throw new ClosedChannelException();
        }
        channel.unlock(this);
    }
}
