package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * An answer that may not fit into memory. It is written to a file first, as half an answer is none: until it is whole,
 * a failure can still be answered instead. The file has no name, so that nothing is left of it whatever happens.
 */
final class Spool implements Answer, Closeable {
    private static final int BUFFER_BYTES = 64 << 10;

    private final FileChannel file;
    private final OutputStream stream;
    private final Runnable check;

    /**
     * Makes an empty one.
     *
     * @param check is called between pieces that are printed, to throw when enough has been
     */
    Spool(Runnable check) throws IOException {
        Path path = Files.createTempFile("genievm-", "");
        try {
            this.file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } finally {
            Files.delete(path);
        }
        this.stream = new BufferedOutputStream(Channels.newOutputStream(file), BUFFER_BYTES);
        this.check = check;
    }

    /** Where to write the answer to, in the form that was asked for. To be flushed, not closed. */
    OutputStream stream() {
        return stream;
    }

    /** Prints what was written, and closes this. */
    @Override
    public void print(boolean json, PrintStream output) {
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        try (this) {
            file.position(0);
            while (file.read(buffer.clear()) > 0 && !output.checkError()) {
                check.run();
                output.write(buffer.array(), 0, buffer.position());
            }
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR, Resource.NONE, "can not read the answer back: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
