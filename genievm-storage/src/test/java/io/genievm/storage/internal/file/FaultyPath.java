package io.genievm.storage.internal.file;

import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import org.jspecify.annotations.Nullable;

/** A path of a {@link FaultyFileSystem}. */
record FaultyPath(FaultyFileSystem system, Path below) implements Path {
    private Path wrap(Path path) {
        return new FaultyPath(system, path);
    }

    private @Nullable Path wrapOrNull(@Nullable Path path) {
        return path == null ? null : wrap(path);
    }

    private static Path unwrap(Path path) {
        if (path instanceof FaultyPath faulty) {
            return faulty.below;
        }
        throw new ProviderMismatchException();
    }

    @Override
    public FileSystem getFileSystem() {
        return system;
    }

    @Override
    public boolean isAbsolute() {
        return below.isAbsolute();
    }

    @Override
    public @Nullable Path getRoot() {
        return wrapOrNull(below.getRoot());
    }

    @Override
    public @Nullable Path getFileName() {
        return wrapOrNull(below.getFileName());
    }

    @Override
    public @Nullable Path getParent() {
        return wrapOrNull(below.getParent());
    }

    @Override
    public int getNameCount() {
        return below.getNameCount();
    }

    @Override
    public Path getName(int index) {
        return wrap(below.getName(index));
    }

    @Override
    public Path subpath(int beginIndex, int endIndex) {
        return wrap(below.subpath(beginIndex, endIndex));
    }

    @Override
    public boolean startsWith(Path other) {
        return other instanceof FaultyPath faulty && below.startsWith(faulty.below);
    }

    @Override
    public boolean endsWith(Path other) {
        return other instanceof FaultyPath faulty && below.endsWith(faulty.below);
    }

    @Override
    public Path normalize() {
        return wrap(below.normalize());
    }

    @Override
    public Path resolve(Path other) {
        return wrap(below.resolve(unwrap(other)));
    }

    @Override
    public Path relativize(Path other) {
        return wrap(below.relativize(unwrap(other)));
    }

    @Override
    public URI toUri() {
        throw new UnsupportedOperationException();
    }

    @Override
    public Path toAbsolutePath() {
        return wrap(below.toAbsolutePath());
    }

    @Override
    public Path toRealPath(LinkOption... options) throws IOException {
        return wrap(below.toRealPath(options));
    }

    @Override
    public WatchKey register(WatchService watcher, WatchEvent.Kind<?>[] events, WatchEvent.Modifier... modifiers) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int compareTo(Path other) {
        return below.compareTo(unwrap(other));
    }

    @Override
    public String toString() {
        return below.toString();
    }
}
