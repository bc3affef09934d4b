package io.genievm.core.scale;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Disks whose content follows from the position. */
final class Noise {
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    private Noise() {}

    /** Bytes that no codec can shrink, none like another. */
    static SyntheticHost.Content random(long seed) {
        return (offset, target, length) -> {
            for (int at = 0; at < length; at += Long.BYTES) {
                put(target, at, length, mix(seed ^ offset + at));
            }
        };
    }

    /** Chunks of such noise, so many different ones in turn. */
    static SyntheticHost.Content repeating(int chunk, int distinct) {
        byte[] all = new byte[chunk * distinct];
        random(1).fill(0, all, all.length);
        return (offset, target, length) -> {
            for (int at = 0; at < length; ) {
                int from = (int) ((offset + at) % all.length);
                int count = Math.min(length - at, all.length - from);
                System.arraycopy(all, from, target, at, count);
                at += count;
            }
        };
    }

    /** Chunks that are all different and shrink to almost nothing. */
    static SyntheticHost.Content numbered(int chunk) {
        return (offset, target, length) -> {
            for (int at = 0; at < length; at += Long.BYTES) {
                put(target, at, length, 1 + (offset + at) / chunk);
            }
        };
    }

    /** Blocks of 4 KiB of noise and of zeroes in turn. */
    static SyntheticHost.Content holey(long seed) {
        SyntheticHost.Content noise = random(seed);
        return (offset, target, length) -> {
            noise.fill(offset, target, length);
            for (int at = 0; at < length; at++) {
                if ((offset + at) / 4096 % 2 == 1) {
                    target[at] = 0;
                }
            }
        };
    }

    private static void put(byte[] target, int at, int length, long value) {
        if (at + Long.BYTES <= length) {
            LONG.set(target, at, value);
        } else {
            for (int i = at; i < length; i++) {
                target[i] = (byte) (value >>> 8 * (7 - (i - at)));
            }
        }
    }

    private static long mix(long value) {
        long z = (value + 0x9E3779B97F4A7C15L) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
