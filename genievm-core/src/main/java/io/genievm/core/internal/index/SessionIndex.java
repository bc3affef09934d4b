package io.genievm.core.internal.index;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.IntPredicate;

/**
 * What a writer knows to be stored: the index as it was when the session began, and what the session itself has stored
 * or is about to. Decides which worker stores a chunk that several meet at once. Safe for use by several threads.
 *
 * <p>Own entries are on the heap until they are published; then they move into a table in a private file.
 */
public final class SessionIndex implements AutoCloseable {
    private static final int ENTRY = LocalTable.ENTRY;
    private static final int OWN = 1 << 31;
    private static final byte FREE = 0;
    private static final byte CLAIMED = 1;
    private static final byte LOCATED = 2;
    private static final int STATE = ENTRY - 1;
    private static final LocalTable[] NO_TABLES = {};

    private final IndexView base;
    private final TableMerger published;
    private final WorkFiles workFiles;
    // Tables that were merged into others are closed only when no look-up is under way in them.
    private final ReadWriteLock tableLock = new ReentrantReadWriteLock();
    private final List<LocalTable> retired = new ArrayList<>();
    // These two grow to what is met between two tables, and stay: to make them anew for each would be most of what a
    // backup
    // allocates.
    private final EntryBuffer collected = new EntryBuffer(0);
    private byte[] slots = new byte[1024 * ENTRY];
    private ByteBuffer view = ByteBuffer.wrap(slots);
    private int used;
    private int located;
    // An array, as every look-up goes through it, and a list would make an iterator for each.
    private volatile LocalTable[] publishedTables = NO_TABLES;

    /** Begins with an index, which is closed together with this. */
    public SessionIndex(IndexView base, WorkFiles workFiles) {
        this.base = base;
        this.workFiles = workFiles;
        this.published = new TableMerger(workFiles, 8, () -> {}, retired::add);
    }

    /** The index as it was when the session began. */
    public IndexView base() {
        return base;
    }

    /**
     * Asks whether an id has to be stored, and if so, leaves that to the caller, who has to do it.
     *
     * @return true for exactly one caller of each id that was not stored before
     */
    public boolean claim(byte[] id, int idOffset, Scratch scratch, Location location) {
        return !base.find(id, idOffset, scratch, location) && claimAnew(id, idOffset, scratch, location);
    }

    /** The same, but for what was stored before the session began. */
    public boolean claimAnew(byte[] id, int idOffset, Scratch scratch, Location location) {
        while (true) {
            LocalTable[] tables;
            tableLock.readLock().lock();
            try {
                tables = publishedTables;
                for (LocalTable table : tables) {
                    if (table.find(id, idOffset, 0, true, scratch, location)) {
                        return false;
                    }
                }
            } finally {
                tableLock.readLock().unlock();
            }
            synchronized (this) {
                // A table that came meanwhile may have taken the id out of the slots.
                if (tables == publishedTables) {
                    return claimSlot(id, idOffset);
                }
            }
        }
    }

    /** Notes where the entries of a segment are. */
    public synchronized void located(byte[] ids, int count, int pack, int offset, int length, SegmentType type) {
        for (int i = 0; i < count; i++) {
            int at = slot(ids, i * IdHasher.ID_BYTES) + IdHasher.ID_BYTES;
            view.putInt(at, pack)
                    .putInt(at + 4, offset)
                    .putInt(at + 8, length)
                    .putShort(at + 12, (short) i)
                    .put(at + 14, (byte) type.number())
                    .put(at + 15, LOCATED);
        }
        located += count;
    }

    /**
     * Takes back all claims whose segments were never placed, because a reading was broken off; nobody may be working.
     */
    public synchronized void forgetClaims() {
        for (int slot = 0; slot < slots.length; ) {
            if (slots[slot + STATE] == CLAIMED) {
                // Another may have come into its place.
                remove(slot);
                used--;
            } else {
                slot += ENTRY;
            }
        }
    }

    /** Whether everything that was claimed has its place. */
    public synchronized boolean isComplete() {
        return used == located;
    }

    /** Copies the entries of some packs, in order, into a buffer that is the same each time. For one thread at a time. */
    EntryBuffer collect(IntPredicate packs) {
        EntryBuffer entries = collected;
        entries.clear();
        synchronized (this) {
            for (int slot = 0; slot < slots.length; slot += ENTRY) {
                if (slots[slot + STATE] == LOCATED && packs.test(view.getInt(slot + IdHasher.ID_BYTES))) {
                    entries.add(slots, slot);
                    entries.array()[entries.size() * ENTRY - 1] = 0;
                }
            }
        }
        entries.sort();
        return entries;
    }

    /** Moves entries that were published from the heap into a private table. For one thread at a time. */
    void published(EntryBuffer entries) {
        ByteBuffer own = ByteBuffer.wrap(entries.array());
        for (int i = 0; i < entries.size(); i++) {
            int at = i * ENTRY + IdHasher.ID_BYTES;
            own.putInt(at, own.getInt(at) | OWN);
        }
        LocalTable table = LocalTable.of(workFiles, entries);
        published.add(table);
        synchronized (this) {
            publishedTables = published.tables().toArray(NO_TABLES);
            forget(entries);
        }
        tableLock.writeLock().lock();
        try {
            retired.forEach(LocalTable::close);
            retired.clear();
        } finally {
            tableLock.writeLock().unlock();
        }
    }

    @Override
    public synchronized void close() {
        published.close();
        base.close();
    }

    private boolean claimSlot(byte[] id, int idOffset) {
        int slot = slot(id, idOffset);
        if (slots[slot + STATE] != FREE) {
            return false;
        }
        System.arraycopy(id, idOffset, slots, slot, IdHasher.ID_BYTES);
        slots[slot + STATE] = CLAIMED;
        used++;
        if (2 * used * ENTRY > slots.length) {
            grow();
        }
        return true;
    }

    /** The slot that holds an id, or the free one where it would go. */
    private int slot(byte[] id, int idOffset) {
        int count = slots.length / ENTRY;
        int slot = home(id, idOffset) & count - 1;
        while (slots[slot * ENTRY + STATE] != FREE && !IdHasher.equal(slots, slot * ENTRY, id, idOffset)) {
            slot = slot + 1 & count - 1;
        }
        return slot * ENTRY;
    }

    private void forget(EntryBuffer entries) {
        for (int i = 0; i < entries.size(); i++) {
            remove(slot(entries.array(), i * ENTRY));
        }
        used -= entries.size();
        located -= entries.size();
    }

    /** Frees a slot, and moves entries behind it that would not be found any more. */
    private void remove(int slot) {
        int mask = slots.length / ENTRY - 1;
        int hole = slot / ENTRY;
        for (int next = hole + 1 & mask; slots[next * ENTRY + STATE] != FREE; next = next + 1 & mask) {
            int home = home(slots, next * ENTRY) & mask;
            if ((next - home & mask) >= (next - hole & mask)) {
                System.arraycopy(slots, next * ENTRY, slots, hole * ENTRY, ENTRY);
                hole = next;
            }
        }
        slots[hole * ENTRY + STATE] = FREE;
    }

    /** Where the search for an id begins, without the bits that are too many. */
    private static int home(byte[] id, int idOffset) {
        return (int) Scratch.longAt(id, idOffset + 16);
    }

    private void grow() {
        byte[] old = slots;
        slots = new byte[2 * old.length];
        view = ByteBuffer.wrap(slots);
        for (int slot = 0; slot < old.length; slot += ENTRY) {
            if (old[slot + STATE] != FREE) {
                System.arraycopy(old, slot, slots, slot(old, slot), ENTRY);
            }
        }
    }
}
