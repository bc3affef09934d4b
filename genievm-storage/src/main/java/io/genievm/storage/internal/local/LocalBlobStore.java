package io.genievm.storage.internal.local;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobKeys;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Objects as files below a folder, with their keys as paths.
 *
 * <p>An object is written elsewhere and then linked to its name, which fails if the name is taken. A file is opened for
 * each call: a channel that is kept would go on giving the bytes of an object that another process has deleted.
 */
final class LocalBlobStore implements BlobStore {
    private final Path root;
    private final Lifetime lifetime;
    private final ObjectFolders folders;
    private final Staging staging;

    LocalBlobStore(Path root) {
        this.root = root;
        this.lifetime = new Lifetime(root);
        this.folders = new ObjectFolders(root);
        this.staging = new Staging(root);
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        return put(key, path(key), content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        Path file = path(key);
        if (offset < 0) {
            throw new IllegalArgumentException("offset " + offset + " is negative");
        }
        lifetime.requireOpen();
        try {
            // What is no file is not opened: opening a pipe would wait for its other end.
            if (attributes(file) == null) {
                throw notFound(key, null);
            }
            read(key, file, offset, target);
        } catch (NoSuchFileException e) {
            throw notFound(key, e);
        } catch (IOException e) {
            throw failure(key, "can not read " + file, e);
        }
    }

    @Override
    public BlobCursor list(String prefix) {
        BlobKeys.requirePrefix(prefix);
        lifetime.requireOpen();
        return new Listing(root, prefix, lifetime);
    }

    @Override
    public void delete(String key) {
        Path file = path(key);
        lifetime.requireOpen();
        try {
            if (attributes(file) != null) {
                Files.deleteIfExists(file);
            }
            // What is deleted must not come back after a crash: it could be a point whose data was deleted next. Also
            // when there was nothing, as the delete that removed it may have failed at just this.
            folders.removeEmpty(folders.syncNearestAbove(file));
        } catch (IOException e) {
            throw failure(key, "can not delete " + file, e);
        }
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        Path file = path(key);
        lifetime.requireOpen();
        try {
            return Optional.ofNullable(attributes(file)).map(attributes -> new BlobEntry(key, attributes.size()));
        } catch (IOException e) {
            throw failure(key, "can not look at " + file, e);
        }
    }

    @Override
    public void close() {
        lifetime.end();
        staging.close();
    }

    @Override
    public String toString() {
        return root.toString();
    }

    /**
     * Tries in the staging folder whether this place can create exclusively.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when it can not
     */
    void probe() {
        Path target = enter("probe");
        try {
            PutOutcome first = put("probe", target, BlobContent.of("1".getBytes(StandardCharsets.US_ASCII)));
            PutOutcome second = put("probe", target, BlobContent.of("2".getBytes(StandardCharsets.US_ASCII)));
            if (first != PutOutcome.CREATED || second != PutOutcome.EXISTS) {
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(root.toString()),
                        root + " can not hold a repository: its hard links replace files that exist");
            }
            Files.delete(target);
        } catch (IOException e) {
            throw failure("probe", "can not delete " + target, e);
        } finally {
            staging.leave();
        }
    }

    private PutOutcome put(String key, Path target, BlobContent content) {
        lifetime.requireOpen();
        Path temporary = enter(key);
        try {
            return new Publication(root, lifetime, folders, key, target).run(temporary, content);
        } finally {
            staging.leave();
        }
    }

    private Path enter(String key) {
        try {
            return staging.enter();
        } catch (IOException e) {
            throw lifetime.explain(FileErrors.ofWrite("can not write into " + root, Resource.named(key), root, 0, e));
        }
    }

    private void read(String key, Path file, long offset, ByteBuffer target) throws IOException {
        try (Lifetime.OpenFile open =
                lifetime.watch(FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS))) {
            int start = target.position();
            int end = target.limit();
            while (target.position() < end) {
                lifetime.requireOpen();
                long position = offset + target.position() - start;
                target.limit(Pieces.end(target, end));
                if (open.channel().read(target, position) < 0) {
                    throw new CorruptDataException(
                            new Resource(null, null, new Extent(offset, end - start), key),
                            key + " ends before byte " + (offset + end - start),
                            null);
                }
            }
        }
    }

    /** Looks at an object; anything else than a file under its name is none. */
    private static @Nullable BasicFileAttributes attributes(Path file) throws IOException {
        try {
            BasicFileAttributes attributes =
                    Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            return attributes.isRegularFile() ? attributes : null;
        } catch (IOException e) {
            if (FileErrors.isAbsent(file, e)) {
                return null;
            }
            throw e;
        }
    }

    private GenieVmException notFound(String key, @Nullable IOException cause) {
        return new GenieVmException(
                ErrorCode.NOT_FOUND, Resource.named(key), "no object " + key + " in " + root, cause);
    }

    private GenieVmException failure(String key, String action, IOException cause) {
        return lifetime.explain(FileErrors.of(action, Resource.named(key), cause));
    }

    private Path path(String key) {
        return root.resolve(BlobKeys.requireKey(key));
    }
}
