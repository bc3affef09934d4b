package io.genievm.benchmarks;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.SplittableRandom;

/** Bytes that are alike on every machine, for benchmarks that read no image. */
public final class SyntheticData {
    /** What the bytes are like. */
    public enum Kind {
        /** Shrinks to about half, as programs and libraries do. */
        BINARY,
        /** Words of 4 to 15 bytes, again and again: shrinks to about a third, as texts and logs do. */
        WORDS,
        /** Can not be shrunk. */
        RANDOM
    }

    private SyntheticData() {}

    /** Makes so many bytes. */
    public static byte[] of(Kind kind, int length) {
        return kind == Kind.WORDS ? words(length) : numbers(kind, length);
    }

    private static byte[] words(int length) {
        Random random = new Random(1);
        byte[] words = new byte[1 << 14];
        random.nextBytes(words);
        byte[] bytes = new byte[length];
        for (int at = 0; at < length; ) {
            int word = Math.min(length - at, 4 + random.nextInt(12));
            System.arraycopy(words, random.nextInt(words.length - word), bytes, at, word);
            at += word;
        }
        return bytes;
    }

    private static byte[] numbers(Kind kind, int length) {
        SplittableRandom random = new SplittableRandom(1);
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.remaining() >= Long.BYTES) {
            long word = random.nextLong();
            // Small numbers beside large ones, and now and then what was a little before.
            if (kind == Kind.RANDOM) {
                bytes.putLong(word);
            } else if (bytes.position() > 4096 && (word & 3) == 0) {
                bytes.putLong(bytes.getLong(bytes.position() - 8 * (1 + (int) (word >>> 2 & 511))));
            } else {
                bytes.putLong((word & 4) == 0 ? word & 0xffff_ffffL : word);
            }
        }
        return bytes.array();
    }
}
