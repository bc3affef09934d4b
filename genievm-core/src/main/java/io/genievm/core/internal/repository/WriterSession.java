package io.genievm.core.internal.repository;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.Codec;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.format.SessionRecord;
import io.genievm.core.internal.index.EntryBuffer;
import io.genievm.core.internal.index.IndexPublisher;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.PackList;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.index.SessionIndex;
import io.genievm.core.internal.store.CheckedStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One writer's work on a repository, by the rules of {@code docs/format/protocol.md}, whose numbers stand beside the
 * code. Segments may be appended by any thread; everything else is for one thread.
 */
public final class WriterSession implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WriterSession.class);
    private static final long PUBLISH_BYTES = 1L << 30;
    private static final int PUBLISH_ENTRIES = 1 << 15;
    private static final int MAX_PAGES = 8192;
    private static final long PROGRESS_NANOS = TimeUnit.MINUTES.toNanos(2);

    private final RepositoryAccess access;
    private final BlobStore store;
    private final VmId vm;
    private final SessionId id;
    private final SessionIndex index;
    private final IndexPublisher publisher;
    private final PlansInForce plans;
    private final PointCatalog points;
    private final PackWriter packs;
    private final PageSegments pages;
    private final PointCommit commit;
    private final LongAdder packBytes = new LongAdder();
    private final Object publishLock = new Object();
    private final Map<Integer, Integer> unpublishedPacks = new HashMap<>();
    private final Set<Integer> exposedPacks = new HashSet<>();
    private long unpublishedBytes;
    private int unpublishedEntries;
    private int progress = -1;
    private int progressBegun = -1;
    private volatile long lastProgress = System.nanoTime();

    private WriterSession(RepositoryAccess access, VmId vm, SessionId id, long packMemory, Runnable checkpoint) {
        this.access = access;
        this.store = access.store();
        this.vm = vm;
        this.id = id;
        this.publisher = new IndexPublisher(store, access.id(), access.workFiles(), id);
        this.plans = PlansInForce.read(access);
        // Before the packs are listed: what a point needs that was there then is in that list.
        this.points = PointCatalog.read(access.checkedBy(checkpoint), vm);
        this.index = new SessionIndex(loadIndex(checkpoint), access.workFiles());
        int maxSegment =
                Segment.headerLength(MAX_PAGES) + Math.max(access.options().segmentSize(), SegmentType.MAX_PAGE_BYTES);
        this.packs = new PackWriter(access, id, packMemory, maxSegment, new PackEvents());
        this.pages = new PageSegments();
        this.commit = new PointCommit(access);
    }

    /**
     * Opens a session (rules 1 to 3).
     *
     * @param access the repository
     * @param vm the VM that it backs up
     * @param packMemory bytes for packs that are being filled or put
     * @param checkpoint throws when the session is not wanted any more; asked while the index is read
     */
    public static WriterSession open(RepositoryAccess access, VmId vm, long packMemory, Runnable checkpoint) {
        SessionId id = randomId();
        completeParameters(access);
        new PointCommit(access).tidy(vm);
        String key = ObjectKeys.session(vm, id);
        SessionRecord announcement = new SessionRecord(
                access.id(),
                id,
                vm,
                access.clock().instant(),
                hostName(),
                ProcessHandle.current().pid(),
                RepositoryAccess.GENERATOR);
        try {
            if (access.store().put(key, BlobContent.of(announcement.encode())) == PutOutcome.EXISTS) {
                throw drawnBefore(key);
            }
            return new WriterSession(access, vm, id, packMemory, checkpoint);
        } catch (RuntimeException | Error e) {
            deleteQuietly(access.store(), key, e);
            throw e;
        }
    }

    /** Whether a session of a VM can never become a point any more, or is one. */
    public static boolean hasEnded(RepositoryAccess access, VmId vm, SessionId session) {
        BlobStore store = access.store();
        return store.stat(ObjectKeys.session(vm, session)).isEmpty()
                || store.stat(ObjectKeys.point(vm, session)).isPresent();
    }

    /** Ends a session of a VM whose process is dead (rule 16); gives what {@link #hasEnded} says then. */
    public static boolean end(RepositoryAccess access, VmId vm, SessionId dead) {
        new PointCommit(access).end(vm, dead);
        return hasEnded(access, vm, dead);
    }

    /** The session's id, and the restore point's if it comes to that. */
    public SessionId id() {
        return id;
    }

    /** The VM's points as they were when the session began. */
    public PointCatalog points() {
        return points;
    }

    /** What is stored. */
    public SessionIndex index() {
        return index;
    }

    /**
     * Whether pages of a point's maps may be relied on together with all that is below them (rule 4): no collector can decide
     * without knowing of the point, no pack is missing that the index names, and none of a point's session is there of which
     * nobody knows what it holds. Otherwise each chunk has to be looked up.
     */
    public boolean mayTakeOver(SessionId point) {
        return plans.allKnow(point)
                && !index.base().packs().isAnyMissing()
                && index.base().problems().stream().allMatch(problem -> PackName.ofKey(problem.key()) == null);
    }

    /** Bytes of packs and index tables that were put so far. */
    public long storedBytes() {
        return packBytes.sum() + publisher.bytes();
    }

    /** How many packs the session has begun. */
    public int packCount() {
        return packs.packs();
    }

    /** How many index tables the session has put. */
    public int tableCount() {
        return publisher.count();
    }

    /** Shows a sign of life when the last one is some minutes ago; cheap enough to be called for every piece of work. */
    public void stayAlive() {
        if (System.nanoTime() - lastProgress > PROGRESS_NANOS) {
            synchronized (publishLock) {
                if (System.nanoTime() - lastProgress > PROGRESS_NANOS) {
                    showProgress();
                }
            }
        }
    }

    /** Appends a segment whose entries the caller has claimed; {@code length} bytes of it are encoded. */
    public void append(SegmentBuilder segment, int length) {
        packs.append(segment.encoded(), length, segment.type(), segment.ids(), segment.count());
    }

    /** Stores a map page unless it is stored already. */
    public void storePage(byte[] pageId, byte[] bytes, int length) {
        pages.store(pageId, bytes, length);
    }

    /** From now on stores every page that comes once more, as some that are stored already are known to be damaged. */
    public void storePagesAnew() {
        pages.anew = true;
    }

    /** Begins a reading anew: what an earlier one had met and not appended is to be stored after all. */
    public void beginReading() {
        pages.flush();
        index.forgetClaims();
    }

    /** Makes everything that was appended durable and publishes the index (rule 5). */
    public void finishData() {
        pages.flush();
        packs.finish();
        if (!index.isComplete()) {
            // A chunk that somebody claimed and nobody stored would be missing from the point.
            throw new GenieVmException(
                    ErrorCode.INTERNAL_ERROR, Resource.of(vm), "not everything that was read has been stored");
        }
        synchronized (publishLock) {
            publish();
        }
    }

    /** Records what was found out about points that are there. */
    public void putIncident(Incident incident) {
        byte[] bytes = incident.encode();
        String key = ObjectKeys.incidents(vm) + randomId();
        if (store.put(key, BlobContent.of(bytes)) == PutOutcome.EXISTS) {
            throw drawnBefore(key);
        }
        packBytes.add(bytes.length);
    }

    /** Commits (rules 6 and 7). When this throws with {@link #isOutcomeKnown} false, nobody knows whether there is a point. */
    public PointCommit.Outcome commit(Manifest manifest) {
        byte[] bytes = manifest.encode(access.options().chunkSize());
        if (bytes.length > Manifest.MAX_BYTES) {
            throw new GenieVmException(
                    ErrorCode.LIMIT_EXCEEDED,
                    Resource.of(vm),
                    "the manifest would have " + bytes.length + " bytes; allowed are " + Manifest.MAX_BYTES);
        }
        checkReadable(bytes);
        PointCommit.Outcome outcome = commit.put(manifest, bytes);
        if (outcome == PointCommit.Outcome.COMMITTED) {
            packBytes.add(bytes.length);
            try {
                commit.putWitness(manifest, bytes);
                end();
            } catch (RuntimeException e) {
                // The point is there; the session object stays, so that whoever comes next puts the witness.
                LOG.warn("point {} is committed, its witness could not be put", id, e);
            }
        }
        return outcome;
    }

    /** A point that nobody can read would be worse than none; only a driver can have brought in what is not allowed. */
    private void checkReadable(byte[] bytes) {
        try {
            Manifest.decode(
                    ObjectKeys.point(vm, id), access.id(), access.options().chunkSize(), bytes);
        } catch (GenieVmException e) {
            throw new GenieVmException(
                    ErrorCode.DRIVER_CONTRACT_BROKEN,
                    Resource.of(vm),
                    "the driver described the VM in a way that can not be stored: " + e.getMessage(),
                    e);
        }
    }

    /** Whether it is known that there is no point of this session. */
    public boolean isOutcomeKnown() {
        return !commit.mayBeListed();
    }

    /** Gives up: rule 8. Failures are added to the reason as suppressed. */
    public void giveUp(Throwable reason) {
        packs.abort();
        if (commit.mayBeListed()) {
            return;
        }
        for (int pack = 0; pack < packs.packs(); pack++) {
            if (!exposedPacks.contains(pack)) {
                deleteQuietly(store, PackName.of(id, pack).key(), reason);
            }
        }
        try {
            end();
        } catch (GenieVmException e) {
            reason.addSuppressed(e);
        }
    }

    @Override
    public void close() {
        index.close();
    }

    private IndexView loadIndex(Runnable checkpoint) {
        Set<SessionId> committed = new HashSet<>();
        BlobStore checked = new CheckedStore(store, checkpoint);
        IndexView.Adoption adoption = new IndexView.Adoption() {
            private boolean listed;

            @Override
            public boolean wants(SessionId session) {
                if (!listed) {
                    listed = true;
                    committed.addAll(committedSessions(checked));
                }
                return committed.contains(session);
            }

            @Override
            public boolean rescues() {
                return false;
            }

            @Override
            public void adopted(PackList list, EntryBuffer entries) {
                publisher.republish(list, entries);
            }
        };
        return IndexView.load(checked, access.id(), access.workFiles(), plans.condemned(), adoption, checkpoint);
    }

    private static Set<SessionId> committedSessions(BlobStore store) {
        Set<SessionId> sessions = new HashSet<>();
        try (BlobCursor cursor = store.list(ObjectKeys.POINTS)) {
            while (cursor.next()) {
                BlobEntry entry = cursor.entry();
                ObjectKeys.PointKey key = ObjectKeys.parsePoint(entry.key());
                if (key != null && entry.length() > 0) {
                    sessions.add(key.session());
                }
            }
        }
        return sessions;
    }

    private final class PackEvents implements PackWriter.Listener {
        @Override
        public void placed(int pack, int offset, int length, SegmentType type, byte[] ids, int count) {
            index.located(ids, count, pack, offset, length, type);
        }

        @Override
        public void durable(int pack, int length, int entries) {
            packBytes.add(length);
            synchronized (publishLock) {
                unpublishedPacks.put(pack, length);
                unpublishedBytes += length;
                unpublishedEntries += entries;
                if (unpublishedBytes >= PUBLISH_BYTES - access.options().packSize()
                        || unpublishedEntries >= PUBLISH_ENTRIES) {
                    publish();
                }
            }
        }
    }

    private void publish() {
        if (unpublishedPacks.isEmpty()) {
            return;
        }
        Map<Integer, Integer> lengths = Map.copyOf(unpublishedPacks);
        int published;
        try {
            published = publisher.publish(index, lengths);
        } finally {
            // Whoever sees the table may rely on the packs, whatever came of the put.
            if (publisher.mayBeSeen()) {
                exposedPacks.addAll(lengths.keySet());
            }
        }
        if (published != unpublishedEntries) {
            // An id that is in a pack and in no table would be a chunk that nobody finds.
            throw new GenieVmException(
                    ErrorCode.INTERNAL_ERROR,
                    Resource.of(vm),
                    "an index table has " + published + " entries for packs with " + unpublishedEntries);
        }
        unpublishedEntries = 0;
        unpublishedPacks.clear();
        unpublishedBytes = 0;
        showProgress();
    }

    private void showProgress() {
        lastProgress = System.nanoTime();
        progressBegun = progress + 1;
        try {
            store.put(ObjectKeys.progress(id, progressBegun), BlobContent.of(new byte[0]));
            if (progress >= 0) {
                store.delete(ObjectKeys.progress(id, progress));
            }
            progress = progressBegun;
        } catch (GenieVmException e) {
            // A hint for the patience of others, and no reason to lose a backup; the next one comes soon.
            LOG.warn("a sign of life of session {} could not be shown", id, e);
        }
    }

    private void end() {
        // The last put may have happened although its answer was lost.
        for (int counter = Math.max(progress, 0); counter <= progressBegun; counter++) {
            store.delete(ObjectKeys.progress(id, counter));
        }
        store.delete(ObjectKeys.session(vm, id));
    }

    private static SessionId randomId() {
        byte[] random = new byte[16];
        new SecureRandom().nextBytes(random);
        return new SessionId(HexFormat.of().formatHex(random));
    }

    private static GenieVmException drawnBefore(String key) {
        return new GenieVmException(
                ErrorCode.STORE_CONTRACT_BROKEN,
                Resource.named(key),
                "the store says that " + key + " exists, whose name was drawn at random just now");
    }

    private static void deleteQuietly(BlobStore store, String key, Throwable reason) {
        try {
            store.delete(key);
        } catch (GenieVmException e) {
            reason.addSuppressed(e);
        }
    }

    /** Puts the copy of the parameters where it is missing, because the creation was broken off or somebody lost it. */
    private static void completeParameters(RepositoryAccess access) {
        BlobStore store = access.store();
        if (store.stat(ObjectKeys.REPOSITORY_COPY).isPresent()) {
            return;
        }
        try {
            byte[] bytes = store.getAll(ObjectKeys.REPOSITORY, Manifest.MAX_BYTES);
            if (RepositoryParameters.decode(ObjectKeys.REPOSITORY, bytes).equals(access.parameters())) {
                store.put(ObjectKeys.REPOSITORY_COPY, BlobContent.of(bytes));
            }
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            LOG.warn("the copy of the parameters is missing, and there is nothing to copy", e);
        }
    }

    /** Not from the network's name service, which may take long to answer. */
    private static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException e) {
            return "unknown";
        }
    }

    /** Gathers map pages into segments, which are not compressed: they consist of hashes. */
    private final class PageSegments {
        private final SegmentBuilder builder =
                new SegmentBuilder(SegmentType.PAGES, SegmentType.MAX_PAGE_BYTES, MAX_PAGES);
        private final Scratch scratch = new Scratch();
        private final Location location = new Location();
        private final Compressor compressor = Compressor.of(Codec.NONE);
        private volatile boolean anew;

        synchronized void store(byte[] pageId, byte[] bytes, int length) {
            if (anew ? index.claimAnew(pageId, 0, scratch, location) : index.claim(pageId, 0, scratch, location)) {
                if (!builder.fits(length)) {
                    flush();
                }
                builder.add(pageId, 0, bytes, 0, length);
            }
        }

        synchronized void flush() {
            if (builder.count() > 0) {
                append(builder, builder.encode(compressor));
                builder.clear();
            }
        }
    }
}
