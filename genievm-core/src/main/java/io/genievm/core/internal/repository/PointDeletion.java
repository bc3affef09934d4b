package io.genievm.core.internal.repository;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.SessionRecord;
import io.genievm.core.internal.format.Witness;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Takes points away: rules 13 and 14 of {@code docs/format/protocol.md}. For one call of {@link #run}. */
public final class PointDeletion {
    private final RepositoryAccess access;
    private final BlobStore store;
    private final SessionId point;

    /** Prepares to delete a point. */
    public PointDeletion(RepositoryAccess access, SessionId point) {
        this.access = access;
        this.store = access.store();
        this.point = point;
    }

    /** Deletes it. May be repeated whenever it has thrown. */
    public void run() {
        boolean found = false;
        for (String vmKey : vmKeys()) {
            found |= delete(new ObjectKeys.PointKey(vmKey, point));
        }
        if (!found) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND, Resource.named(point.value()), "there is no restore point " + point);
        }
    }

    /** The folders that tell of the point. More than one only if somebody has copied objects to where they do not belong. */
    private Set<String> vmKeys() {
        Set<String> found = new TreeSet<>();
        // The manifest may be missing, and then it is the witness that makes a point of it.
        for (String prefix : new String[] {ObjectKeys.POINTS, ObjectKeys.WITNESS}) {
            try (BlobCursor cursor = store.list(prefix)) {
                while (cursor.next()) {
                    ObjectKeys.PointKey key =
                            ObjectKeys.parsePoint(cursor.entry().key());
                    if (key != null && key.session().equals(point)) {
                        found.add(key.vmKey());
                    }
                }
            }
        }
        return found;
    }

    /** Whether there was a point. */
    private boolean delete(ObjectKeys.PointKey key) {
        // All that is read comes first: what is too new stays untouched.
        long manifest = readManifest(key);
        boolean witness = exists(key.witness(), bytes -> Witness.decode(key.witness(), access.id(), bytes));
        if (manifest == 0 && !witness) {
            return false;
        }
        if (exists(key.sessionObject(), bytes -> SessionRecord.decode(key.sessionObject(), access.id(), bytes))) {
            // Its outcome is known, and without the manifest nobody could tell.
            store.delete(key.sessionObject());
            PointCommit.deleteSignsOfLife(store, Set.of(point));
        }
        store.delete(key.witness());
        if (manifest > 0) {
            boolean answered = deleteManifest(key);
            // Who put a witness between these two has seen the manifest and will not look again.
            store.delete(key.witness());
            if (!answered) {
                // What can not be seen may be back after a power cut, until a delete has answered.
                store.delete(key.point());
            }
        }
        return true;
    }

    /** Whether the store has answered. */
    private boolean deleteManifest(ObjectKeys.PointKey key) {
        try {
            store.delete(key.point());
            return true;
        } catch (GenieVmException e) {
            // Only the answer may be lost; a witness that came meanwhile must not stay behind then.
            if (isThere(key.point(), e)) {
                throw e;
            }
            return false;
        }
    }

    private boolean isThere(String key, GenieVmException failure) {
        try {
            return store.stat(key).isPresent();
        } catch (GenieVmException e) {
            failure.addSuppressed(e);
            return true;
        }
    }

    /** The manifest's length; 0 for a fence, which is never deleted, and for nothing. */
    private long readManifest(ObjectKeys.PointKey key) {
        long length = store.stat(key.point()).map(BlobEntry::length).orElse(0L);
        return length > 0
                        && exists(
                                key.point(),
                                bytes -> Manifest.decode(
                                        key.point(),
                                        access.id(),
                                        access.options().chunkSize(),
                                        bytes))
                ? length
                : 0;
    }

    /** Reads an object that may be missing or damaged, but not too new. */
    private boolean exists(String key, Decoder decoder) {
        try {
            decoder.decode(store.getAll(key, Manifest.MAX_BYTES));
        } catch (UnsupportedFormatVersionException e) {
            throw e;
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            return !e.code().equals(ErrorCode.NOT_FOUND);
        }
        return true;
    }

    /** Reads the bytes of one kind of document. */
    private interface Decoder {
        @Nullable
        Object decode(byte[] bytes);
    }
}
