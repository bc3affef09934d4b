package io.genievm.core.scale;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/** Objects as files, without any care for durability: for more of them than the heap of a test can hold. */
final class FolderStore implements BlobStore {
    private final Path root;

    FolderStore(Path root) {
        this.root = root;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        Path target = root.resolve(key);
        try {
            Files.createDirectories(target.getParent());
            Path temporary = root.resolve("." + UUID.randomUUID());
            try (FileChannel file =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(file);
            }
            try {
                Files.createLink(target, temporary);
                return PutOutcome.CREATED;
            } catch (java.nio.file.FileAlreadyExistsException e) {
                return PutOutcome.EXISTS;
            } finally {
                Files.delete(temporary);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        try (FileChannel file = FileChannel.open(root.resolve(key))) {
            long at = offset;
            while (target.hasRemaining()) {
                int count = file.read(target, at);
                if (count < 0) {
                    throw new IOException(key + " ends before " + at);
                }
                at += count;
            }
        } catch (java.nio.file.NoSuchFileException e) {
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.named(key), "no object " + key, e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public BlobCursor list(String prefix) {
        Path folder = root.resolve(prefix);
        if (!Files.isDirectory(folder)) {
            return BlobCursor.of(List.<BlobEntry>of().iterator());
        }
        try (Stream<Path> files = Files.walk(folder)) {
            return BlobCursor.of(files.filter(Files::isRegularFile)
                    .map(file -> new BlobEntry(
                            root.relativize(file).toString(), file.toFile().length()))
                    .sorted((a, b) -> a.key().compareTo(b.key()))
                    .toList()
                    .iterator());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void delete(String key) {
        try {
            Files.deleteIfExists(root.resolve(key));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        Path file = root.resolve(key);
        return Files.isRegularFile(file)
                ? Optional.of(new BlobEntry(key, file.toFile().length()))
                : Optional.empty();
    }

    @Override
    public void close() {}
}
