package io.genievm.kvm.lab;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A disk to be of a guest: says what it is to be, and then holds where it is. */
public final class GuestDisk {
    private final String target;
    private String format = "qcow2";
    private String compat = "1.1";
    private long size = 64 << 20;
    private byte @Nullable [] content;
    private @Nullable Map<String, byte[]> files;
    private boolean backed;
    private boolean block;
    private @Nullable Path source;

    GuestDisk(String target) {
        this.target = target;
    }

    /** A file of nothing but the disk's bytes. */
    public GuestDisk raw() {
        format = "raw";
        return this;
    }

    /** QCOW2 of version 2, which has neither bitmaps nor zero clusters. */
    public GuestDisk oldQcow2() {
        compat = "0.10";
        return this;
    }

    /** Bytes; a multiple of 512, as QEMU knows no others. */
    public GuestDisk size(long bytes) {
        if (bytes % 512 != 0) {
            throw new IllegalArgumentException(bytes + " is not a multiple of 512");
        }
        size = bytes;
        return this;
    }

    /** Makes it hold these bytes, and be as large. */
    public GuestDisk content(byte[] bytes) {
        content = bytes;
        return size(bytes.length);
    }

    /** Makes it an ext4 file system, which the guest mounts at {@code /mnt/<target>}. */
    public GuestDisk ext4(Map<String, byte[]> with) {
        files = new TreeMap<>(with);
        return this;
    }

    /** Has what it holds in a backing file, and nothing in itself. */
    public GuestDisk backed() {
        backed = true;
        return this;
    }

    /** A block device of the host, over the raw file. */
    public GuestDisk block() {
        block = true;
        return raw();
    }

    /** The name that the guest and libvirt have for it, {@code vda}. */
    public String target() {
        return target;
    }

    /** The file or device that libvirt knows. */
    public Path source() {
        if (source == null) {
            throw new IllegalStateException("disk " + target + " is not made yet");
        }
        return source;
    }

    /** {@code qcow2} or {@code raw}. */
    public String format() {
        return format;
    }

    boolean isBlock() {
        return block;
    }

    void make(Path folder) {
        Path raw = folder.resolve(target + ".raw");
        try {
            if (content != null) {
                Files.write(raw, content);
            } else {
                Programs.run("truncate", "--size", Long.toString(size), raw.toString());
            }
            if (files != null) {
                format(raw, folder.resolve(target + ".files"), files);
            }
            source = raw;
            if (block) {
                source = Path.of(Programs.run("losetup", "--find", "--show", raw.toString()));
            } else if (!format.equals("raw")) {
                source = image(raw, folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void format(Path raw, Path tree, Map<String, byte[]> files) throws IOException {
        Files.createDirectories(tree);
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Path path = tree.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.write(path, file.getValue());
        }
        // Nothing left to do for the guest's kernel in the background: it would be changes that no test has made.
        String now = "lazy_itable_init=0,lazy_journal_init=0";
        Programs.run("mke2fs", "-q", "-t", "ext4", "-E", now, "-d", tree.toString(), raw.toString());
        KvmLab.deleteFolder(tree);
    }

    private Path image(Path raw, Path folder) throws IOException {
        Path image = folder.resolve(target + ".qcow2");
        Path first = backed ? folder.resolve(target + "-base.qcow2") : image;
        String options = "compat=" + compat;
        Programs.run(
                "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, raw.toString(), first.toString());
        Files.delete(raw);
        if (backed) {
            String base = first.toString();
            Programs.run(
                    "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", base, "-F", "qcow2", "" + image);
        }
        return image;
    }

    void discard() {
        if (block && source != null) {
            Programs.run("losetup", "--detach", source.toString());
        }
    }
}
