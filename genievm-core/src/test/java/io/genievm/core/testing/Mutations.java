package io.genievm.core.testing;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Changes bytes as a fuzzer does: a few small steps, some blind and some that know a little of what they change. */
public final class Mutations {
    private static final List<String> TOKENS = List.of(
            "null",
            "true",
            "false",
            "-1",
            "0",
            "1",
            "1.5",
            "1e400",
            "9223372036854775807",
            "99999999999999999999",
            "\"\"",
            "{}",
            "[]",
            "[[[[",
            "{\"a\":",
            "\"",
            "\\",
            "\\u0000",
            "\\ud800",
            "\u00e4",
            ",",
            ":",
            "}",
            "]",
            " ",
            "\n",
            "2");
    private static final int[] NUMBERS = {
        0,
        1,
        -1,
        2,
        27,
        28,
        56,
        57,
        255,
        4096,
        65_535,
        65_536,
        1 << 20,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        0x47534547
    };

    private Mutations() {}

    /** Changes a text. */
    public static byte[] ofText(byte[] text, Random random) {
        byte[] changed = text;
        for (int steps = 1 + random.nextInt(4); steps > 0; steps--) {
            changed = random.nextInt(3) == 0 ? splice(changed, random, token(random)) : structural(changed, random);
        }
        return changed;
    }

    /** Changes binary fields, and sometimes the length. */
    public static byte[] ofBinary(byte[] bytes, Random random) {
        byte[] changed = bytes.clone();
        for (int steps = 1 + random.nextInt(4); steps > 0; steps--) {
            int at = changed.length == 0 ? 0 : random.nextInt(changed.length);
            switch (random.nextInt(changed.length < 8 ? 1 : 6)) {
                case 0 -> changed = structural(changed, random);
                case 1 -> changed[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> changed[at] = (byte) random.nextInt(256);
                case 3 ->
                    ByteBuffer.wrap(changed)
                            .putInt(Math.min(at & ~3, changed.length - 4), NUMBERS[random.nextInt(NUMBERS.length)]);
                case 4 ->
                    ByteBuffer.wrap(changed).putShort(Math.min(at & ~1, changed.length - 2), (short)
                            NUMBERS[random.nextInt(NUMBERS.length)]);
                default -> {
                    int small = Math.min(at & ~3, changed.length - 4);
                    ByteBuffer buffer = ByteBuffer.wrap(changed);
                    buffer.putInt(small, buffer.getInt(small) + random.nextInt(9) - 4);
                }
            }
        }
        return changed;
    }

    /** Leaves out, repeats or moves a piece. */
    private static byte[] structural(byte[] bytes, Random random) {
        if (bytes.length == 0) {
            return new byte[random.nextInt(10)];
        }
        int from = random.nextInt(bytes.length);
        int to = Math.min(bytes.length, from + 1 + random.nextInt(random.nextBoolean() ? 4 : 200));
        ByteArrayOutputStream changed = new ByteArrayOutputStream();
        changed.write(bytes, 0, from);
        switch (random.nextInt(3)) {
            case 0 -> {}
            case 1 -> {
                changed.write(bytes, from, to - from);
                changed.write(bytes, from, to - from);
            }
            default -> {
                int other = random.nextInt(bytes.length);
                changed.write(bytes, other, Math.min(bytes.length - other, to - from));
            }
        }
        changed.write(bytes, to, bytes.length - to);
        return changed.toByteArray();
    }

    private static byte[] splice(byte[] bytes, Random random, byte[] token) {
        int from = random.nextInt(bytes.length + 1);
        int to = Math.min(bytes.length, from + random.nextInt(4));
        byte[] changed = Arrays.copyOf(bytes, from + token.length + bytes.length - to);
        System.arraycopy(token, 0, changed, from, token.length);
        System.arraycopy(bytes, to, changed, from + token.length, bytes.length - to);
        return changed;
    }

    private static byte[] token(Random random) {
        return TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8);
    }
}
