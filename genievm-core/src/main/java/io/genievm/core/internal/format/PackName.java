package io.genievm.core.internal.format;

import io.genievm.api.SessionId;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * The name of a pack: session and number, ordered as the keys are.
 *
 * @param high first half of the session id
 * @param low second half of the session id
 * @param number the pack's number in its session
 */
public record PackName(long high, long low, int number) implements Comparable<PackName> {
    /** Bytes of a name in binary objects. */
    public static final int BYTES = 20;

    private static final String PREFIX = "packs/";
    private static final int KEY_LENGTH = PREFIX.length() + 2 + 1 + 32 + 1 + 8;

    /** Names pack {@code number} of a session. */
    public static PackName of(SessionId session, int number) {
        String hex = session.value();
        return new PackName(
                HexFormat.fromHexDigitsToLong(hex, 0, 16), HexFormat.fromHexDigitsToLong(hex, 16, 32), number);
    }

    /** Reads a name from a binary object. */
    public static PackName read(ByteBuffer buffer) {
        return new PackName(buffer.getLong(), buffer.getLong(), buffer.getInt());
    }

    /** Reads a key; gives {@code null} for one that is no pack's. */
    public static @Nullable PackName ofKey(String key) {
        if (key.length() != KEY_LENGTH || !key.startsWith(PREFIX)) {
            return null;
        }
        try {
            PackName name = new PackName(
                    HexFormat.fromHexDigitsToLong(key, 9, 25),
                    HexFormat.fromHexDigitsToLong(key, 25, 41),
                    HexFormat.fromHexDigits(key, 42, 50));
            // Also refuses upper-case digits, a wrong folder and a number above the largest int.
            return name.number >= 0 && name.key().equals(key) ? name : null;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** The key under which the pack is stored. */
    public String key() {
        HexFormat hex = HexFormat.of();
        return PREFIX + hex.toHexDigits((byte) spread()) + "/" + hex.toHexDigits(high) + hex.toHexDigits(low) + "-"
                + hex.toHexDigits(number);
    }

    /** The session that wrote the pack. */
    public SessionId session() {
        HexFormat hex = HexFormat.of();
        return new SessionId(hex.toHexDigits(high) + hex.toHexDigits(low));
    }

    /** Writes the name into a binary object. */
    public void write(ByteBuffer buffer) {
        buffer.putLong(high).putLong(low).putInt(number);
    }

    @Override
    public int compareTo(PackName other) {
        int order = Integer.compare(spread(), other.spread());
        if (order == 0) {
            order = Long.compareUnsigned(high, other.high);
        }
        if (order == 0) {
            order = Long.compareUnsigned(low, other.low);
        }
        return order == 0 ? Integer.compareUnsigned(number, other.number) : order;
    }

    private int spread() {
        return (int) ((high >>> 56) + number) & 0xff;
    }
}
