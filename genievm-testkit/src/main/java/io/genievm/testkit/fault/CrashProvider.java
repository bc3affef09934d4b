package io.genievm.testkit.fault;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileTime;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Carries out what {@link Files} asks of a {@link CrashFileSystem}. */
final class CrashProvider extends FileSystemProvider {
    private final CrashFileSystem system;

    CrashProvider(CrashFileSystem system) {
        this.system = system;
    }

    @Override
    public String getScheme() {
        return "crash";
    }

    @Override
    public FileSystem newFileSystem(URI uri, Map<String, ?> env) {
        throw noUris();
    }

    @Override
    public FileSystem getFileSystem(URI uri) {
        throw noUris();
    }

    @Override
    public Path getPath(URI uri) {
        throw noUris();
    }

    private static UnsupportedOperationException noUris() {
        return new UnsupportedOperationException("a crash file system has no URI");
    }

    @Override
    public FileChannel newFileChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        requireNone(attributes);
        OpenMode mode = OpenMode.of(options);
        at(mode.create() ? CrashFileSystem.Call.CREATE : CrashFileSystem.Call.OPEN, path);
        return new CrashChannel(system, own(path), mode);
    }

    @Override
    public SeekableByteChannel newByteChannel(
            Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes) throws IOException {
        return newFileChannel(path, options, attributes);
    }

    @Override
    public DirectoryStream<Path> newDirectoryStream(Path folder, DirectoryStream.Filter<? super Path> filter)
            throws IOException {
        at(CrashFileSystem.Call.LIST, folder);
        List<Path> entries = new ArrayList<>();
        for (String name : system.disk().list(own(folder))) {
            Path entry = folder.resolve(name);
            if (filter.accept(entry)) {
                entries.add(entry);
            }
        }
        return new Entries(entries);
    }

    /** What was in a folder when it was opened. */
    private static final class Entries implements DirectoryStream<Path> {
        private final List<Path> entries;
        private boolean used;

        Entries(List<Path> entries) {
            this.entries = entries;
        }

        /** As the interface has it: once. Throws {@link DirectoryIteratorException} never, as all was read before. */
        @Override
        public Iterator<Path> iterator() {
            if (used) {
                throw new IllegalStateException("a directory stream has one iterator, which ends with it");
            }
            used = true;
            return entries.iterator();
        }

        @Override
        public void close() {
            used = true;
        }
    }

    @Override
    public void createDirectory(Path folder, FileAttribute<?>... attributes) throws IOException {
        requireNone(attributes);
        at(CrashFileSystem.Call.CREATE_FOLDER, folder);
        system.disk().createFolder(own(folder));
    }

    @Override
    public void createLink(Path link, Path existing) throws IOException {
        at(CrashFileSystem.Call.LINK, link);
        system.disk().link(own(link), own(existing));
        at(CrashFileSystem.Call.LINKED, link);
    }

    @Override
    public void delete(Path path) throws IOException {
        at(CrashFileSystem.Call.DELETE, path);
        system.disk().delete(own(path));
    }

    @Override
    public void copy(Path source, Path target, CopyOption... options) {
        throw new UnsupportedOperationException("no copies: write the file, so that what is lost of it is known");
    }

    @Override
    public void move(Path source, Path target, CopyOption... options) throws IOException {
        at(CrashFileSystem.Call.MOVE, source);
        Set<CopyOption> given = Set.of(options);
        boolean replaces =
                given.contains(StandardCopyOption.REPLACE_EXISTING) || given.contains(StandardCopyOption.ATOMIC_MOVE);
        system.disk().move(own(source), own(target), replaces);
    }

    @Override
    public boolean isSameFile(Path one, Path other) throws IOException {
        return one.equals(other)
                || one.getFileSystem() == other.getFileSystem()
                        && system.disk().look(own(one)) == system.disk().look(own(other));
    }

    @Override
    public boolean isHidden(Path path) {
        return own(path).name().startsWith(".");
    }

    @Override
    public FileStore getFileStore(Path path) throws IOException {
        system.disk().look(own(path));
        return system.getFileStores().iterator().next();
    }

    /** Everybody may do everything. */
    @Override
    public void checkAccess(Path path, AccessMode... modes) throws IOException {
        at(CrashFileSystem.Call.LOOK, path);
        system.disk().look(own(path));
    }

    @Override
    public <V extends FileAttributeView> @Nullable V getFileAttributeView(
            Path path, Class<V> type, LinkOption... options) {
        return type == BasicFileAttributeView.class ? type.cast(new View(path)) : null;
    }

    @Override
    public <A extends BasicFileAttributes> A readAttributes(Path path, Class<A> type, LinkOption... options)
            throws IOException {
        if (type != BasicFileAttributes.class) {
            throw new UnsupportedOperationException("attributes " + type.getName());
        }
        at(CrashFileSystem.Call.LOOK, path);
        Node node = system.disk().look(own(path));
        return type.cast(
                new Attributes(node instanceof Node.Folder, system.disk().size(node), node.modified, node.id));
    }

    @Override
    public Map<String, Object> readAttributes(Path path, String names, LinkOption... options) throws IOException {
        BasicFileAttributes attributes = readAttributes(path, BasicFileAttributes.class, options);
        Map<String, Object> all = Map.of(
                "size", attributes.size(),
                "isDirectory", attributes.isDirectory(),
                "isRegularFile", attributes.isRegularFile(),
                "isSymbolicLink", false,
                "isOther", false,
                "lastModifiedTime", attributes.lastModifiedTime(),
                "lastAccessTime", attributes.lastAccessTime(),
                "creationTime", attributes.creationTime(),
                "fileKey", attributes.fileKey());
        String list = names.startsWith("basic:") ? names.substring("basic:".length()) : names;
        if (list.equals("*")) {
            return all;
        }
        Map<String, Object> chosen = new HashMap<>();
        for (String name : list.split(",")) {
            if (!all.containsKey(name)) {
                throw new IllegalArgumentException("attribute " + name);
            }
            chosen.put(name, all.get(name));
        }
        return chosen;
    }

    @Override
    public void setAttribute(Path path, String attribute, Object value, LinkOption... options) {
        throw new UnsupportedOperationException("attributes are not set");
    }

    private record View(Path path) implements BasicFileAttributeView {
        @Override
        public String name() {
            return "basic";
        }

        @Override
        public BasicFileAttributes readAttributes() throws IOException {
            return Files.readAttributes(path, BasicFileAttributes.class);
        }

        @Override
        public void setTimes(@Nullable FileTime modified, @Nullable FileTime accessed, @Nullable FileTime created) {
            throw new UnsupportedOperationException("times are not set");
        }
    }

    /** Time is the number of changes that were made before. */
    private record Attributes(boolean isDirectory, long size, long modified, long id) implements BasicFileAttributes {
        @Override
        public FileTime lastModifiedTime() {
            return FileTime.fromMillis(modified);
        }

        @Override
        public FileTime lastAccessTime() {
            return lastModifiedTime();
        }

        @Override
        public FileTime creationTime() {
            return lastModifiedTime();
        }

        @Override
        public boolean isRegularFile() {
            return !isDirectory;
        }

        @Override
        public boolean isSymbolicLink() {
            return false;
        }

        @Override
        public boolean isOther() {
            return false;
        }

        @Override
        public Object fileKey() {
            return id;
        }
    }

    private void at(CrashFileSystem.Call call, Path path) throws IOException {
        system.at(call, own(path));
    }

    private CrashPath own(Path path) {
        if (path instanceof CrashPath own && own.getFileSystem() == system) {
            return own.toAbsolutePath();
        }
        throw new ProviderMismatchException();
    }

    private static void requireNone(FileAttribute<?>[] attributes) {
        if (attributes.length > 0) {
            throw new UnsupportedOperationException("attribute " + attributes[0].name());
        }
    }
}
