package io.genievm.testkit.fault;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What names lead to. Guarded by the lock of its {@link Disk}. */
abstract sealed class Node {
    final long id;
    long modified;

    private Node(long id) {
        this.id = id;
    }

    /** Bytes. */
    static final class File extends Node {
        private byte[] bytes;
        private int size;
        int links;
        int channels;
        final List<CrashLock> locks = new ArrayList<>();

        File(long id, byte[] content) {
            super(id);
            this.bytes = content;
            this.size = content.length;
        }

        int size() {
            return size;
        }

        byte[] content() {
            return Arrays.copyOf(bytes, size);
        }

        void read(int offset, byte[] target) {
            System.arraycopy(bytes, offset, target, 0, target.length);
        }

        void write(int offset, byte[] source) {
            int end = offset + source.length;
            if (end > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(end, (int) Math.min(bytes.length * 2L, Integer.MAX_VALUE - 8)));
            }
            System.arraycopy(source, 0, bytes, offset, source.length);
            size = Math.max(size, end);
        }

        void cut(int length) {
            if (length < size) {
                Arrays.fill(bytes, length, size, (byte) 0);
                size = length;
            }
        }
    }

    /** Names. */
    static final class Folder extends Node {
        final Map<String, Node> entries = new LinkedHashMap<>();

        Folder(long id) {
            super(id);
        }

        @Nullable
        Node get(String name) {
            return entries.get(name);
        }
    }
}
