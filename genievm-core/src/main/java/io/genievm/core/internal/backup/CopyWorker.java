package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.Warning;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.CheckedCompressor;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Takes runs of chunks from disk to pack in one thread: read, test for zero, hash, look up, gather, compress, append.
 * Keeps its buffers; allocates nothing for a chunk. For one thread.
 */
final class CopyWorker implements AutoCloseable {
    private final TaskControl control;
    private final WriterSession session;
    private final RunReader.Cursor runs;
    private final List<DiskCopy> disks;
    private final int chunkSize;
    private final byte[] zeroes;
    private final byte[] chunk;
    private final byte[] ids;
    private final SegmentBuilder segment;
    private final long[] segmentBytesByDisk;
    private final Compressor compressor;
    private int firstDisk;
    private long firstOffset;
    private final BitSet warned = new BitSet();
    private final IdHasher hasher = new IdHasher();
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();

    CopyWorker(
            TaskControl control,
            WriterSession session,
            RunReader.Cursor runs,
            List<DiskCopy> disks,
            RepositoryOptions options,
            int runChunks,
            Compressor compressor) {
        this.control = control;
        this.session = session;
        this.runs = runs;
        this.disks = disks;
        this.chunkSize = options.chunkSize();
        this.zeroes = new byte[chunkSize];
        this.chunk = new byte[chunkSize];
        this.ids = new byte[runChunks * IdHasher.ID_BYTES];
        this.segment = new SegmentBuilder(
                SegmentType.CHUNKS, options.segmentSize(), options.segmentSize() / options.chunkSize());
        this.segmentBytesByDisk = new long[disks.size()];
        this.compressor = compressor;
    }

    /** Memory that a worker takes, in bytes. */
    static long memory(RepositoryOptions options, int runChunks) {
        // A run, zeroes and a chunk; the chunks of a segment, what they become, and what that becomes again.
        return (runChunks + 2L) * options.chunkSize() + 3L * options.segmentSize() + (1 << 18);
    }

    /** Works until there are no more runs. */
    void run(Workers.Stop stop) {
        while (runs.next()) {
            copy(runs.run(), runs.data());
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

    private void copy(RunQueue.Run run, ByteBuffer data) {
        DiskCopy disk = disks.get(run.disk());
        long offset = run.first() * chunkSize;
        for (int i = 0; i < run.count(); i++) {
            // Into the heap chunk by chunk: what follows finds it in the processor's own cache.
            data.get(i * chunkSize, chunk);
            chunk(run.disk(), i, offset + (long) i * chunkSize);
        }
        disk.map.set(run.first(), run.count(), ids);
        disk.meter.read(runs.length());
    }

    private void chunk(int disk, int i, long offset) {
        int idAt = i * IdHasher.ID_BYTES;
        if (Arrays.equals(chunk, zeroes)) {
            Arrays.fill(ids, idAt, idAt + IdHasher.ID_BYTES, (byte) 0);
            return;
        }
        hasher.chunk(chunk, 0, chunkSize, ids, idAt);
        if (session.index().claim(ids, idAt, scratch, location)) {
            if (!segment.fits(chunkSize)) {
                flush();
            }
            if (segment.count() == 0) {
                firstDisk = disk;
                firstOffset = offset;
            }
            segment.add(ids, idAt, chunk, 0, chunkSize);
            segmentBytesByDisk[disk] += chunkSize;
        }
    }

    /** Once for a disk: where the processor errs, it is not the last time. */
    private void warnOfCompressor() {
        if (!warned.get(firstDisk)) {
            warned.set(firstDisk);
            DiskId disk = disks.get(firstDisk).planned.source().disk().id();
            control.meter()
                    .warn(new Warning(
                            "COMPRESSION_FAILED",
                            disk,
                            "what was compressed of disk '" + disk + "' from byte " + firstOffset
                                    + " on does not become the same again, so it is stored uncompressed: the processor,"
                                    + " the memory or the codec errs"));
        }
    }

    private void flush() {
        if (segment.count() == 0) {
            return;
        }
        int length = segment.encode(compressor);
        if (compressor instanceof CheckedCompressor checked && checked.hasFailed()) {
            warnOfCompressor();
        }
        session.append(segment, length);
        control.meter().store(length);
        for (int disk = 0; disk < disks.size(); disk++) {
            // A segment that holds chunks of several disks counts for each by its share.
            disks.get(disk).storedBytes.add(length * segmentBytesByDisk[disk] / segment.rawLength());
        }
        Arrays.fill(segmentBytesByDisk, 0);
        segment.clear();
    }
}
