package io.genievm.benchmarks;

import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** A disk in an array, to read and to write. Allocates nothing. Closing it does nothing. */
final class ArrayDisk implements DiskReader, DiskWriter {
    private final byte[] content;

    ArrayDisk(byte[] content) {
        this.content = content;
    }

    @Override
    public DiskLimits limits() {
        return DiskLimits.FILE;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
        target.put(content, (int) offset, target.remaining());
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        source.get(content, (int) offset, source.remaining());
    }

    @Override
    public void zero(long offset, long length) {
        Arrays.fill(content, (int) offset, (int) (offset + length), (byte) 0);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
}
