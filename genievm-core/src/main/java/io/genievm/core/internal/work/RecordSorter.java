package io.genievm.core.internal.work;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * Sorts records of five numbers by the first and then the second, unsigned, in bounded memory: what does not fit is
 * sorted in pieces into work files and merged. For one thread at a time.
 */
public final class RecordSorter implements AutoCloseable {
    /** Longs of a record. */
    private static final int WIDTH = 5;

    private static final int RECORD_BYTES = WIDTH * Long.BYTES;
    private static final int MERGE_BUFFER_RECORDS = 1024;

    private final WorkFiles workFiles;
    private final long[] records;
    private final List<Run> runs = new ArrayList<>();
    private final HeapSort.Records order = new HeapSort.Records() {
        @Override
        public int compare(int a, int b) {
            int order = Long.compareUnsigned(records[a * WIDTH], records[b * WIDTH]);
            return order != 0 ? order : Long.compareUnsigned(records[a * WIDTH + 1], records[b * WIDTH + 1]);
        }

        @Override
        public void swap(int a, int b) {
            for (int i = 0; i < WIDTH; i++) {
                long value = records[a * WIDTH + i];
                records[a * WIDTH + i] = records[b * WIDTH + i];
                records[b * WIDTH + i] = value;
            }
        }
    };
    private int count;
    private long total;

    /**
     * Makes a sorter.
     *
     * @param workFiles where to sort what does not fit
     * @param memory bytes to use
     */
    public RecordSorter(WorkFiles workFiles, long memory) {
        this.workFiles = workFiles;
        this.records = new long[(int) Math.min(Math.max(memory / RECORD_BYTES, 1024), 1 << 23) * WIDTH];
    }

    /** Adds a record. */
    public void add(long first, long second, long third, long fourth, long fifth) {
        if (count * WIDTH == records.length) {
            spill();
        }
        int at = count * WIDTH;
        records[at] = first;
        records[at + 1] = second;
        records[at + 2] = third;
        records[at + 3] = fourth;
        records[at + 4] = fifth;
        count++;
        total++;
    }

    /** How many records were added. */
    public long size() {
        return total;
    }

    /** Ends the adding and gives the records in order. */
    public Cursor sorted() {
        if (runs.isEmpty()) {
            HeapSort.sort(order, count);
            return new MemoryCursor();
        }
        spill();
        return new MergeCursor(runs);
    }

    @Override
    public void close() {
        runs.forEach(run -> run.file.close());
        runs.clear();
    }

    private void spill() {
        if (count == 0) {
            return;
        }
        HeapSort.sort(order, count);
        WorkFile file = workFiles.create();
        runs.add(new Run(file, count));
        RegionWriter writer = new RegionWriter(file, 0, 1 << 16);
        for (int i = 0; i < count * WIDTH; i++) {
            writer.room(Long.BYTES).putLong(records[i]);
        }
        writer.flush();
        count = 0;
    }

    /** The records in order, pulled one at a time. For one thread at a time. */
    public interface Cursor {
        /** Goes to the next record, if there is one. */
        boolean next();

        /** One of the current record's five numbers, from 0. */
        long get(int number);
    }

    private record Run(WorkFile file, int count) {}

    private final class MemoryCursor implements Cursor {
        private int at = -WIDTH;

        @Override
        public boolean next() {
            at += WIDTH;
            return at < count * WIDTH;
        }

        @Override
        public long get(int number) {
            return records[at + number];
        }
    }

    private static final class RunCursor implements Cursor, Comparable<RunCursor> {
        private final Run run;
        private final ByteBuffer buffer = ByteBuffer.allocate(MERGE_BUFFER_RECORDS * RECORD_BYTES);
        private final long[] record = new long[WIDTH];
        private long position;

        RunCursor(Run run) {
            this.run = run;
            buffer.limit(0);
        }

        @Override
        public boolean next() {
            if (!buffer.hasRemaining()) {
                long left = (long) run.count * RECORD_BYTES - position;
                if (left == 0) {
                    return false;
                }
                buffer.clear().limit((int) Math.min(buffer.capacity(), left));
                run.file.read(position, buffer);
                position += buffer.position();
                buffer.flip();
            }
            for (int i = 0; i < WIDTH; i++) {
                record[i] = buffer.getLong();
            }
            return true;
        }

        @Override
        public long get(int number) {
            return record[number];
        }

        @Override
        public int compareTo(RunCursor other) {
            int order = Long.compareUnsigned(record[0], other.record[0]);
            return order != 0 ? order : Long.compareUnsigned(record[1], other.record[1]);
        }
    }

    private static final class MergeCursor implements Cursor {
        private final PriorityQueue<RunCursor> heads = new PriorityQueue<>();
        private @Nullable RunCursor current;

        MergeCursor(List<Run> runs) {
            for (Run run : runs) {
                RunCursor cursor = new RunCursor(run);
                if (cursor.next()) {
                    heads.add(cursor);
                }
            }
        }

        @Override
        public boolean next() {
            if (current != null && current.next()) {
                heads.add(current);
            }
            current = heads.poll();
            return current != null;
        }

        @Override
        public long get(int number) {
            RunCursor cursor = current;
            if (cursor == null) {
                throw new IllegalStateException("the cursor stands on no record");
            }
            return cursor.get(number);
        }
    }
}
