package io.genievm.kvm.internal.nbd;

import io.genievm.api.GenieVmException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;

/** A request that was sent, or is being sent, and the answer as far as it has come. */
final class PendingRequest {
    final long cookie;
    final int command;
    final long offset;
    final long length;
    /** Where a read goes: from index 0, as long as the request. */
    final @Nullable ByteBuffer target;
    /** What of a read has come. */
    final @Nullable ReadCoverage coverage;
    /** What a block status request found out. */
    final @Nullable BlockStatus status;
    /** When it was made, and when its time is over, on the clock of {@link System#nanoTime()}. */
    final long made;

    final long limit;
    /** Told when it is done, or when its thread is to read for all. */
    final Condition changed;

    /** The first error that the server told. For the thread that reads. */
    @Nullable
    GenieVmException refusal;

    int errorChunks;

    /** Whether its thread waits while another one reads. Guarded by the connection's lock. */
    boolean waiting;
    /** What it ended with. Guarded by the connection's lock. */
    @Nullable
    GenieVmException failure;

    volatile boolean done;

    PendingRequest(
            long cookie,
            int command,
            long offset,
            long length,
            @Nullable ByteBuffer target,
            @Nullable BlockStatus status,
            long limitNanos,
            Condition changed) {
        this.cookie = cookie;
        this.command = command;
        this.offset = offset;
        this.length = length;
        this.target = target;
        this.status = status;
        this.changed = changed;
        coverage = target == null ? null : new ReadCoverage(length);
        made = System.nanoTime();
        limit = made + limitNanos;
    }
}
