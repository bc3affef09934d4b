package io.genievm.core.internal.index;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.IndexTableFormat;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.store.PutFailures;
import io.genievm.core.internal.work.WorkFile;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntFunction;

/** Puts the index tables of a session. For one thread at a time. */
public final class IndexPublisher {
    private final BlobStore store;
    private final SessionId session;
    private final StoredTables tables;
    private int count;
    private long bytes;
    private boolean mayBeSeen;

    /** Makes the publisher of a session. */
    public IndexPublisher(BlobStore store, RepositoryId repository, WorkFiles workFiles, SessionId session) {
        this.store = store;
        this.session = session;
        this.tables = new StoredTables(workFiles, repository);
    }

    /** How many tables were put. */
    public int count() {
        return count;
    }

    /** Bytes of the tables that were put. */
    public long bytes() {
        return bytes;
    }

    /** Whether others may see the last table, also when it failed: from the moment on that its put began. */
    public boolean mayBeSeen() {
        return mayBeSeen;
    }

    /**
     * Publishes what a session has stored in some of its packs.
     *
     * @param index what the session has stored
     * @param lengths number to length of the packs, which are durable
     * @return how many entries the table has
     */
    public int publish(SessionIndex index, Map<Integer, Integer> lengths) {
        BitSet packs = new BitSet();
        lengths.keySet().forEach(packs::set);
        EntryBuffer entries = index.collect(packs::get);
        int[] numbers = put(
                entries,
                number -> new StoredTables.PackEntry(
                        PackName.of(session, number), Objects.requireNonNull(lengths.get(number))),
                lengths.keySet());
        ByteBuffer view = ByteBuffer.wrap(entries.array());
        for (int i = 0; i < entries.size(); i++) {
            int at = i * EntryBuffer.ENTRY + IdHasher.ID_BYTES;
            view.putInt(at, numbers[view.getInt(at)]);
        }
        index.published(entries);
        return entries.size();
    }

    /** Publishes a table for packs of committed sessions that have lost theirs; the entries are of no use afterwards. */
    public void republish(PackList packs, EntryBuffer entries) {
        Set<Integer> numbers = new HashSet<>();
        ByteBuffer view = ByteBuffer.wrap(entries.array());
        for (int i = 0; i < entries.size(); i++) {
            numbers.add(view.getInt(i * EntryBuffer.ENTRY + IdHasher.ID_BYTES));
        }
        put(entries, number -> new StoredTables.PackEntry(packs.name(number), (int) packs.length(number)), numbers);
    }

    /**
     * Puts a table of entries, whose packs are replaced by positions among the packs of the table.
     *
     * @return the numbers that the packs had, by their positions
     */
    private int[] put(EntryBuffer entries, IntFunction<StoredTables.PackEntry> packOf, Set<Integer> numbers) {
        TreeMap<PackName, Integer> ordered = new TreeMap<>();
        numbers.forEach(number -> ordered.put(packOf.apply(number).name(), number));
        List<StoredTables.PackEntry> packs = new ArrayList<>();
        int[] byPosition = ordered.values().stream().mapToInt(Integer::intValue).toArray();
        int first = Arrays.stream(byPosition).min().orElse(0);
        int[] positions = new int[Arrays.stream(byPosition).max().orElse(0) - first + 1];
        Arrays.fill(positions, -1);
        for (int number : byPosition) {
            positions[number - first] = packs.size();
            packs.add(packOf.apply(number));
        }
        ByteBuffer view = ByteBuffer.wrap(entries.array());
        for (int i = 0; i < entries.size(); i++) {
            int at = i * EntryBuffer.ENTRY + IdHasher.ID_BYTES;
            int position = positions[view.getInt(at) - first];
            if (position < 0) {
                throw new IllegalStateException("an entry is of a pack that the table does not name");
            }
            view.putInt(at, position);
        }
        IndexTableFormat.Header header = new IndexTableFormat.Header(session, count, packs.size(), entries.size());
        String key = ObjectKeys.index(session, count);
        entries.sort();
        mayBeSeen = false;
        try (WorkFile file = tables.write(header, packs, entries)) {
            mayBeSeen = true;
            if (put(key, file.content(header.tableLength())) == PutOutcome.EXISTS) {
                throw new GenieVmException(
                        ErrorCode.STORE_CONTRACT_BROKEN,
                        Resource.named(key),
                        "the store says that " + key + " exists, whose name was drawn at random just now");
            }
        }
        count++;
        bytes += header.tableLength();
        return byPosition;
    }

    private PutOutcome put(String key, BlobContent content) {
        try {
            return store.put(key, content);
        } catch (GenieVmException e) {
            mayBeSeen = !PutFailures.isRefusal(e);
            throw e;
        }
    }
}
