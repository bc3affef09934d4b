package io.genievm.core.internal.repository;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.SessionRecord;
import io.genievm.core.internal.format.Witness;
import io.genievm.core.internal.store.PutFailures;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The one step that makes a point, and what follows it: rules 6, 7, 11, 12 and 16 of {@code docs/format/protocol.md}. */
public final class PointCommit {
    private static final Logger LOG = LoggerFactory.getLogger(PointCommit.class);

    private final RepositoryAccess access;
    private final BlobStore store;
    private boolean mayBeListed;

    PointCommit(RepositoryAccess access) {
        this.access = access;
        this.store = access.store();
    }

    /** What became of a manifest. */
    public enum Outcome {
        /** The point is there. */
        COMMITTED,
        /** Somebody has fenced the session; nothing of it will ever be listed. */
        FENCED
    }

    /** Whether there is a point, as far as anybody can know. */
    boolean mayBeListed() {
        return mayBeListed;
    }

    /**
     * Puts the manifest, once, and finds out what became of it. When this throws, {@link #mayBeListed} says whether that
     * is known.
     */
    Outcome put(Manifest manifest, byte[] bytes) {
        String key = ObjectKeys.point(manifest.vm(), manifest.point());
        mayBeListed = true;
        Outcome outcome = putAndLook(key, bytes);
        mayBeListed = outcome == Outcome.COMMITTED;
        return outcome;
    }

    private Outcome putAndLook(String key, byte[] bytes) {
        boolean answered = true;
        try {
            if (store.put(key, BlobContent.of(bytes)) == PutOutcome.CREATED) {
                return Outcome.COMMITTED;
            }
        } catch (GenieVmException e) {
            if (PutFailures.isRefusal(e)) {
                mayBeListed = false;
                throw e;
            }
            LOG.warn("the answer to the put of {} is unknown; looking at what is there", key, e);
            answered = false;
        }
        for (int attempt = 0; attempt < 4; attempt++) {
            if (!answered) {
                // What can be seen may be gone after a power cut, until a put has answered that it exists.
                store.put(key, BlobContent.of(new byte[0]));
            }
            byte[] found = findPoint(key);
            if (found != null) {
                return judge(key, found, bytes);
            }
            answered = false;
        }
        throw new GenieVmException(
                ErrorCode.STORE_CONTRACT_BROKEN,
                Resource.named(key),
                "the store neither creates " + key + " nor shows one that exists");
    }

    private byte @Nullable [] findPoint(String key) {
        try {
            return store.getAll(key, Manifest.MAX_BYTES);
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return null;
            }
            throw e;
        }
    }

    private static Outcome judge(String key, byte[] found, byte[] own) {
        if (found.length == 0) {
            return Outcome.FENCED;
        }
        if (Arrays.equals(found, own)) {
            return Outcome.COMMITTED;
        }
        throw new CorruptDataException(
                Resource.named(key), key + " is neither the manifest that was put there nor a fence", null);
    }

    /** Puts a witness, and takes it back when the point was deleted meanwhile (rule 7). */
    void putWitness(Manifest manifest, byte[] bytes) {
        String witness = ObjectKeys.witness(manifest.vm(), manifest.point());
        store.put(witness, BlobContent.of(Witness.of(manifest, bytes).encode()));
        boolean isThere = store.stat(ObjectKeys.point(manifest.vm(), manifest.point()))
                .filter(point -> point.length() > 0)
                .isPresent();
        if (!isThere) {
            store.delete(witness);
        }
    }

    /**
     * Ends a session whose process is dead (rule 16), so that it never becomes a point unless it is one. When this returns
     * it has ended.
     */
    void end(VmId vm, SessionId session) {
        ObjectKeys.PointKey key = new ObjectKeys.PointKey(ObjectKeys.vmKey(vm), session);
        if (store.stat(key.sessionObject()).isEmpty()) {
            return;
        }
        requireKnownVersion(key.sessionObject());
        // Whether it was put or not: what is there now, a fence or a manifest, is the outcome and stays it.
        store.put(key.point(), BlobContent.of(new byte[0]));
        try {
            tidy(key, key.sessionObject());
            deleteSignsOfLife(store, Set.of(session));
        } catch (GenieVmException e) {
            LOG.warn("session {} has ended; whoever backs up the VM next clears away what is left of it", session, e);
        }
    }

    /** Ends what processes that died have left undone for a VM: sessions (rule 11) and deletions (rule 12). */
    void tidy(VmId vm) {
        endSessions(vm);
        putMissingWitnesses(vm);
    }

    private void endSessions(VmId vm) {
        String folder = ObjectKeys.SESSIONS + ObjectKeys.vmKey(vm) + "/";
        Set<SessionId> ended = new HashSet<>();
        try (BlobCursor cursor = store.list(folder)) {
            while (cursor.next()) {
                String sessionKey = cursor.entry().key();
                ObjectKeys.PointKey key = ObjectKeys.parsePoint(sessionKey);
                if (key != null) {
                    try {
                        if (tidy(key, sessionKey)) {
                            ended.add(key.session());
                        }
                    } catch (GenieVmException e) {
                        if (!Corruption.isObjectProblem(e) || e instanceof UnsupportedFormatVersionException) {
                            throw e;
                        }
                        LOG.warn("a session that has ended can not be tidied up", e);
                    }
                }
            }
        }
        if (!ended.isEmpty()) {
            deleteSignsOfLife(store, ended);
        }
    }

    /** A deletion that was broken off leaves a manifest without its witness; then the point is there to stay. */
    private void putMissingWitnesses(VmId vm) {
        String folder = ObjectKeys.vmKey(vm) + "/";
        Set<String> manifests = new TreeSet<>();
        // In this order: a witness is put after its manifest.
        try (BlobCursor cursor = store.list(ObjectKeys.POINTS + folder)) {
            while (cursor.next()) {
                if (cursor.entry().length() > 0) {
                    manifests.add(cursor.entry().key());
                }
            }
        }
        Set<String> witnesses = new HashSet<>();
        try (BlobCursor cursor = store.list(ObjectKeys.WITNESS + folder)) {
            while (cursor.next()) {
                witnesses.add(cursor.entry().key());
            }
        }
        for (String manifest : manifests) {
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(manifest);
            if (key != null
                    && !witnesses.contains(key.witness())
                    && store.stat(key.sessionObject()).isEmpty()) {
                try {
                    putWitness(key);
                } catch (GenieVmException e) {
                    if (!Corruption.isObjectProblem(e)) {
                        throw e;
                    }
                    // Deleted after all, or damaged, or too new: other rules tell of that.
                    LOG.debug("the witness of {} is missing and can not be put", manifest, e);
                }
            }
        }
    }

    /** Whether the session has ended. */
    private boolean tidy(ObjectKeys.PointKey key, String sessionKey) {
        requireKnownVersion(sessionKey);
        BlobEntry point = store.stat(key.point()).orElse(null);
        if (point == null) {
            return false;
        }
        if (point.length() > 0) {
            // What can be seen may be gone after a power cut, the manifest and a witness: only the answer of a put
            // tells
            // that it stays, and a witness that outlives its manifest tells of a loss.
            store.put(key.point(), BlobContent.of(new byte[0]));
            putWitness(key);
        }
        store.delete(sessionKey);
        return true;
    }

    private void putWitness(ObjectKeys.PointKey key) {
        byte[] bytes = store.getAll(key.point(), Manifest.MAX_BYTES);
        putWitness(Manifest.decode(key.point(), access.id(), access.options().chunkSize(), bytes), bytes);
    }

    /** A writer stops at a session that is too new: it may work by rules that this software does not know. */
    private void requireKnownVersion(String sessionKey) {
        try {
            SessionRecord.decode(sessionKey, access.id(), store.getAll(sessionKey, Manifest.MAX_BYTES));
        } catch (UnsupportedFormatVersionException e) {
            throw e;
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            // Whether it has ended is not asked of what it says.
        }
    }

    /** Deletes the signs of life of sessions whose objects are gone. */
    static void deleteSignsOfLife(BlobStore store, Set<SessionId> sessions) {
        try (BlobCursor cursor = store.list(ObjectKeys.PROGRESS)) {
            while (cursor.next()) {
                ObjectKeys.NumberedKey key =
                        ObjectKeys.parseProgress(cursor.entry().key());
                if (key != null && sessions.contains(key.id())) {
                    store.delete(cursor.entry().key());
                }
            }
        }
    }
}
