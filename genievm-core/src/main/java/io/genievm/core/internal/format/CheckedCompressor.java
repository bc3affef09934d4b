package io.genievm.core.internal.format;

import java.util.Arrays;

/**
 * Decodes what another compressor has made and compares it, so that a codec or a processor that errs makes a segment larger
 * and not worthless. For one thread at a time.
 */
public final class CheckedCompressor extends Compressor {
    private final Compressor compressor;
    private final Decompressor decompressor = new Decompressor();
    private byte[] decoded = new byte[0];
    private boolean failed;

    CheckedCompressor(Compressor compressor) {
        this.compressor = compressor;
    }

    /** Whether the last payload could not be decoded to what it was, and is therefore raw. */
    public boolean hasFailed() {
        return failed;
    }

    @Override
    int codec() {
        return compressor.codec();
    }

    @Override
    int maxLength(int length) {
        return compressor.maxLength(length);
    }

    @Override
    int compress(byte[] source, int offset, int length, byte[] target, int targetOffset) {
        int compressed = compressor.compress(source, offset, length, target, targetOffset);
        // What does not shrink is stored raw anyway.
        failed = compressed < length && !isDecodable(source, offset, length, target, targetOffset, compressed);
        return failed ? length : compressed;
    }

    private boolean isDecodable(
            byte[] source, int offset, int length, byte[] target, int targetOffset, int compressed) {
        if (decoded.length < length) {
            decoded = new byte[length];
        }
        try {
            return decompressor.decode(codec(), target, targetOffset, compressed, decoded, length) == length
                    && Arrays.equals(decoded, 0, length, source, offset, offset + length);
        } catch (Decompressor.UndecodableException e) {
            return false;
        }
    }

    @Override
    public void close() {
        decompressor.close();
        compressor.close();
    }
}
