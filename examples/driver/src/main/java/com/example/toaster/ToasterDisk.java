package com.example.toaster;

import com.example.toaster.ToasterProvider.Life;
import io.genievm.api.*;
import io.genievm.api.hypervisor.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A copy of a disk, which is small on a Toaster: a file {@code raw} with its bytes, and a file {@code log} with a UUID in
 * the first line and {@code <offset> <length>} of every write since in the others.
 */
record ToasterDisk(DiskId id, DiskLimits limits, List<String> log, byte[] bytes, String session, Life life)
        implements SnapshotDisk {
    static ToasterDisk copy(Path folder, String session, Life life) {
        DiskId id = new DiskId(folder.getFileName().toString());
        // The log first: what is written between the two is in the copy, and in the list of the next snapshot as well.
        List<String> log = ToasterProvider.read(folder, () -> Files.readAllLines(folder.resolve("log")));
        byte[] bytes = ToasterProvider.read(folder, () -> Files.readAllBytes(folder.resolve("raw")));
        return new ToasterDisk(id, DiskLimits.FILE, log, bytes, session, life);
    }

    @Override
    public long capacity() {
        return bytes.length;
    }

    // guide: tokens
    @Override
    public Optional<ChangeToken> token() {
        return Optional.of(new ChangeToken(log.get(0) + " " + bytes.length + " " + log.size() + " " + session));
    }

    @Override
    public Changes changesSince(ChangeToken token) {
        life.requireOpen();
        String[] words = token.value().split(" ");
        if (words.length != 4 || !words[0].equals(log.get(0)) || !words[1].equals(bytes.length + "")) {
            return new Changes.Unknown("TOKEN_UNKNOWN", "the token is not of this log, or of another capacity");
        }
        BitSet blocks = new BitSet();
        for (String line : log.subList(Integer.parseInt(words[2]), log.size())) {
            int offset = Integer.parseInt(line.split(" ")[0]);
            blocks.set(offset >> 12, (offset + Integer.parseInt(line.split(" ")[1]) + 4095) >> 12);
        }
        return new Changes.Known(ExtentCursor.of(blocks.stream()
                .mapToObj(block -> new Extent(block << 12, Math.min(4096, bytes.length - (block << 12))))
                .toList()));
    }
    // guide: end

    @Override
    public ExtentCursor allocated() {
        life.requireOpen();
        return ExtentCursor.whole(bytes.length);
    }

    // guide: reader
    @Override
    public DiskReader openReader() {
        life.requireOpen();
        return new Reader(bytes, new Life(life, new AtomicBoolean()));
    }

    record Reader(byte[] bytes, Life life) implements DiskReader {
        @Override
        public void read(long offset, ByteBuffer target) {
            life.requireOpen();
            target.put(bytes, (int) offset, target.remaining());
        }

        @Override
        public void close() {
            life.ended().set(true);
        }
    }
    // guide: end
}
