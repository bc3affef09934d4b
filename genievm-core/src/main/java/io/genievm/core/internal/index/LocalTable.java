package io.genievm.core.internal.index;

import io.genievm.core.internal.format.IndexTableFormat;
import io.genievm.core.internal.work.RegionWriter;
import io.genievm.core.internal.work.WorkFile;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A sorted table of entries in a private file, read by position: a filter that answers most misses with one read of 64
 * bytes, a directory of buckets by the first bits of the id, and the entries. Look-ups may come from any thread.
 *
 * <p>An entry has the form that the stored tables have, but its pack is a number of the {@link PackList}.
 */
final class LocalTable implements AutoCloseable {
    static final int ENTRY = IndexTableFormat.ENTRY_BYTES;

    private static final int FILTER_BLOCK = 64;
    private static final int ENTRIES_PER_BUCKET = 64;
    private static final int PROBES = 5;

    private final WorkFile file;
    private final long size;
    private final int bucketBits;
    private final long filterBlocks;
    private final long filterStart;
    private final long directoryStart;
    /** Whether the last look-up, of any thread, has found something. A hint, so nothing guards it. */
    private boolean foundLast;

    private LocalTable(WorkFile file, long size, Layout layout) {
        this.file = file;
        this.size = size;
        this.bucketBits = layout.bucketBits;
        this.filterBlocks = layout.filterBlocks;
        this.filterStart = layout.filterStart;
        this.directoryStart = layout.directoryStart;
    }

    /** Writes sorted entries into a table. */
    static LocalTable of(WorkFiles workFiles, EntryBuffer sorted) {
        try (Builder builder = new Builder(workFiles, sorted.size())) {
            for (int i = 0; i < sorted.size(); i++) {
                builder.add(sorted.array(), i * ENTRY);
            }
            return builder.finish();
        }
    }

    /** How many entries there are. */
    long size() {
        return size;
    }

    /**
     * Finds the entries of an id.
     *
     * @param skip how many of them to pass over, 0 for the first copy
     * @param missing whether entries of packs that are not there count
     * @return whether there is such an entry, which {@code location} then tells
     */
    boolean find(byte[] id, int idOffset, int skip, boolean missing, Scratch scratch, Location location) {
        boolean found = lookUp(id, idOffset, skip, missing, scratch, location);
        if (found != foundLast) {
            foundLast = found;
        }
        return found;
    }

    private boolean lookUp(byte[] id, int idOffset, int skip, boolean missing, Scratch scratch, Location location) {
        long prefix = Scratch.longAt(id, idOffset);
        // Hits come in rows, as when a disk is read that has hardly changed, and then the filter only costs.
        if (size == 0 || !foundLast && !mayContain(prefix, Scratch.longAt(id, idOffset + 8), scratch)) {
            return false;
        }
        ByteBuffer buffer = scratch.read(file, directoryStart + 8 * bucket(prefix), 16);
        long entry = buffer.getLong(0);
        long end = buffer.getLong(8);
        int left = skip;
        while (entry < end) {
            int batch = (int) Math.min(end - entry, Scratch.BYTES / ENTRY);
            buffer = scratch.read(file, entry * ENTRY, batch * ENTRY);
            for (int at = 0; at < batch * ENTRY; at += ENTRY) {
                long found = buffer.getLong(at);
                if (found == prefix && scratch.matches(at, id, idOffset)) {
                    if ((missing || !PackList.isMissing(buffer.getInt(at + 32))) && left-- == 0) {
                        location.pack = buffer.getInt(at + 32);
                        location.offset = buffer.getInt(at + 36);
                        location.length = buffer.getInt(at + 40);
                        location.position = buffer.getShort(at + 44) & 0xffff;
                        return true;
                    }
                } else if (Long.compareUnsigned(found, prefix) > 0) {
                    return false;
                }
            }
            entry += batch;
        }
        return false;
    }

    /** Reads the entries in order. */
    Cursor cursor() {
        return new Cursor();
    }

    @Override
    public void close() {
        file.close();
    }

    private long bucket(long prefix) {
        return bucketBits == 0 ? 0 : prefix >>> (64 - bucketBits);
    }

    private boolean mayContain(long prefix, long probeBits, Scratch scratch) {
        ByteBuffer block =
                scratch.read(file, filterStart + filterBlock(prefix, filterBlocks) * FILTER_BLOCK, FILTER_BLOCK);
        long bits = probeBits;
        for (int i = 0; i < PROBES; i++) {
            int bit = (int) bits & 511;
            if ((block.get(bit >> 3) >> (bit & 7) & 1) == 0) {
                return false;
            }
            bits >>>= 9;
        }
        return true;
    }

    /** The block of an id goes up with the id, so that a filter is written in one pass. */
    private static long filterBlock(long prefix, long blocks) {
        return (prefix >>> 32) * blocks >>> 32;
    }

    /** Where the parts of a file for at most so many entries are. */
    private record Layout(int bucketBits, long filterBlocks, long filterStart, long directoryStart) {
        static Layout of(long maxEntries) {
            long buckets = Math.max(1, maxEntries / ENTRIES_PER_BUCKET);
            int bits = buckets == 1 ? 0 : 64 - Long.numberOfLeadingZeros(buckets - 1);
            long blocks = Math.max(1, Math.min(maxEntries / FILTER_BLOCK, (1L << 31) - 1));
            long filterStart = maxEntries * ENTRY;
            return new Layout(bits, blocks, filterStart, filterStart + blocks * FILTER_BLOCK);
        }
    }

    /** Writes a table from entries that come in order. For one thread. */
    static final class Builder implements AutoCloseable {
        private final WorkFile file;
        private final Layout layout;
        private final RegionWriter entries;
        private final RegionWriter filter;
        private final RegionWriter directory;
        private final byte[] block = new byte[FILTER_BLOCK];
        private final byte[] last = new byte[ENTRY];
        private long size;
        private long blocksWritten;
        private long bucketsWritten;
        private boolean finished;

        Builder(WorkFiles workFiles, long maxEntries) {
            this.layout = Layout.of(maxEntries);
            this.file = workFiles.create();
            this.entries = new RegionWriter(file, 0, 1 << 16);
            this.filter = new RegionWriter(file, layout.filterStart, 1 << 12);
            this.directory = new RegionWriter(file, layout.directoryStart, 1 << 12);
        }

        /** Adds an entry; one that is the same as the last is left out. */
        void add(byte[] entry, int offset) {
            if (size > 0) {
                if (Arrays.equals(entry, offset, offset + ENTRY, last, 0, ENTRY)) {
                    return;
                }
                if (Arrays.compareUnsigned(entry, offset, offset + 32, last, 0, 32) < 0) {
                    throw new IllegalStateException("entries do not come in order");
                }
            }
            System.arraycopy(entry, offset, last, 0, ENTRY);
            long prefix = Scratch.longAt(entry, offset);
            advanceDirectory(layout.bucketBits == 0 ? 0 : prefix >>> (64 - layout.bucketBits));
            advanceFilter(filterBlock(prefix, layout.filterBlocks));
            long bits = Scratch.longAt(entry, offset + 8);
            for (int i = 0; i < PROBES; i++) {
                int bit = (int) bits & 511;
                block[bit >> 3] |= (byte) (1 << (bit & 7));
                bits >>>= 9;
            }
            entries.room(ENTRY).put(entry, offset, ENTRY);
            size++;
        }

        /** Ends the table. */
        LocalTable finish() {
            advanceDirectory(1L << layout.bucketBits);
            advanceFilter(layout.filterBlocks);
            entries.flush();
            filter.flush();
            directory.flush();
            finished = true;
            return new LocalTable(file, size, layout);
        }

        @Override
        public void close() {
            if (!finished) {
                file.close();
            }
        }

        private void advanceDirectory(long bucket) {
            while (bucketsWritten <= bucket) {
                directory.room(Long.BYTES).putLong(size);
                bucketsWritten++;
            }
        }

        private void advanceFilter(long target) {
            while (blocksWritten < target) {
                filter.room(FILTER_BLOCK).put(block);
                Arrays.fill(block, (byte) 0);
                blocksWritten++;
            }
        }
    }

    /** Reads entries in order. For one thread. */
    final class Cursor {
        private final byte[] buffer = new byte[1024 * ENTRY];
        private long read;
        private int at;
        private int end;

        /** Goes to the next entry, if there is one. */
        boolean next() {
            at += ENTRY;
            if (at < end) {
                return true;
            }
            int batch = (int) Math.min(buffer.length / ENTRY, size - read);
            if (batch == 0) {
                return false;
            }
            file.read(read * ENTRY, ByteBuffer.wrap(buffer, 0, batch * ENTRY));
            read += batch;
            at = 0;
            end = batch * ENTRY;
            return true;
        }

        /** The array that holds the current entry, at {@link #offset}. */
        byte[] array() {
            return buffer;
        }

        /** Where the current entry begins. */
        int offset() {
            return at;
        }

        int compareTo(Cursor other) {
            return Arrays.compareUnsigned(buffer, at, at + ENTRY, other.buffer, other.at, other.at + ENTRY);
        }
    }
}
