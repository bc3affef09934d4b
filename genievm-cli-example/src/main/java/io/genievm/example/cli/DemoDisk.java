package io.genievm.example.cli;

import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;

/**
 * A disk whose content is a function of position and age, so that it can be written, changed and compared without
 * keeping a copy. It has what disks have: holes, text, noise that does not compress, and blocks that other disks hold
 * as well.
 *
 * @param name the file's name, which is the disk's id
 * @param capacity its size in bytes
 * @param holes how many of a hundred stretches are holes
 */
record DemoDisk(String name, long capacity, int holes) {
    private static final int BLOCK = 64 << 10;
    /** Blocks of one kind that lie side by side, as those of a file do. */
    private static final int STRETCH = 8;
    /** One block in so many changes. */
    private static final int CHANGED_ONE_IN = 40;

    private static final byte[][] WORDS = Arrays.stream(
                    ("kernel systemd sshd cron nginx postgres started stopped connection request from to port user root"
                                    + " session opened closed in ms status 200 404 500 GET POST /index.html /api/v1/items"
                                    + " 10.0.0.1 10.0.0.2 warning error info debug\n")
                            .split(" "))
            .map(word -> (word.endsWith("\n") ? word : word + " ").getBytes(StandardCharsets.US_ASCII))
            .toArray(byte[][]::new);

    private enum Kind {
        HOLE,
        TEXT,
        NOISE,
        SHARED
    }

    /** Is called before each block. */
    interface Pause {
        void check();
    }

    /** Writes the disk as it is at first: holes stay holes. */
    void create(Path folder, Pause pause) throws IOException {
        try (FileChannel file = FileChannel.open(
                folder.resolve(name),
                StandardOpenOption.CREATE_NEW,
                StandardOpenOption.SPARSE,
                StandardOpenOption.WRITE)) {
            for (long block = 0; block < blocks(); block++) {
                pause.check();
                if (kind(block, 0) != Kind.HOLE) {
                    write(file, block, 0);
                }
            }
            if (file.size() < capacity) {
                file.write(ByteBuffer.allocate(1), capacity - 1);
            }
        }
    }

    /** Makes the disk older: rewrites some of its blocks, fills some holes, zeroes some data. Gives the bytes written. */
    long change(Path folder, int age, Pause pause) throws IOException {
        long written = 0;
        try (FileChannel file = FileChannel.open(folder.resolve(name), StandardOpenOption.WRITE)) {
            for (Extent block : written(age)) {
                pause.check();
                written += write(file, block.offset() / BLOCK, age);
            }
        }
        return written;
    }

    /** What {@link #change} writes to make the disk as old as that: one range for each block, ascending. */
    List<Extent> written(int age) {
        return LongStream.range(0, blocks())
                .filter(block -> version(block, age) == age)
                .mapToObj(this::extent)
                .toList();
    }

    /** Where the disk at one age is not what it is at another: ranges that do not touch, ascending. */
    List<Extent> differences(int from, int to) {
        List<Extent> differences = new ArrayList<>();
        for (long block = 0; block < blocks(); block++) {
            if (version(block, from) == version(block, to) || Arrays.equals(content(block, from), content(block, to))) {
                continue;
            }
            Extent extent = extent(block);
            int last = differences.size() - 1;
            if (last >= 0 && differences.get(last).end() == extent.offset()) {
                Extent before = differences.get(last);
                differences.set(last, new Extent(before.offset(), before.length() + extent.length()));
            } else {
                differences.add(extent);
            }
        }
        return differences;
    }

    /** Compares a file with the disk at some age: gives the offset of the first byte that differs, or -1 if none does. */
    long mismatch(Path folder, int age, Pause pause) throws IOException {
        try (FileChannel file = FileChannel.open(folder.resolve(name), StandardOpenOption.READ)) {
            if (file.size() != capacity) {
                return Math.min(file.size(), capacity);
            }
            for (long block = 0; block < blocks(); block++) {
                pause.check();
                byte[] expected = content(block, age);
                ByteBuffer actual = ByteBuffer.allocate(expected.length);
                int read = 0;
                while (actual.hasRemaining() && read >= 0) {
                    read = file.read(actual, block * BLOCK + actual.position());
                }
                int first = Arrays.mismatch(expected, actual.array());
                if (first >= 0) {
                    return block * BLOCK + first;
                }
            }
            return -1;
        }
    }

    private long blocks() {
        return (capacity + BLOCK - 1) / BLOCK;
    }

    private int write(FileChannel file, long block, int age) throws IOException {
        ByteBuffer content = ByteBuffer.wrap(content(block, age));
        while (content.hasRemaining()) {
            file.write(content, block * BLOCK + content.position());
        }
        return content.limit();
    }

    private Extent extent(long block) {
        return new Extent(block * BLOCK, Math.min(BLOCK, capacity - block * BLOCK));
    }

    private byte[] content(long block, int age) {
        byte[] content = new byte[(int) extent(block).length()];
        int version = version(block, age);
        switch (kind(block, version)) {
            case HOLE -> {}
            case TEXT -> fillWithText(content, random(block, version));
            case NOISE -> random(block, version).nextBytes(content);
            case SHARED -> fillWithText(content, new SplittableRandom(block % 100));
        }
        return content;
    }

    /** The age at which a block was written last. */
    private int version(long block, int age) {
        int version = age;
        while (version > 0 && random(block, 1_000_000 + version).nextInt(CHANGED_ONE_IN) != 0) {
            version--;
        }
        return version;
    }

    private Kind kind(long block, int version) {
        int draw = random(version == 0 ? block / STRETCH : block, 2_000_000 + version)
                .nextInt(100);
        if (draw < holes) {
            return Kind.HOLE;
        }
        int rest = (draw - holes) * 100 / (100 - holes);
        return rest < 55 ? Kind.TEXT : rest < 90 ? Kind.NOISE : Kind.SHARED;
    }

    private SplittableRandom random(long place, int what) {
        return new SplittableRandom(name.hashCode() * 31L + what * 0xBF58476D1CE4E5B9L + place * 0xD1B54A32D192ED03L);
    }

    private static void fillWithText(byte[] content, SplittableRandom random) {
        int filled = 0;
        while (filled < content.length) {
            byte[] word = WORDS[random.nextInt(WORDS.length)];
            int length = Math.min(word.length, content.length - filled);
            System.arraycopy(word, 0, content, filled, length);
            filled += length;
        }
    }
}
