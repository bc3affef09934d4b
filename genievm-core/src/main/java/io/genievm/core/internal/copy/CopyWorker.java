package io.genievm.core.internal.copy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/**
 * Takes runs of chunks from disk to pack in one thread: read, test for zero, hash, look up, gather, compress, append.
 * Keeps its buffers; allocates nothing for a chunk. For one thread.
 */
final class CopyWorker implements AutoCloseable {
    private final TaskControl control;
    private final WriterSession session;
    private final RunQueue queue;
    private final List<DiskCopy> disks;
    private final int chunkSize;
    private final ByteBuffer buffer;
    private final byte[] data;
    private final byte[] zeroes;
    private final byte[] ids;
    private final SegmentBuilder segment;
    private final long[] segmentBytesByDisk;
    private final Compressor compressor;
    private final IdHasher hasher = new IdHasher();
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();

    CopyWorker(
            TaskControl control,
            WriterSession session,
            RunQueue queue,
            List<DiskCopy> disks,
            RepositoryOptions options,
            int runChunks,
            Codec codec) {
        this.control = control;
        this.session = session;
        this.queue = queue;
        this.disks = disks;
        this.chunkSize = options.chunkSize();
        this.buffer = ByteBuffer.allocateDirect(runChunks * chunkSize);
        this.data = new byte[runChunks * chunkSize];
        this.zeroes = new byte[chunkSize];
        this.ids = new byte[runChunks * IdHasher.ID_BYTES];
        this.segment = new SegmentBuilder(
                SegmentType.CHUNKS, options.segmentSize(), options.segmentSize() / options.chunkSize());
        this.segmentBytesByDisk = new long[disks.size()];
        this.compressor = Compressor.of(codec);
    }

    /** Memory that a worker takes, in bytes. */
    static long memory(RepositoryOptions options, int runChunks) {
        return 2L * runChunks * options.chunkSize() + 2L * options.segmentSize() + (1 << 18);
    }

    /** Works until the queue is empty. */
    void run(Workers.Stop stop) {
        for (RunQueue.Run run = queue.take(stop); run != null; run = queue.take(stop)) {
            copy(run);
            session.stayAlive();
            control.checkpoint();
        }
        if (!stop.requested()) {
            flush();
        }
    }

    @Override
    public void close() {
        compressor.close();
    }

    private void copy(RunQueue.Run run) {
        DiskCopy disk = run.disk();
        long offset = run.first() * chunkSize;
        int length = (int) Math.min((long) run.count() * chunkSize, disk.capacity - offset);
        buffer.clear().limit(length);
        try {
            read(disk, offset, length);
        } finally {
            queue.release(run);
        }
        int padded = run.count() * chunkSize;
        if (length < padded) {
            Arrays.fill(data, length, padded, (byte) 0);
        }
        for (int i = 0; i < run.count(); i++) {
            chunk(disk, i);
        }
        disk.map.set(run.first(), run.count(), ids);
        disk.meter.read(length);
    }

    /** Reads a run into the array; where that is allowed, chunk by chunk around what the disk does not have any more. */
    private void read(DiskCopy disk, long offset, int length) {
        try {
            disk.readers.read(offset, buffer);
            buffer.flip().get(data, 0, length);
        } catch (GenieVmException e) {
            if (!disk.lenient || !e.code().equals(ErrorCode.SOURCE_CHANGED)) {
                throw e;
            }
            for (int at = 0; at < length; at += chunkSize) {
                readChunk(disk, offset, at, Math.min(chunkSize, length - at));
            }
        }
    }

    private void readChunk(DiskCopy disk, long offset, int at, int length) {
        try {
            disk.readers.read(offset + at, buffer.clear().limit(length));
            buffer.flip().get(data, at, length);
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.SOURCE_CHANGED)) {
                throw e;
            }
            Arrays.fill(data, at, at + length, (byte) 0);
            disk.lost = true;
        }
    }

    private void chunk(DiskCopy disk, int i) {
        int at = i * chunkSize;
        int idAt = i * IdHasher.ID_BYTES;
        if (Arrays.equals(data, at, at + chunkSize, zeroes, 0, chunkSize)) {
            Arrays.fill(ids, idAt, idAt + IdHasher.ID_BYTES, (byte) 0);
            return;
        }
        hasher.chunk(data, at, chunkSize, ids, idAt);
        if (session.index().claim(ids, idAt, scratch, location)) {
            if (!segment.fits(chunkSize)) {
                flush();
            }
            segment.add(ids, idAt, data, at, chunkSize);
            segmentBytesByDisk[disk.number] += chunkSize;
        }
    }

    private void flush() {
        if (segment.count() == 0) {
            return;
        }
        int length = segment.encode(compressor);
        session.append(segment, length);
        control.meter().store(length);
        for (DiskCopy disk : disks) {
            // A segment that holds chunks of several disks counts for each by its share.
            disk.storedBytes.add(length * segmentBytesByDisk[disk.number] / segment.rawLength());
        }
        Arrays.fill(segmentBytesByDisk, 0);
        segment.clear();
    }
}
