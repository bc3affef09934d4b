package io.genievm.core.internal.index;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.task.ProgressMeter;
import io.genievm.core.internal.work.WorkFiles;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Where everything is that a repository held when this was read: packs from one listing, ids from all index tables, and
 * from the footers of packs that no table names. Look-ups may come from any thread.
 */
public final class IndexView implements AutoCloseable {
    private static final int MERGE_FAN_IN = 16;
    private static final int ADOPT_ENTRIES = 1 << 15;

    private final PackList packs;
    // An array, as every look-up goes through it, and a list would make an iterator for each.
    private final LocalTable[] tables;
    private final List<Problem> problems;

    private IndexView(PackList packs, List<LocalTable> tables, List<Problem> problems) {
        this.packs = packs;
        this.tables = tables.toArray(LocalTable[]::new);
        this.problems = problems;
    }

    /** An object that could not be used, and why. */
    public record Problem(String key, GenieVmException cause) {}

    /** What to do about packs that no index table names. */
    public interface Adoption {
        /** Any such pack is used: for readers. */
        Adoption ALL = session -> true;

        /** Whether packs of a session are used; a writer may only rely on those of committed ones. */
        boolean wants(SessionId session);

        /** Whether packs are used as far as they can be read; a writer relies on those only that are whole. */
        default boolean rescues() {
            return true;
        }

        /**
         * Is told some of these packs by their entries.
         *
         * @param packs the list that the entries' packs are numbers of
         * @param entries the entries, which it may change
         */
        default void adopted(PackList packs, EntryBuffer entries) {}
    }

    /**
     * Reads the index. Damaged tables and footers are left out and told.
     *
     * @param store the store
     * @param repository its id
     * @param workFiles where local tables go
     * @param condemned keys of packs to take for absent
     * @param adoption what to do about packs that no table names
     * @param checkpoint throws when the index is not wanted any more; asked now and then
     */
    public static IndexView load(
            BlobStore store,
            RepositoryId repository,
            WorkFiles workFiles,
            List<String> condemned,
            Adoption adoption,
            Runnable checkpoint) {
        PackList packs = PackList.read(store, condemned);
        List<Problem> problems = new ArrayList<>();
        TableMerger merger = new TableMerger(workFiles, MERGE_FAN_IN, checkpoint, LocalTable::close);
        try {
            StoredTables stored = new StoredTables(workFiles, repository);
            try (BlobCursor cursor = store.list(ObjectKeys.INDEX)) {
                while (cursor.next()) {
                    BlobEntry object = cursor.entry();
                    if (ObjectKeys.parseIndex(object.key()) == null) {
                        continue;
                    }
                    try {
                        merger.add(stored.load(store, object, packs));
                    } catch (GenieVmException e) {
                        noteOrThrow(object.key(), e, problems);
                    }
                }
            }
            adopt(store, repository, packs, adoption, workFiles, merger, problems);
            return new IndexView(packs, merger.finish(), List.copyOf(problems));
        } catch (RuntimeException | Error e) {
            merger.close();
            throw e;
        }
    }

    /** The packs that were there. */
    public PackList packs() {
        return packs;
    }

    /** The objects that could not be used. */
    public List<Problem> problems() {
        return problems;
    }

    /** Tells the objects that could not be used and were made up for from the packs. */
    public void warnOfProblems(ProgressMeter meter) {
        problems.forEach(
                problem -> meter.warn(new Warning("INDEX_DAMAGED", null, String.valueOf(problem.cause.getMessage()))));
    }

    /** How many entries there are. */
    public long size() {
        return Arrays.stream(tables).mapToLong(LocalTable::size).sum();
    }

    /** Finds a copy of an id in a pack that is there. */
    public boolean find(byte[] id, int idOffset, Scratch scratch, Location location) {
        return findCopy(id, idOffset, 0, false, scratch, location);
    }

    /** Finds an entry of an id whose pack is not there, to be able to name it. */
    public boolean findMissing(byte[] id, int idOffset, Scratch scratch, Location location) {
        return findCopy(id, idOffset, 0, true, scratch, location);
    }

    /** Finds the n-th copy of an id, from 0, in packs that are there. */
    public boolean findCopy(byte[] id, int idOffset, int n, Scratch scratch, Location location) {
        return findCopy(id, idOffset, n, false, scratch, location);
    }

    private boolean findCopy(byte[] id, int idOffset, int n, boolean missing, Scratch scratch, Location location) {
        int skip = n;
        for (LocalTable table : tables) {
            int copies = 0;
            while (copies <= skip && table.find(id, idOffset, copies, missing, scratch, location)) {
                copies++;
            }
            if (copies > skip) {
                return true;
            }
            skip -= copies;
        }
        return false;
    }

    @Override
    public void close() {
        for (LocalTable table : tables) {
            table.close();
        }
    }

    private static void noteOrThrow(String key, GenieVmException e, List<Problem> problems) {
        if (!Corruption.isObjectProblem(e)) {
            throw e;
        }
        // Not found: merged away by a collector meanwhile; what replaced it, or the footers, say the same.
        if (!e.code().equals(ErrorCode.NOT_FOUND)) {
            problems.add(new Problem(key, e));
        }
    }

    private static void adopt(
            BlobStore store,
            RepositoryId repository,
            PackList packs,
            Adoption adoption,
            WorkFiles workFiles,
            TableMerger merger,
            List<Problem> problems) {
        EntryBuffer batch = new EntryBuffer(64);
        PackFooters footers = new PackFooters(store);
        for (int pack = packs.nextUncovered(0); pack >= 0; pack = packs.nextUncovered(pack + 1)) {
            if (adoption.wants(packs.name(pack).session())) {
                try {
                    PackName name = packs.name(pack);
                    addEntries(
                            adoption.rescues()
                                    ? footers.read(name, packs.length(pack))
                                    : footers.readWhole(repository, name, packs.length(pack)),
                            pack,
                            batch);
                } catch (GenieVmException e) {
                    noteOrThrow(packs.name(pack).key(), e, problems);
                }
            }
            if (batch.size() >= ADOPT_ENTRIES || batch.size() > 0 && packs.nextUncovered(pack + 1) < 0) {
                batch.sort();
                merger.add(LocalTable.of(workFiles, batch));
                adoption.adopted(packs, batch);
                batch.clear();
            }
        }
    }

    private static void addEntries(List<PackFormat.SegmentEntry> segments, int pack, EntryBuffer batch) {
        for (PackFormat.SegmentEntry segment : segments) {
            for (int i = 0; i < segment.count(); i++) {
                batch.add(
                        segment.ids(),
                        i * IdHasher.ID_BYTES,
                        pack,
                        segment.offset(),
                        segment.length(),
                        i,
                        segment.type());
            }
        }
    }
}
