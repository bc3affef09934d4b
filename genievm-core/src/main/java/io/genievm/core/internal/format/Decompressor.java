package io.genievm.core.internal.format;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;

/** Decodes payloads of segments with a context that is kept. For one thread at a time. */
final class Decompressor implements AutoCloseable {
    private final LZ4SafeDecompressor lz4 = LZ4Factory.fastestInstance().safeDecompressor();
    private final ZstdDecompressCtx zstd = new ZstdDecompressCtx();

    /** What was compressed can not be decoded. */
    static final class UndecodableException extends Exception {
        private static final long serialVersionUID = 1L;

        UndecodableException(RuntimeException cause) {
            super(cause.getMessage(), cause);
        }
    }

    /** Whether there is a codec of that number that has to be decoded. */
    static boolean knows(int codec) {
        return codec == Compressor.LZ4 || codec == Compressor.ZSTD;
    }

    /** Decodes and gives the number of bytes written, which is not more than {@code rawLength}. */
    int decode(int codec, byte[] source, int offset, int length, byte[] target, int rawLength)
            throws UndecodableException {
        try {
            return codec == Compressor.LZ4
                    ? lz4.decompress(source, offset, length, target, 0, rawLength)
                    : zstd.decompressByteArray(target, 0, rawLength, source, offset, length);
        } catch (LZ4Exception | ZstdException e) {
            throw new UndecodableException(e);
        }
    }

    @Override
    public void close() {
        zstd.close();
    }
}
