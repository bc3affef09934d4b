package io.genievm.core.internal.index;

import io.genievm.api.RepositoryId;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IndexTableFormat;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.work.RegionWriter;
import io.genievm.core.internal.work.WorkFile;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/** Reads and writes index tables as they are stored. Safe for use by several threads. */
final class StoredTables {
    private static final int BUFFER = 1 << 16;

    private final WorkFiles workFiles;
    private final RepositoryId repository;

    StoredTables(WorkFiles workFiles, RepositoryId repository) {
        this.workFiles = workFiles;
        this.repository = repository;
    }

    /**
     * Copies a table into a private file, checks it, and turns it into a local one. Packs that are there are
     * marked as covered; those that are not get numbers that say so.
     */
    LocalTable load(BlobStore store, BlobEntry object, PackList packs) {
        try (WorkFile copy = workFiles.create()) {
            copyChecked(store, object, copy);
            ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
            copy.read(0, buffer.limit(IndexTableFormat.HEADER_BYTES));
            IndexTableFormat.Header header =
                    IndexTableFormat.readHeader(object.key(), repository, buffer.flip(), object.length());
            int[] numbers = readPacks(object.key(), copy, header, packs);
            try (LocalTable.Builder builder = new LocalTable.Builder(workFiles, header.entries())) {
                long start = IndexTableFormat.HEADER_BYTES + (long) header.packs() * IndexTableFormat.PACK_BYTES;
                int[] counts = new int[numbers.length];
                readEntries(object.key(), copy, start, header.entries(), numbers, counts, builder);
                LocalTable table = builder.finish();
                for (int i = 0; i < numbers.length; i++) {
                    if (!PackList.isMissing(numbers[i])) {
                        packs.cover(numbers[i], counts[i]);
                    }
                }
                return table;
            }
        }
    }

    /** A pack that a table names, with its length. */
    record PackEntry(PackName name, int length) {}

    /**
     * Writes a table into a private file.
     *
     * @param header its header
     * @param packs the packs in order
     * @param entries the entries in order; their packs are positions in {@code packs}
     */
    WorkFile write(IndexTableFormat.Header header, List<PackEntry> packs, EntryBuffer entries) {
        WorkFile file = workFiles.create();
        try {
            CRC32C crc = new CRC32C();
            RegionWriter writer = new RegionWriter(file, 0, BUFFER);
            ByteBuffer bytes = ByteBuffer.allocate(IndexTableFormat.HEADER_BYTES);
            header.write(repository, bytes);
            append(writer, crc, bytes.array(), 0, bytes.position());
            for (PackEntry pack : packs) {
                bytes.clear();
                pack.name.write(bytes);
                bytes.putInt(pack.length);
                append(writer, crc, bytes.array(), 0, bytes.position());
            }
            for (int i = 0; i < entries.size(); i++) {
                append(writer, crc, entries.array(), i * EntryBuffer.ENTRY, EntryBuffer.ENTRY);
            }
            bytes.clear();
            bytes.putLong(header.tableLength());
            crc.update(bytes.array(), 0, Long.BYTES);
            bytes.clear();
            IndexTableFormat.writeTrailer(bytes, header.tableLength(), (int) crc.getValue());
            writer.room(IndexTableFormat.TRAILER_BYTES).put(bytes.flip());
            writer.flush();
            return file;
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    private static void append(RegionWriter writer, CRC32C crc, byte[] bytes, int offset, int length) {
        crc.update(bytes, offset, length);
        writer.room(length).put(bytes, offset, length);
    }

    private void copyChecked(BlobStore store, BlobEntry object, WorkFile copy) {
        long length = object.length();
        if (length < IndexTableFormat.HEADER_BYTES + IndexTableFormat.TRAILER_BYTES) {
            throw Corruption.in(object.key(), "an index table of " + length + " bytes");
        }
        CRC32C crc = new CRC32C();
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
        long checked = length - 8;
        for (long position = 0; position < checked; ) {
            buffer.clear().limit((int) Math.min(BUFFER, checked - position));
            store.get(object.key(), position, buffer);
            crc.update(buffer.flip());
            copy.write(position, buffer.rewind());
            position += buffer.limit();
        }
        buffer.clear().limit(IndexTableFormat.TRAILER_BYTES);
        store.get(object.key(), length - IndexTableFormat.TRAILER_BYTES, buffer);
        IndexTableFormat.checkTrailer(object.key(), buffer.flip(), length, (int) crc.getValue());
    }

    private static int[] readPacks(String key, WorkFile copy, IndexTableFormat.Header header, PackList packs) {
        int[] numbers = new int[header.packs()];
        ByteBuffer buffer =
                ByteBuffer.allocate(IndexTableFormat.PACK_BYTES * 1024).limit(0);
        long position = IndexTableFormat.HEADER_BYTES;
        PackName last = null;
        for (int i = 0; i < numbers.length; i++) {
            if (!buffer.hasRemaining()) {
                buffer.clear().limit(Math.min(buffer.capacity(), (numbers.length - i) * IndexTableFormat.PACK_BYTES));
                copy.read(position, buffer);
                position += buffer.position();
                buffer.flip();
            }
            PackName name = PackName.read(buffer);
            long length = buffer.getInt();
            if (last != null && last.compareTo(name) >= 0) {
                throw Corruption.in(key, "its packs are not in order");
            }
            last = name;
            int number = packs.indexOf(name);
            // A pack of another length is not what was written; what is left of it says more than the table can.
            numbers[i] = number >= 0 && packs.length(number) == length ? number : packs.missing(name);
        }
        return numbers;
    }

    private static void readEntries(
            String key,
            WorkFile copy,
            long start,
            long count,
            int[] numbers,
            int[] counts,
            LocalTable.Builder builder) {
        byte[] bytes = new byte[1024 * EntryBuffer.ENTRY];
        byte[] previous = new byte[EntryBuffer.ENTRY];
        for (long done = 0; done < count; ) {
            int batch = (int) Math.min(count - done, 1024);
            copy.read(start + done * EntryBuffer.ENTRY, ByteBuffer.wrap(bytes, 0, batch * EntryBuffer.ENTRY));
            ByteBuffer view = ByteBuffer.wrap(bytes);
            for (int at = 0; at < batch * EntryBuffer.ENTRY; at += EntryBuffer.ENTRY) {
                int pack = view.getInt(at + 32);
                int order = Arrays.compareUnsigned(bytes, at, at + 46, previous, 0, 46);
                if (pack < 0
                        || pack >= numbers.length
                        || order <= 0
                        || view.getInt(at + 36) < PackFormat.HEADER_BYTES
                        || view.getInt(at + 40) <= 0
                        || bytes[at + 47] != 0) {
                    throw Corruption.in(key, "entry " + (done + at / EntryBuffer.ENTRY) + " can not be");
                }
                SegmentType.of(key, bytes[at + 46]);
                System.arraycopy(bytes, at, previous, 0, EntryBuffer.ENTRY);
                counts[pack]++;
                view.putInt(at + 32, numbers[pack]);
                builder.add(bytes, at);
            }
            done += batch;
        }
    }
}
