package io.genievm.testkit.fault;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** What the processes of a {@link CrashFileSystem} see, and the record of all changes to it. Safe for use by several threads. */
final class Disk {
    static final String FULL = "No space left on device";

    private final Random random;
    private final Node.Folder root = new Node.Folder(0);
    private final List<Change> record = new ArrayList<>();
    private Origin origin = new Origin(root, Map.of(), Map.of());
    private long nodes = 1;
    private long used;
    private long capacity = Long.MAX_VALUE;
    private boolean shortTransfers;
    private boolean ignoreFolderForce;

    Disk(long seed) {
        this.random = new Random(seed);
    }

    /** What was durable before the first change. */
    record Origin(Node.Folder root, Map<Node.Folder, Map<String, Node>> folders, Map<Node.File, byte[]> files) {
        Map<String, Node> entries(Node.Folder folder) {
            return folders.getOrDefault(folder, Map.of());
        }

        byte[] content(Node.File file) {
            return files.getOrDefault(file, new byte[0]);
        }
    }

    // ---- to make one

    Node.Folder root() {
        return root;
    }

    Node.Folder addFolder(Node.Folder parent, String name) {
        Node.Folder folder = new Node.Folder(nodes++);
        parent.entries.put(name, folder);
        return folder;
    }

    Node.File addFile(Node.Folder parent, String name, byte[] content) {
        Node.File file = new Node.File(nodes++, content);
        used += content.length;
        addName(parent, name, file);
        return file;
    }

    void addName(Node.Folder parent, String name, Node.File file) {
        parent.entries.put(name, file);
        file.links++;
    }

    /** Calls durable what was added. */
    Disk settled() {
        Map<Node.Folder, Map<String, Node>> folders = new HashMap<>();
        Map<Node.File, byte[]> files = new HashMap<>();
        settle(root, folders, files);
        origin = new Origin(root, folders, files);
        return this;
    }

    private static void settle(
            Node.Folder folder, Map<Node.Folder, Map<String, Node>> folders, Map<Node.File, byte[]> files) {
        folders.put(folder, new LinkedHashMap<>(folder.entries));
        for (Node node : folder.entries.values()) {
            if (node instanceof Node.Folder below) {
                settle(below, folders, files);
            } else if (node instanceof Node.File file) {
                files.computeIfAbsent(file, Node.File::content);
            }
        }
    }

    synchronized Origin origin() {
        return origin;
    }

    // ---- settings and record

    synchronized void capacity(long bytes) {
        capacity = bytes;
    }

    synchronized long totalSpace() {
        return capacity;
    }

    synchronized long usableSpace() {
        return capacity == Long.MAX_VALUE ? capacity : Math.max(0, capacity - used);
    }

    synchronized void shortTransfers(boolean on) {
        shortTransfers = on;
    }

    synchronized void ignoreFolderForce(boolean on) {
        ignoreFolderForce = on;
    }

    synchronized int moment() {
        return record.size();
    }

    synchronized List<Change> record(int moment) {
        return List.copyOf(record.subList(0, moment));
    }

    private void write(Change change) {
        record.add(change);
    }

    // ---- names

    synchronized Node look(CrashPath path) throws IOException {
        return find(path);
    }

    synchronized List<String> list(CrashPath path) throws IOException {
        if (!(find(path) instanceof Node.Folder folder)) {
            throw new NotDirectoryException(path.toString());
        }
        List<String> names = new ArrayList<>(folder.entries.keySet());
        Collections.shuffle(names, random);
        return names;
    }

    synchronized void createFolder(CrashPath path) throws IOException {
        Node.Folder parent = parentOf(path);
        requireFree(parent, path);
        name(parent, path, new Node.Folder(nodes++));
    }

    synchronized void link(CrashPath link, CrashPath existing) throws IOException {
        if (!(find(existing) instanceof Node.File file)) {
            throw new FileSystemException(link.toString(), existing.toString(), "Operation not permitted");
        }
        Node.Folder parent = parentOf(link);
        requireFree(parent, link);
        name(parent, link, file);
    }

    synchronized void delete(CrashPath path) throws IOException {
        Node node = find(path);
        if (node instanceof Node.Folder folder && (folder == root || !folder.entries.isEmpty())) {
            throw new DirectoryNotEmptyException(path.toString());
        }
        unname(parentOf(path), path, null);
    }

    synchronized void move(CrashPath source, CrashPath target, boolean replace) throws IOException {
        Node node = find(source);
        Node.Folder to = parentOf(target);
        Node there = to.get(target.name());
        if (there == node) {
            return;
        }
        if (target.startsWith(source)) {
            throw new FileSystemException(source.toString(), target.toString(), "Invalid argument");
        }
        if (there != null && !replace) {
            throw new FileAlreadyExistsException(target.toString());
        }
        if (there instanceof Node.Folder folder && !folder.entries.isEmpty()) {
            throw new DirectoryNotEmptyException(target.toString());
        }
        Node.Folder from = parentOf(source);
        Change.Named named = name(to, target, node);
        unname(from, source, named);
        if (node instanceof Node.Folder && from != to) {
            // Else two folders could be each in the other, and nowhere: every file system takes care of that.
            write(new Change.Forced(from));
            write(new Change.Forced(to));
        }
    }

    private Change.Named name(Node.Folder parent, CrashPath path, Node node) {
        Node before = parent.entries.put(path.name(), node);
        if (node instanceof Node.File file) {
            file.links++;
        }
        Change.Named named = new Change.Named(parent, path.name(), node);
        write(named);
        parent.modified = record.size();
        forgetName(before);
        return named;
    }

    private void unname(Node.Folder parent, CrashPath path, Change.@Nullable Named movedTo) {
        Node before = parent.entries.remove(path.name());
        write(new Change.Unnamed(parent, path.name(), movedTo));
        parent.modified = record.size();
        forgetName(before);
    }

    private void forgetName(@Nullable Node node) {
        if (node instanceof Node.File file) {
            file.links--;
            release(file);
        }
    }

    private void release(Node.File file) {
        if (file.links == 0 && file.channels == 0) {
            used -= file.size();
        }
    }

    private Node find(CrashPath path) throws IOException {
        Node node = root;
        for (String name : path.names()) {
            if (!(node instanceof Node.Folder folder)) {
                throw notFolder(path);
            }
            node = folder.get(name);
            if (node == null) {
                throw new NoSuchFileException(path.toString());
            }
        }
        return node;
    }

    private Node.Folder parentOf(CrashPath path) throws IOException {
        CrashPath parent = path.toAbsolutePath().getParent();
        if (parent == null) {
            throw new FileSystemException(path.toString(), null, "Device or resource busy");
        }
        try {
            if (find(parent) instanceof Node.Folder folder) {
                return folder;
            }
        } catch (NoSuchFileException e) {
            throw new NoSuchFileException(path.toString());
        }
        throw notFolder(path);
    }

    private static void requireFree(Node.Folder parent, CrashPath path) throws IOException {
        if (parent.get(path.name()) != null) {
            throw new FileAlreadyExistsException(path.toString());
        }
    }

    private static FileSystemException notFolder(CrashPath path) {
        return new FileSystemException(path.toString(), null, "Not a directory");
    }

    // ---- content

    /** Opens a file or folder, which {@link #close} ends. */
    synchronized Node open(CrashPath path, OpenMode mode) throws IOException {
        Node node = null;
        try {
            node = find(path);
        } catch (NoSuchFileException e) {
            if (!mode.create()) {
                throw e;
            }
        }
        if (node != null && mode.createNew()) {
            throw new FileAlreadyExistsException(path.toString());
        }
        if (node == null) {
            node = new Node.File(nodes++, new byte[0]);
            name(parentOf(path), path, node);
        }
        if (node instanceof Node.File file) {
            file.channels++;
            if (mode.cut()) {
                cut(file, 0);
            }
        } else if (mode.write()) {
            throw new FileSystemException(path.toString(), null, "Is a directory");
        }
        return node;
    }

    /** Ends the use of a node. The name goes with the channel if it is still the file's. */
    synchronized void close(Node node, CrashPath path, boolean deleteOnClose) throws IOException {
        if (node instanceof Node.File file) {
            file.channels--;
            release(file);
            if (deleteOnClose && Objects.equals(parentOf(path).get(path.name()), node)) {
                unname(parentOf(path), path, null);
            }
        }
    }

    synchronized long size(Node node) {
        return node instanceof Node.File file ? file.size() : 0;
    }

    /** Fills a buffer as far as it goes; gives -1 at the end. */
    synchronized int read(Node node, long position, ByteBuffer target) throws IOException {
        Node.File file = requireFile(node);
        if (position >= file.size()) {
            return target.hasRemaining() ? -1 : 0;
        }
        byte[] bytes = new byte[transfer((int) Math.min(target.remaining(), file.size() - position))];
        file.read((int) position, bytes);
        target.put(bytes);
        return bytes.length;
    }

    /** Writes some of a buffer, at the file's end where there is no position. */
    synchronized int write(Node node, @Nullable Long position, ByteBuffer source) throws IOException {
        Node.File file = requireFile(node);
        long offset = position == null ? file.size() : position;
        if (!source.hasRemaining()) {
            return 0;
        }
        int count = transfer(source.remaining());
        long room = Math.min(
                Integer.MAX_VALUE - 8, file.size() + (capacity == Long.MAX_VALUE ? capacity / 2 : capacity - used));
        if (offset + count > file.size()) {
            count = (int) Math.min(count, Math.max(room, file.size()) - offset);
        }
        if (count <= 0) {
            throw new IOException(FULL);
        }
        byte[] bytes = new byte[count];
        source.get(bytes);
        int before = file.size();
        file.write((int) offset, bytes);
        used += file.size() - before;
        write(new Change.Written(file, (int) offset, bytes));
        file.modified = record.size();
        return count;
    }

    synchronized void cut(Node node, long size) throws IOException {
        Node.File file = requireFile(node);
        if (size < file.size()) {
            used -= file.size() - size;
            file.cut((int) size);
            write(new Change.Cut(file, (int) size));
            file.modified = record.size();
        }
    }

    synchronized void force(Node node) {
        if (!ignoreFolderForce) {
            write(new Change.Forced(node));
        } else if (node instanceof Node.File file) {
            write(new Change.Forced(node));
            forceNames(root, file);
        }
    }

    /** Whether there was a name of a file in or below a folder, which is durable now. */
    private boolean forceNames(Node.Folder folder, Node.File file) {
        boolean any = false;
        for (Node node : folder.entries.values()) {
            any |= node == file || node instanceof Node.Folder below && forceNames(below, file);
        }
        if (any) {
            write(new Change.Forced(folder));
        }
        return any;
    }

    synchronized void failForce(Node node) {
        if (node instanceof Node.File file) {
            write(new Change.ForceFailed(file));
        }
    }

    private int transfer(int bytes) {
        return shortTransfers && bytes > 1 && random.nextInt(3) == 0 ? 1 + random.nextInt(bytes) : bytes;
    }

    private static Node.File requireFile(Node node) throws IOException {
        if (node instanceof Node.File file) {
            return file;
        }
        throw new IOException("Is a directory");
    }

    // ---- locks

    /** Locks a range of a file, which nobody else can have locked but this process. */
    synchronized CrashLock lock(CrashChannel channel, Node node, long position, long size, boolean shared)
            throws IOException {
        Node.File file = requireFile(node);
        for (FileLock held : file.locks) {
            if (held.overlaps(position, size)) {
                throw new OverlappingFileLockException();
            }
        }
        CrashLock lock = new CrashLock(channel, position, size, shared);
        file.locks.add(lock);
        return lock;
    }

    synchronized void unlock(Node node, CrashLock lock) {
        if (node instanceof Node.File file) {
            file.locks.remove(lock);
        }
    }

    synchronized boolean isLocked(Node node, CrashLock lock) {
        return node instanceof Node.File file && file.locks.contains(lock);
    }
}
