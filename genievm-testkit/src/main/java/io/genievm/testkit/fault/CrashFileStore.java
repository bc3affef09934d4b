package io.genievm.testkit.fault;

import java.nio.file.FileStore;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileStoreAttributeView;
import org.jspecify.annotations.Nullable;

/** Tells how full a {@link Disk} is. */
final class CrashFileStore extends FileStore {
    private final Disk disk;
    private final String name;

    CrashFileStore(Disk disk, String name) {
        this.disk = disk;
        this.name = name;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String type() {
        return "crash";
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public long getTotalSpace() {
        return disk.totalSpace();
    }

    @Override
    public long getUsableSpace() {
        return disk.usableSpace();
    }

    @Override
    public long getUnallocatedSpace() {
        return disk.usableSpace();
    }

    @Override
    public long getBlockSize() {
        return 4096;
    }

    @Override
    public boolean supportsFileAttributeView(Class<? extends FileAttributeView> type) {
        return type == BasicFileAttributeView.class;
    }

    @Override
    public boolean supportsFileAttributeView(String view) {
        return view.equals("basic");
    }

    @Override
    public <V extends FileStoreAttributeView> @Nullable V getFileStoreAttributeView(Class<V> type) {
        return null;
    }

    @Override
    public Object getAttribute(String attribute) {
        throw new UnsupportedOperationException("attribute " + attribute);
    }
}
