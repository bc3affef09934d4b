package io.genievm.core.internal.repository;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * Gathers segments into packs in memory and puts each pack as a whole. Safe for use by several threads.
 *
 * <p>A full pack is put by a thread of the executor while others go on filling the next. When there is no memory left,
 * whoever needs it puts a waiting pack itself, so nothing depends on the executor having a thread to spare.
 */
final class PackWriter {
    private static final int PIECE = 1 << 20;
    /** Of chunks that shrink to almost nothing millions would fit, each with an entry on the heap of whoever reads it. */
    private static final int MAX_ENTRIES = 1 << 16;

    private final RepositoryAccess access;
    private final SessionId session;
    private final Listener listener;
    private final long packSize;
    private final BufferPool pool;
    // Held for a whole append, also while it waits for memory: segments must not get into each other.
    private final Object appendLock = new Object();
    // Guards everything else; never held while waiting for a put.
    private final Object lock = new Object();
    private final Deque<OpenPack> sealed = new ArrayDeque<>();
    // The open pack's; there is one at a time.
    private final PackFormat.FooterBuilder footer = new PackFormat.FooterBuilder();
    private @Nullable OpenPack current;
    private int packs;
    private int uploads;
    private @Nullable Throwable failure;

    /** Is told what becomes of segments and packs. */
    interface Listener {
        /** A segment has its place; told before its pack can become durable, with the writer's lock held. */
        void placed(int pack, int offset, int length, SegmentType type, byte[] ids, int count);

        /** A pack is durable; told by the thread that put it. */
        void durable(int pack, int length, int entries);
    }

    /**
     * Makes a writer.
     *
     * @param access the repository
     * @param session whose packs they are
     * @param memory bytes for packs that are being filled or put
     * @param maxSegment the most bytes of a segment
     * @param listener is told where segments are and when packs are durable
     */
    PackWriter(RepositoryAccess access, SessionId session, long memory, int maxSegment, Listener listener) {
        this.access = access;
        this.session = session;
        this.listener = listener;
        // A pack may overrun its size by one segment and its footer, and its last piece may be all but empty.
        long overrun = (long) maxSegment + PIECE + (1 << 18);
        this.packSize = Math.max(1 << 20, Math.min(access.options().packSize(), memory / 2 - overrun));
        this.pool = new BufferPool(PIECE, (int) (2 * ((packSize + overrun) / PIECE + 1)));
    }

    /** Appends a segment. */
    void append(byte[] bytes, int length, SegmentType type, byte[] ids, int count) {
        synchronized (appendLock) {
            checkFailure();
            try {
                place(bytes, length, type, ids, count);
            } catch (Throwable e) {
                // Whatever it was: the pack is not what its footer and the index will say.
                fail(e);
                throw e;
            }
        }
    }

    private void place(byte[] bytes, int length, SegmentType type, byte[] ids, int count) {
        OpenPack pack = current;
        if (pack == null) {
            pack = new OpenPack(PackName.of(session, packs++));
            current = pack;
            footer.clear();
            byte[] header = PackFormat.header(access.id(), pack.name);
            write(pack, header, header.length);
        }
        int offset = pack.length;
        write(pack, bytes, length);
        footer.add(offset, length, type, ids, count);
        pack.entries += count;
        listener.placed(pack.name.number(), offset, length, type, ids, count);
        if (pack.length + footer.length() >= packSize || pack.entries >= MAX_ENTRIES) {
            seal();
        }
    }

    /** Puts what is left and waits until all packs are durable. */
    void finish() {
        synchronized (appendLock) {
            checkFailure();
            try {
                seal();
            } catch (Throwable e) {
                fail(e);
                throw e;
            }
        }
        while (true) {
            OpenPack pack;
            synchronized (lock) {
                pack = sealed.poll();
                if (pack == null) {
                    if (uploads == 0) {
                        checkFailure();
                        return;
                    }
                    waitForUpload();
                    continue;
                }
                uploads++;
            }
            upload(pack);
        }
    }

    /** Lets nothing more be put, and waits for puts that are under way. */
    void abort() {
        synchronized (lock) {
            if (failure == null) {
                failure = new GenieVmException(ErrorCode.CLOSED, "the session was given up");
            }
            sealed.clear();
            while (uploads > 0) {
                waitForUpload();
            }
        }
    }

    /** How many packs were begun. */
    int packs() {
        synchronized (appendLock) {
            return packs;
        }
    }

    private void write(OpenPack pack, byte[] bytes, int length) {
        int done = 0;
        while (done < length) {
            ByteBuffer piece = pack.pieces.isEmpty() ? null : pack.pieces.get(pack.pieces.size() - 1);
            if (piece == null || !piece.hasRemaining()) {
                piece = acquire();
                pack.pieces.add(piece);
            }
            int count = Math.min(piece.remaining(), length - done);
            piece.put(bytes, done, count);
            done += count;
        }
        pack.length += length;
    }

    private ByteBuffer acquire() {
        while (true) {
            checkFailure();
            ByteBuffer buffer = pool.poll();
            if (buffer != null) {
                return buffer;
            }
            OpenPack waiting;
            synchronized (lock) {
                waiting = sealed.poll();
                if (waiting == null) {
                    if (uploads > 0) {
                        waitForUpload();
                    } else if (pool.isExhausted()) {
                        throw new IllegalStateException("one pack takes more memory than all packs may");
                    }
                    continue;
                }
                uploads++;
            }
            upload(waiting);
        }
    }

    private void seal() {
        OpenPack pack = current;
        if (pack == null) {
            return;
        }
        current = null;
        write(pack, footer.encode(pack.length), footer.length());
        synchronized (lock) {
            sealed.add(pack);
        }
        try {
            access.executor().execute(this::uploadOne);
        } catch (RejectedExecutionException e) {
            // Somebody puts it when memory runs out, or at the end.
        }
    }

    private void uploadOne() {
        OpenPack pack;
        synchronized (lock) {
            pack = sealed.poll();
            if (pack == null) {
                return;
            }
            uploads++;
        }
        upload(pack);
    }

    private void upload(OpenPack pack) {
        try {
            List<ByteBuffer> pieces = new ArrayList<>();
            pack.pieces.forEach(piece -> pieces.add(piece.duplicate().flip()));
            String key = pack.name.key();
            if (access.store().put(key, BlobContent.of(pieces)) == PutOutcome.EXISTS) {
                throw new GenieVmException(
                        ErrorCode.STORE_CONTRACT_BROKEN,
                        Resource.named(key),
                        "the store says that " + key + " exists, whose name was drawn at random just now");
            }
            listener.durable(pack.name.number(), pack.length, pack.entries);
        } catch (Throwable e) {
            fail(e);
        } finally {
            pack.pieces.forEach(pool::give);
            synchronized (lock) {
                uploads--;
                lock.notifyAll();
            }
        }
    }

    /** From now on nothing more is appended, and the session can not be finished. */
    private void fail(Throwable e) {
        synchronized (lock) {
            if (failure == null) {
                failure = e;
            } else if (failure != e) {
                failure.addSuppressed(e);
            }
        }
    }

    /** Waits a moment for a put to end; an interrupt is kept for whoever owns the thread. */
    private void waitForUpload() {
        boolean interrupted = Thread.interrupted();
        try {
            lock.wait(100);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void checkFailure() {
        Throwable cause;
        synchronized (lock) {
            cause = failure;
        }
        if (cause instanceof GenieVmException exception) {
            throw exception;
        }
        if (cause != null) {
            throw new GenieVmException(
                    ErrorCode.INTERNAL_ERROR, Resource.NONE, "a pack could not be put: " + cause, cause);
        }
    }

    private static final class OpenPack {
        private final PackName name;
        private final List<ByteBuffer> pieces = new ArrayList<>();
        private int length;
        private int entries;

        OpenPack(PackName name) {
            this.name = name;
        }
    }
}
