package io.genievm.core.internal.format;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;
import org.jspecify.annotations.Nullable;

/** Decodes payloads of segments with a context that is kept. For one thread at a time. */
final class Decompressor implements AutoCloseable {
    // Made when first needed: each loads a native library, and many a task meets one codec or none.
    private @Nullable LZ4SafeDecompressor lz4;
    private @Nullable ZstdDecompressCtx zstd;

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
                    ? lz4().decompress(source, offset, length, target, 0, rawLength)
                    : zstd().decompressByteArray(target, 0, rawLength, source, offset, length);
        } catch (LZ4Exception | ZstdException e) {
            throw new UndecodableException(e);
        }
    }

    private LZ4SafeDecompressor lz4() {
        if (lz4 == null) {
            lz4 = LZ4Factory.fastestInstance().safeDecompressor();
        }
        return lz4;
    }

    private ZstdDecompressCtx zstd() {
        if (zstd == null) {
            zstd = new ZstdDecompressCtx();
        }
        return zstd;
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
    }
}
