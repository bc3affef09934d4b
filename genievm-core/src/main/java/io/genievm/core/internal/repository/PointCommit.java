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
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The one step that makes a point, and what follows it: rules 6, 7 and 11 of {@code docs/format/protocol.md}. */
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
        }
        for (int attempt = 0; ; attempt++) {
            byte[] found = findPoint(key);
            if (found != null) {
                return judge(key, found, bytes);
            }
            if (attempt == 3) {
                throw new GenieVmException(
                        ErrorCode.STORE_CONTRACT_BROKEN,
                        Resource.named(key),
                        "the store neither creates " + key + " nor shows one that exists");
            }
            store.put(key, BlobContent.of(new byte[0]));
        }
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
        if (store.stat(ObjectKeys.point(manifest.vm(), manifest.point())).isEmpty()) {
            store.delete(witness);
        }
    }

    /** Ends sessions of a VM whose outcome is known and whose process did not come to it: rule 11. */
    void tidy(VmId vm) {
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
            deleteSignsOfLife(ended);
        }
    }

    /** Whether the session has ended. */
    private boolean tidy(ObjectKeys.PointKey key, String sessionKey) {
        requireKnownVersion(sessionKey);
        BlobEntry point = store.stat(key.point()).orElse(null);
        if (point == null) {
            return false;
        }
        if (point.length() > 0 && store.stat(key.witness()).isEmpty()) {
            byte[] bytes = store.getAll(key.point(), Manifest.MAX_BYTES);
            putWitness(
                    Manifest.decode(key.point(), access.id(), access.options().chunkSize(), bytes), bytes);
        }
        store.delete(sessionKey);
        return true;
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

    private void deleteSignsOfLife(Set<SessionId> sessions) {
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
