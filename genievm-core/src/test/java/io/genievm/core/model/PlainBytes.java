package io.genievm.core.model;

import java.util.Arrays;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** What an array of bytes is to a disk, but that zeroes take no memory: disks may have some GiB. For one thread at a time. */
final class PlainBytes {
    static final int BLOCK = 4096;

    // An array is not changed once it is in the map, and holds something else than zeroes.
    private final NavigableMap<Long, byte[]> blocks;

    PlainBytes() {
        this(new TreeMap<>());
    }

    private PlainBytes(NavigableMap<Long, byte[]> blocks) {
        this.blocks = blocks;
    }

    PlainBytes copy() {
        return new PlainBytes(new TreeMap<>(blocks));
    }

    void write(long offset, byte[] bytes) {
        int done = 0;
        while (done < bytes.length) {
            long at = offset + done;
            int count = (int) Math.min(BLOCK - at % BLOCK, bytes.length - done);
            byte[] block = blocks.getOrDefault(at / BLOCK, new byte[BLOCK]).clone();
            System.arraycopy(bytes, done, block, (int) (at % BLOCK), count);
            put(at / BLOCK, block);
            done += count;
        }
    }

    void zero(long offset, long length) {
        long end = offset + length;
        long firstWhole = (offset + BLOCK - 1) / BLOCK;
        if (firstWhole * BLOCK >= end) {
            write(offset, new byte[(int) length]);
            return;
        }
        write(offset, new byte[(int) (firstWhole * BLOCK - offset)]);
        blocks.subMap(firstWhole, end / BLOCK).clear();
        write(end / BLOCK * BLOCK, new byte[(int) (end % BLOCK)]);
    }

    byte[] read(long offset, int length) {
        byte[] bytes = new byte[length];
        int done = 0;
        while (done < length) {
            long at = offset + done;
            int count = (int) Math.min(BLOCK - at % BLOCK, length - done);
            byte[] block = blocks.get(at / BLOCK);
            if (block != null) {
                System.arraycopy(block, (int) (at % BLOCK), bytes, done, count);
            }
            done += count;
        }
        return bytes;
    }

    /** The blocks that hold something else than zeroes. */
    Chunks notZero(long capacity) {
        Chunks found = new Chunks(capacity);
        blocks.keySet().forEach(found::add);
        return found;
    }

    /** The blocks below a capacity that are not the same in both. */
    Chunks differing(PlainBytes other, long capacity) {
        Chunks found = new Chunks(capacity);
        TreeSet<Long> numbers = new TreeSet<>(blocks.keySet());
        numbers.addAll(other.blocks.keySet());
        for (long number : numbers) {
            if (!Arrays.equals(blocks.get(number), other.blocks.get(number))) {
                found.add(number);
            }
        }
        return found;
    }

    /** Says where they differ first, or gives {@code null} when they do not. */
    String firstDifference(PlainBytes other) {
        Chunks differing = differing(other, Long.MAX_VALUE);
        return differing.isEmpty() ? null : "chunks " + differing;
    }

    /** The same bytes in some blocks, and zeroes in all others. */
    PlainBytes only(Chunks which) {
        PlainBytes some = new PlainBytes();
        some.take(which, this);
        return some;
    }

    /** Takes some blocks from elsewhere; those that are not named are kept. */
    void take(Chunks which, PlainBytes from) {
        TreeSet<Long> numbers = new TreeSet<>(blocks.keySet());
        numbers.addAll(from.blocks.keySet());
        for (long number : numbers) {
            if (which.contains(number)) {
                byte[] block = from.blocks.get(number);
                if (block == null) {
                    blocks.remove(number);
                } else {
                    blocks.put(number, block);
                }
            }
        }
    }

    private void put(long number, byte[] block) {
        for (byte each : block) {
            if (each != 0) {
                blocks.put(number, block);
                return;
            }
        }
        blocks.remove(number);
    }

    Map<Long, byte[]> blocks() {
        return blocks;
    }
}
