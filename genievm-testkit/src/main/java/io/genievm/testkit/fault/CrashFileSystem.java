package io.genievm.testkit.fault;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.WatchService;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * A file system on the heap that knows what a disk may hold after a power cut. A store that can work in a {@link Path} is
 * run in one; every change is written down, and {@link #crash} makes from any moment of that record a new file system with
 * one of the states that the disk may then have had. One record gives any number of states, without running anything again.
 *
 * <p>What may be lost, and what not:
 *
 * <ol>
 *   <li>What was written into a file before its last successful {@code force} is there, and so is the file's length then.
 *   <li>Of what was written since, each block is there or not, some torn at any byte, in any order; also where the file's
 *       new length is there already, and zeroes stand for what is not.
 *   <li>An entry of a folder (a file created, linked, moved or deleted, a folder made or removed) is durable when the folder
 *       that holds it was forced afterwards, opened as a channel for reading. Before that each name is as any of the changes
 *       to it left it, whatever became of other names. To force a file does nothing for its names, to force a folder nothing
 *       for its own name, nor for what the files in it hold.
 *   <li>A name that was moved is gone from where it was only if it is where it went. A folder that was moved is in one
 *       place; to move one into another folder forces both that it is moved between.
 *   <li>When a {@code force} of a file fails, what it was to write is on the disk or lost, and no later one writes it, as
 *       Linux has it. A folder's changes are not forgotten by a {@code force} that failed.
 *   <li>Locks end.
 * </ol>
 *
 * <p>These are more states than one real file system has: most keep the order of changes to folders. What bears them all
 * bears any.
 *
 * <p>While it runs, a {@link Hook} can make any call fail, the disk can be {@linkplain #capacity full} at any byte, and
 * {@linkplain #shortTransfers reads and writes can move less} than they were asked to. Listings come in any order.
 *
 * <p>It has files, folders and hard links, file locks among the threads of this process, and the attributes of
 * {@link java.nio.file.attribute.BasicFileAttributes}; no symbolic links, no permissions, no mapped memory, and no URIs. A
 * file has at most 2 GiB. All chances come from seeds: the same calls by one thread give the same record, and the same moment
 * and seed then give the same state. Safe for use by several threads.
 *
 * @since 0.1
 */
public final class CrashFileSystem extends FileSystem {
    private static final Hook NONE = event -> {};

    private final Disk disk;
    private final String name;
    private final CrashProvider provider = new CrashProvider(this);
    private volatile Hook hook = NONE;

    private CrashFileSystem(Disk disk, String name) {
        this.disk = disk;
        this.name = name;
    }

    /**
     * Makes an empty file system.
     *
     * @param seed decides the order of listings, and which reads and writes are short
     * @return a file system with a root folder
     */
    public static CrashFileSystem create(long seed) {
        return new CrashFileSystem(new Disk(seed), "crash file system with seed " + seed);
    }

    /**
     * What is done to a path.
     *
     * @since 0.1
     */
    public enum Call {
        /** A file is opened that is created if need be. */
        CREATE,
        /** A file or folder is opened that has to be there. */
        OPEN,
        /** A file is read. */
        READ,
        /** A file is written or cut. */
        WRITE,
        /** A file or folder is forced. What the hook throws is the failure that loses what was to be written. */
        FORCE,
        /** A file is to get another name, which is the path. */
        LINK,
        /** A file has got another name. To throw here is to lose the answer. */
        LINKED,
        /** A file or folder is to get another name and to lose this one. */
        MOVE,
        /** A file or an empty folder is deleted. */
        DELETE,
        /** A folder is made. */
        CREATE_FOLDER,
        /** A folder is listed. */
        LIST,
        /** The attributes of a file or folder are read. */
        LOOK
    }

    /**
     * A call that is about to be carried out.
     *
     * @param call which one
     * @param path the path that it is about, of this file system
     * @since 0.1
     */
    public record Event(Call call, Path path) {}

    /**
     * Is asked before every call, and once {@linkplain Call#LINKED after} one. Called by whatever thread makes the call, with
     * no lock held; its own calls come back to it.
     *
     * @since 0.1
     */
    @FunctionalInterface
    public interface Hook {
        /**
         * Is told what is about to be done. Whatever it throws is thrown to the caller, and the call is not carried out.
         *
         * @param event the call
         * @throws IOException to make the call fail
         */
        void before(Event event) throws IOException;
    }

    /**
     * Sets what is asked before every call.
     *
     * @param value the hook, in place of the last one
     */
    public void hook(Hook value) {
        hook = value;
    }

    /** Takes the hook away. */
    public void removeHook() {
        hook = NONE;
    }

    /**
     * Sets how many bytes the files may have together. A write that finds room for some of its bytes writes these; one that
     * finds none fails with the words of Linux. Names take no room.
     *
     * @param bytes the most bytes, 0 or more; what is there already stays
     */
    public void capacity(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a disk can not have " + bytes + " bytes");
        }
        disk.capacity(bytes);
    }

    /**
     * Sets whether some reads and writes move fewer bytes than they could, one at the least.
     *
     * @param on the setting from now on; off unless set
     */
    public void shortTransfers(boolean on) {
        disk.shortTransfers(on);
    }

    /**
     * Sets whether folders can not be forced, as on some file systems in user space: then that does nothing, without a word,
     * and to force a file also makes durable what the folders on the way to each of its names hold.
     *
     * @param on the setting from now on; off unless set
     */
    public void ignoreFolderForce(boolean on) {
        disk.ignoreFolderForce(on);
    }

    /**
     * How many changes were written down so far; those that a call makes are counted when it returns.
     *
     * @return the number to give to {@link #crash} to cut the power now
     */
    public int moment() {
        return disk.moment();
    }

    /**
     * Cuts the power at a moment of the past. This file system is not changed, and may go on meanwhile.
     *
     * @param moment how many changes were made before, from 0 to {@link #moment()}
     * @param seed decides what is on the disk; many seeds give extremes, such as all names without any data
     * @return a new file system that begins with what was on the disk, all of it durable, without hook or limits
     * @throws IndexOutOfBoundsException when there is no such moment
     */
    public CrashFileSystem crash(int moment, long seed) {
        Random random = new Random(seed * 0x9E3779B97F4A7C15L);
        Disk left = new PowerCut(disk.record(moment), random).apply(disk.origin(), seed);
        return new CrashFileSystem(left, name + ", crashed at moment " + moment + " with seed " + seed);
    }

    /**
     * The root folder.
     *
     * @return the path {@code /}
     */
    public Path root() {
        return getPath("/");
    }

    Disk disk() {
        return disk;
    }

    void at(Call call, Path path) throws IOException {
        hook.before(new Event(call, path));
    }

    @Override
    public FileSystemProvider provider() {
        return provider;
    }

    /**
     * There is nothing to close.
     *
     * @throws UnsupportedOperationException always
     */
    @Override
    public void close() {
        throw new UnsupportedOperationException("a crash file system is not closed");
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public String getSeparator() {
        return "/";
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        return List.of(root());
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        return List.of(new CrashFileStore(disk, name));
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return Set.of("basic");
    }

    @Override
    public Path getPath(String first, String... more) {
        return CrashPath.parse(this, first, more);
    }

    /**
     * Not supported.
     *
     * @throws UnsupportedOperationException always
     */
    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        throw new UnsupportedOperationException("no path matchers");
    }

    /**
     * Not supported.
     *
     * @throws UnsupportedOperationException always
     */
    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        throw new UnsupportedOperationException("no users");
    }

    /**
     * Not supported.
     *
     * @throws UnsupportedOperationException always
     */
    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException("no watch service");
    }

    /** Tells the seeds that this file system came from. */
    @Override
    public String toString() {
        return name;
    }
}
