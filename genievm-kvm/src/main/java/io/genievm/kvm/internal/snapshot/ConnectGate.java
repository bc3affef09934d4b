package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdConnection;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Lets connections to QEMU's NBD server be opened, or the server be ended, but not both at a time: QEMU 7.2 that is told to
 * end its server while a client negotiates waits for that client in a loop in which it never hears it, for ever, and the
 * guest with it. Safe for use by several threads.
 */
final class ConnectGate implements NbdPool.Opener {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock(true);
    private boolean shut;

    @Override
    public NbdConnection open(NbdAddress address, NbdOptions options) {
        lock.readLock().lock();
        try {
            if (shut) {
                throw new GenieVmException(
                        ErrorCode.CLOSED, Resource.named(address.toString()), "the snapshot is being ended");
            }
            return NbdConnection.open(address, options);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Waits until no connection is being opened, and lets none be opened any more. */
    void shut() {
        lock.writeLock().lock();
        try {
            shut = true;
        } finally {
            lock.writeLock().unlock();
        }
    }
}
