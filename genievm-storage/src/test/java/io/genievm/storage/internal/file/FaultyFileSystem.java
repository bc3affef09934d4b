package io.genievm.storage.internal.file;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardOpenOption;
import java.nio.file.WatchService;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** The file system of this machine with faults put in between. */
public final class FaultyFileSystem extends FileSystem {
    private final FileSystem below;
    private final Provider provider = new Provider();
    private volatile Faults faults = Faults.NONE;

    private FaultyFileSystem(FileSystem below) {
        this.below = below;
    }

    /** Gives a path to the same file through a new file system without faults so far. */
    public static Path over(Path path) {
        return new FaultyPath(new FaultyFileSystem(path.getFileSystem()), path);
    }

    /** Sets what goes wrong from now on with a file system that {@link #over} has made. */
    public static void inject(Path path, Faults faults) {
        ((FaultyFileSystem) path.getFileSystem()).faults = faults;
    }

    void at(Faults.Operation operation, Path path) throws IOException {
        faults.at(operation, path);
    }

    private Path wrap(Path path) {
        return new FaultyPath(this, path);
    }

    private static Path unwrap(Path path) {
        if (path instanceof FaultyPath faulty) {
            return faulty.below();
        }
        throw new ProviderMismatchException();
    }

    @Override
    public FileSystemProvider provider() {
        return provider;
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public boolean isReadOnly() {
        return below.isReadOnly();
    }

    @Override
    public String getSeparator() {
        return below.getSeparator();
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        return () -> new Mapped<>(below.getRootDirectories().iterator(), this::wrap);
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        return below.getFileStores();
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return below.supportedFileAttributeViews();
    }

    @Override
    public Path getPath(String first, String... more) {
        return wrap(below.getPath(first, more));
    }

    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        PathMatcher matcher = below.getPathMatcher(syntaxAndPattern);
        return path -> matcher.matches(unwrap(path));
    }

    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        return below.getUserPrincipalLookupService();
    }

    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException();
    }

    private record Mapped<A, B>(Iterator<A> source, Function<A, B> mapping) implements Iterator<B> {
        @Override
        public boolean hasNext() {
            return source.hasNext();
        }

        @Override
        public B next() {
            return mapping.apply(source.next());
        }
    }

    private record MappedStream(DirectoryStream<Path> source, Function<Path, Path> mapping)
            implements DirectoryStream<Path> {
        @Override
        public Iterator<Path> iterator() {
            return new Mapped<>(source.iterator(), mapping);
        }

        @Override
        public void close() throws IOException {
            source.close();
        }
    }

    private final class Provider extends FileSystemProvider {
        private FileSystemProvider real() {
            return below.provider();
        }

        @Override
        public String getScheme() {
            return "faulty";
        }

        @Override
        public FileSystem newFileSystem(URI uri, Map<String, ?> env) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FileSystem getFileSystem(URI uri) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Path getPath(URI uri) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FileChannel newFileChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
                throws IOException {
            boolean creates =
                    options.contains(StandardOpenOption.CREATE_NEW) || options.contains(StandardOpenOption.CREATE);
            at(creates ? Faults.Operation.CREATE : Faults.Operation.OPEN, unwrap(path));
            FileChannel channel = real().newFileChannel(unwrap(path), options, attributes);
            return new FaultyFileChannel(FaultyFileSystem.this, unwrap(path), channel);
        }

        @Override
        public SeekableByteChannel newByteChannel(
                Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes) throws IOException {
            return newFileChannel(path, options, attributes);
        }

        @Override
        public DirectoryStream<Path> newDirectoryStream(Path folder, DirectoryStream.Filter<? super Path> filter)
                throws IOException {
            at(Faults.Operation.LIST, unwrap(folder));
            DirectoryStream.Filter<Path> wrapping = entry -> filter.accept(wrap(entry));
            return new MappedStream(real().newDirectoryStream(unwrap(folder), wrapping), FaultyFileSystem.this::wrap);
        }

        @Override
        public void createDirectory(Path folder, FileAttribute<?>... attributes) throws IOException {
            at(Faults.Operation.CREATE_FOLDER, unwrap(folder));
            real().createDirectory(unwrap(folder), attributes);
        }

        @Override
        public void createLink(Path link, Path existing) throws IOException {
            at(Faults.Operation.LINK, unwrap(link));
            real().createLink(unwrap(link), unwrap(existing));
            at(Faults.Operation.LINKED, unwrap(link));
        }

        @Override
        public void createSymbolicLink(Path link, Path target, FileAttribute<?>... attributes) throws IOException {
            real().createSymbolicLink(unwrap(link), unwrap(target), attributes);
        }

        @Override
        public Path readSymbolicLink(Path link) throws IOException {
            return wrap(real().readSymbolicLink(unwrap(link)));
        }

        @Override
        public void delete(Path path) throws IOException {
            at(Faults.Operation.DELETE, unwrap(path));
            real().delete(unwrap(path));
        }

        @Override
        public void copy(Path source, Path target, CopyOption... options) throws IOException {
            real().copy(unwrap(source), unwrap(target), options);
        }

        @Override
        public void move(Path source, Path target, CopyOption... options) throws IOException {
            real().move(unwrap(source), unwrap(target), options);
        }

        @Override
        public boolean isSameFile(Path one, Path other) throws IOException {
            return real().isSameFile(unwrap(one), unwrap(other));
        }

        @Override
        public boolean isHidden(Path path) throws IOException {
            return real().isHidden(unwrap(path));
        }

        @Override
        public FileStore getFileStore(Path path) throws IOException {
            return real().getFileStore(unwrap(path));
        }

        @Override
        public void checkAccess(Path path, AccessMode... modes) throws IOException {
            at(Faults.Operation.LOOK, unwrap(path));
            real().checkAccess(unwrap(path), modes);
        }

        @Override
        public <V extends FileAttributeView> V getFileAttributeView(Path path, Class<V> type, LinkOption... options) {
            return real().getFileAttributeView(unwrap(path), type, options);
        }

        @Override
        public <A extends BasicFileAttributes> A readAttributes(Path path, Class<A> type, LinkOption... options)
                throws IOException {
            at(Faults.Operation.LOOK, unwrap(path));
            return real().readAttributes(unwrap(path), type, options);
        }

        @Override
        public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options)
                throws IOException {
            at(Faults.Operation.LOOK, unwrap(path));
            return real().readAttributes(unwrap(path), attributes, options);
        }

        @Override
        public void setAttribute(Path path, String attribute, Object value, LinkOption... options) throws IOException {
            real().setAttribute(unwrap(path), attribute, value, options);
        }
    }
}
