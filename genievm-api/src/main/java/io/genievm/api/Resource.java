package io.genievm.api;

import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/**
 * What an error is about, as far as it is known. Every part is optional.
 *
 * @param vm the VM, or {@code null}
 * @param disk the disk, or {@code null}
 * @param extent the range of the disk or of the object in bytes, or {@code null}
 * @param name the key of an object, a path or an address, or {@code null}
 * @since 0.1
 */
public record Resource(
        @Nullable VmId vm,
        @Nullable DiskId disk,
        @Nullable Extent extent,
        @Nullable String name) implements Serializable {
    /** About nothing in particular. */
    public static final Resource NONE = new Resource(null, null, null, null);

    /**
     * About a VM.
     *
     * @param vm the VM
     * @return the resource
     */
    public static Resource of(VmId vm) {
        return new Resource(vm, null, null, null);
    }

    /**
     * About a disk.
     *
     * @param vm the VM
     * @param disk its disk
     * @return the resource
     */
    public static Resource of(VmId vm, DiskId disk) {
        return new Resource(vm, disk, null, null);
    }

    /**
     * About a range of a disk.
     *
     * @param vm the VM
     * @param disk its disk
     * @param extent the range in bytes
     * @return the resource
     */
    public static Resource of(VmId vm, DiskId disk, Extent extent) {
        return new Resource(vm, disk, extent, null);
    }

    /**
     * About an object of a store, a file or an address.
     *
     * @param name the key, path or address; without secrets
     * @return the resource
     */
    public static Resource named(String name) {
        return new Resource(null, null, null, name);
    }

    /**
     * Says it in words, such as {@code vm 'web', disk 'root.raw', bytes 65536 to 131071}.
     *
     * @return the words; empty when nothing is known
     */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        append(text, vm == null ? null : "vm '" + vm + "'");
        append(text, disk == null ? null : "disk '" + disk + "'");
        append(text, name);
        append(text, extent == null ? null : "bytes " + extent.offset() + " to " + (extent.end() - 1));
        return text.toString();
    }

    private static void append(StringBuilder text, @Nullable String part) {
        if (part != null) {
            text.append(text.isEmpty() ? "" : ", ").append(part);
        }
    }
}
