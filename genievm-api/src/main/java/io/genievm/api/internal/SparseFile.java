package io.genievm.api.internal;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Gives a file a length without writing into it. */
public final class SparseFile {
    private SparseFile() {}

    /**
     * Makes an empty file longer, by one hole.
     *
     * @param file an empty file
     * @param length in bytes
     * @throws IOException when it can not be
     */
    public static void setLength(Path file, long length) throws IOException {
        if (file.getFileSystem() == FileSystems.getDefault()) {
            try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                sparse.setLength(length);
            }
        } else if (length > 0) {
            // A channel can only make a file longer by writing into it, which leaves a block that is no hole.
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.allocate(1), length - 1);
            }
        }
    }
}
