package io.genievm.core;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.util.Locale;

/**
 * How a backup compresses what it stores. What was stored with one codec is read whatever codec later backups use.
 *
 * @param kind the algorithm
 * @param level the level of {@link Kind#ZSTD}, -7 to 22 and not 0; 0 for the others
 * @since 0.1
 */
public record Codec(Kind kind, int level) {
    /** No compression. */
    public static final Codec NONE = new Codec(Kind.NONE, 0);
    /** LZ4: the least processor time. */
    public static final Codec LZ4 = new Codec(Kind.LZ4, 0);
    /** Zstandard, level 1: the default. */
    public static final Codec DEFAULT = zstd(1);

    private static final String ALLOWED = "allowed are none, lz4, zstd and zstd:N with N from -7 to 22, but not 0";

    /**
     * An algorithm.
     *
     * @since 0.1
     */
    public enum Kind {
        /** Bytes as they are. */
        NONE,
        /** LZ4 block format. */
        LZ4,
        /** Zstandard. */
        ZSTD
    }

    /**
     * Checks the level.
     *
     * @param kind the algorithm
     * @param level the level
     * @throws GenieVmException with {@code INVALID_ARGUMENT} when the level is not allowed
     */
    public Codec {
        if (kind == Kind.ZSTD ? level < -7 || level > 22 || level == 0 : level != 0) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    "no codec " + kind.name().toLowerCase(Locale.ROOT) + " with level " + level + ": " + ALLOWED);
        }
    }

    /**
     * Zstandard with a level.
     *
     * @param level -7 (fast) to 22 (small), not 0
     * @return the codec
     * @throws GenieVmException with {@code INVALID_ARGUMENT} when the level is not allowed
     */
    public static Codec zstd(int level) {
        return new Codec(Kind.ZSTD, level);
    }

    /**
     * Reads what {@link #toString()} writes; {@code zstd} alone is {@link #DEFAULT}.
     *
     * @param text such as {@code lz4} or {@code zstd:3}
     * @return the codec
     * @throws GenieVmException with {@code INVALID_ARGUMENT} for anything else, saying what is allowed
     */
    public static Codec parse(String text) {
        switch (text) {
            case "none":
                return NONE;
            case "lz4":
                return LZ4;
            case "zstd":
                return DEFAULT;
            default:
                if (text.matches("zstd:-?[0-9]{1,2}")) {
                    return zstd(Integer.parseInt(text.substring(5)));
                }
                throw new GenieVmException(ErrorCode.INVALID_ARGUMENT, "unknown codec '" + text + "': " + ALLOWED);
        }
    }

    /** Gives {@code none}, {@code lz4} or {@code zstd:N}. */
    @Override
    public String toString() {
        return kind == Kind.ZSTD ? "zstd:" + level : kind.name().toLowerCase(Locale.ROOT);
    }
}
