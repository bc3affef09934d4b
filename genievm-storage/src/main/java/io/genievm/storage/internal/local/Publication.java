package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.internal.UncachedChannel;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.PutOutcome;
import io.genievm.storage.internal.file.FileErrors;
import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One put: from content to a durable file under its name, which shows the object whole or not at all. */
final class Publication {
    private static final int ATTEMPTS = 100;
    private static final long WORTH_A_CHANNEL = 1 << 20;
    private static final List<String> NO_LINKS = List.of(
            "Operation not permitted",
            "Operation not supported",
            "Function not implemented",
            "Invalid cross-device link");

    private final Path root;
    private final Lifetime lifetime;
    private final ObjectFolders folders;
    private final Path target;
    private final Resource resource;

    Publication(Path root, Lifetime lifetime, ObjectFolders folders, String key, Path target) {
        this.root = root;
        this.lifetime = lifetime;
        this.folders = folders;
        this.target = target;
        this.resource = Resource.named(key);
    }

    /** Publishes the content by way of a file to be made at the given path, which is gone afterwards. */
    PutOutcome run(Path temporary, BlobContent content) {
        try {
            PutOutcome outcome = publish(temporary, content);
            remove(temporary);
            return outcome;
        } catch (RuntimeException | Error e) {
            IOException left = remove(temporary);
            if (left != null) {
                e.addSuppressed(left);
            }
            folders.removeEmpty(Objects.requireNonNull(target.getParent()));
            throw e;
        }
    }

    private PutOutcome publish(Path temporary, BlobContent content) {
        try (Lifetime.OpenFile file = create(temporary)) {
            write(temporary, file.channel(), content);
            PutOutcome outcome = link(temporary);
            settle(file.channel(), outcome);
            return outcome;
        }
    }

    private Lifetime.OpenFile create(Path temporary) {
        try {
            return lifetime.watch(PrivateFiles.create(temporary));
        } catch (IOException e) {
            throw failure(0, e);
        }
    }

    private void write(Path temporary, FileChannel file, BlobContent content) {
        try (UncachedChannel uncached =
                content.length() < WORTH_A_CHANNEL ? UncachedChannel.none() : UncachedChannel.open(temporary)) {
            content.writeTo(new Sink(file, uncached));
            if (file.position() != content.length()) {
                throw new IllegalArgumentException("the content of " + resource + " has " + file.position()
                        + " bytes and says that it has " + content.length());
            }
            file.force(true);
        } catch (IOException e) {
            throw failure(content.length(), e);
        }
    }

    private PutOutcome link(Path temporary) {
        IOException last = new NoSuchFileException(target.toString());
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            lifetime.requireOpen();
            try {
                folders.makeAbove(target);
                return tryLink(temporary);
            } catch (NoSuchFileException e) {
                last = e;
                if (!Files.exists(temporary, LinkOption.NOFOLLOW_LINKS)) {
                    last = new FileSystemException(temporary.toString(), null, "somebody removed the temporary file");
                    break;
                }
                // A delete took the empty folder away, between its making and its use.
            } catch (IOException e) {
                last = e;
                break;
            }
        }
        throw failure(0, last);
    }

    private PutOutcome tryLink(Path temporary) throws IOException {
        try {
            Files.createLink(target, temporary);
            return PutOutcome.CREATED;
        } catch (FileAlreadyExistsException e) {
            return whoseIsIt(temporary);
        } catch (UnsupportedOperationException e) {
            throw noLinks("the file system offers none", e);
        } catch (FileSystemException e) {
            if (NO_LINKS.contains(String.valueOf(e.getReason()))) {
                throw noLinks(FileErrors.reason(e), e);
            }
            throw e;
        }
    }

    /** An NFS client that lost the answer to its link asks again, and is told that the name it has just made exists. */
    private PutOutcome whoseIsIt(Path temporary) throws IOException {
        Object own = attributes(temporary).fileKey();
        BasicFileAttributes there;
        try {
            there = attributes(target);
        } catch (NoSuchFileException e) {
            return PutOutcome.EXISTS;
        }
        if (!there.isRegularFile()) {
            throw new FileSystemException(target.toString(), null, "there is something else than a file");
        }
        return own != null && own.equals(there.fileKey()) ? PutOutcome.CREATED : PutOutcome.EXISTS;
    }

    /** Makes the name durable, also one that another put has made and may not have synced yet. */
    private void settle(FileChannel file, PutOutcome outcome) {
        try {
            // Some file systems in user space lose the names that a folder's fsync alone was to keep.
            if (outcome == PutOutcome.CREATED) {
                file.force(true);
            } else {
                syncOther();
            }
            folders.syncAbove(target);
        } catch (IOException e) {
            // The object can be seen by now, so no code may claim that nothing was left behind.
            throw lifetime.explain(new GenieVmException(
                    ErrorCode.IO_ERROR, resource, "can not make " + target + " durable: " + FileErrors.reason(e), e));
        }
    }

    private void syncOther() throws IOException {
        try {
            PrivateFiles.sync(target);
        } catch (NoSuchFileException e) {
            // It was there, and has been deleted since.
            return;
        }
    }

    private GenieVmException noLinks(String reason, Exception cause) {
        return new GenieVmException(
                ErrorCode.UNSUPPORTED,
                resource,
                root + " can not hold a repository: objects are created exclusively by hard links, and "
                        + target.getParent() + " refuses them: " + reason,
                cause);
    }

    private GenieVmException failure(long bytes, IOException cause) {
        return lifetime.explain(FileErrors.ofWrite("can not write " + target, resource, root, bytes, cause));
    }

    private static @Nullable IOException remove(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    private static BasicFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    /** Where the content goes: every write is complete, and none goes on after the end of the store. */
    private final class Sink implements WritableByteChannel {
        private final FileChannel file;
        private final UncachedChannel uncached;

        Sink(FileChannel file, UncachedChannel uncached) {
            this.file = file;
            this.uncached = uncached;
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            int bytes = source.remaining();
            int end = source.limit();
            while (source.position() < end) {
                lifetime.requireOpen();
                source.limit(Pieces.end(source, end));
                int written = uncached.write(source, file.position());
                if (written > 0) {
                    file.position(file.position() + written);
                } else {
                    file.write(source);
                }
            }
            return bytes;
        }

        @Override
        public boolean isOpen() {
            return file.isOpen();
        }

        @Override
        public void close() {
            throw new UnsupportedOperationException("the channel belongs to the store");
        }
    }
}
