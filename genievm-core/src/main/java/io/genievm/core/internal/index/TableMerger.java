package io.genievm.core.internal.index;

import io.genievm.core.internal.work.WorkFiles;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.Consumer;

/**
 * Takes in any number of tables and keeps few of them open: whenever so many of one generation have come together, they
 * are merged into one of the next. For one thread at a time.
 */
final class TableMerger implements AutoCloseable {
    private final WorkFiles workFiles;
    private final int fanIn;
    private final Runnable checkpoint;
    private final Consumer<LocalTable> retire;
    private final List<List<LocalTable>> generations = new ArrayList<>();

    /**
     * Makes a merger.
     *
     * @param workFiles where tables go
     * @param fanIn how many tables of one generation are merged
     * @param checkpoint may throw to end a merge; asked now and then
     * @param retire closes tables that have been merged, now or when nobody looks into them any more
     */
    TableMerger(WorkFiles workFiles, int fanIn, Runnable checkpoint, Consumer<LocalTable> retire) {
        this.workFiles = workFiles;
        this.fanIn = fanIn;
        this.checkpoint = checkpoint;
        this.retire = retire;
    }

    /** Takes a table over. */
    void add(LocalTable table) {
        if (table.size() == 0) {
            table.close();
            return;
        }
        LocalTable carry = table;
        for (int generation = 0; ; generation++) {
            if (generation == generations.size()) {
                generations.add(new ArrayList<>());
            }
            List<LocalTable> tables = generations.get(generation);
            tables.add(carry);
            if (tables.size() < fanIn) {
                return;
            }
            carry = merge(tables);
            tables.clear();
        }
    }

    /** The open tables, the largest first. */
    List<LocalTable> tables() {
        return generations.stream()
                .flatMap(List::stream)
                .sorted(Comparator.comparingLong(LocalTable::size).reversed())
                .toList();
    }

    /** Merges what is left into one table and gives it away. */
    List<LocalTable> finish() {
        List<LocalTable> tables = tables();
        List<LocalTable> merged = tables.size() <= 1 ? tables : List.of(merge(tables));
        generations.clear();
        return merged;
    }

    @Override
    public void close() {
        tables().forEach(LocalTable::close);
        generations.clear();
    }

    private LocalTable merge(List<LocalTable> tables) {
        long size = tables.stream().mapToLong(LocalTable::size).sum();
        try (LocalTable.Builder builder = new LocalTable.Builder(workFiles, size)) {
            PriorityQueue<LocalTable.Cursor> heads = new PriorityQueue<>(LocalTable.Cursor::compareTo);
            for (LocalTable table : tables) {
                LocalTable.Cursor cursor = table.cursor();
                if (cursor.next()) {
                    heads.add(cursor);
                }
            }
            for (long done = 0; !heads.isEmpty(); done++) {
                if ((done & 0xfff) == 0) {
                    checkpoint.run();
                }
                LocalTable.Cursor head = heads.poll();
                builder.add(head.array(), head.offset());
                if (head.next()) {
                    heads.add(head);
                }
            }
            LocalTable merged = builder.finish();
            tables.forEach(retire);
            return merged;
        }
    }
}
