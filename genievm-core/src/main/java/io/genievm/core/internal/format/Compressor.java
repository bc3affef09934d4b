package io.genievm.core.internal.format;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import io.genievm.core.Codec;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Factory;
import org.jspecify.annotations.Nullable;

/** Compresses payloads of segments with a context that is kept. For one thread at a time. */
public abstract class Compressor implements AutoCloseable {
    /** Codec number of bytes as they are. */
    public static final int NONE = 0;
    /** Codec number of the LZ4 block format. */
    public static final int LZ4 = 1;
    /** Codec number of Zstandard. */
    public static final int ZSTD = 2;

    /** Makes the compressor for a codec. */
    public static Compressor of(Codec codec) {
        return switch (codec.kind()) {
            case NONE -> new None();
            case LZ4 -> new Lz4();
            case ZSTD -> new ZstdCompressor(codec.level());
        };
    }

    /** The same, but for what would not become the same again when it is decoded: that is not compressed. */
    public CheckedCompressor checked() {
        return new CheckedCompressor(this);
    }

    /** The number that segments bear. */
    abstract int codec();

    /** The most bytes that so many can become. */
    abstract int maxLength(int length);

    /** Compresses and gives the number of bytes written; any number not below {@code length} means: store it raw. */
    abstract int compress(byte[] source, int offset, int length, byte[] target, int targetOffset);

    @Override
    public void close() {}

    private static final class None extends Compressor {
        @Override
        int codec() {
            return NONE;
        }

        @Override
        int maxLength(int length) {
            return length;
        }

        @Override
        int compress(byte[] source, int offset, int length, byte[] target, int targetOffset) {
            return length;
        }
    }

    // What the codecs need is made when first needed, as it loads a native library, and there may be nothing to
    // compress.

    private static final class Lz4 extends Compressor {
        private @Nullable LZ4Compressor made;

        private LZ4Compressor compressor() {
            if (made == null) {
                made = LZ4Factory.fastestInstance().fastCompressor();
            }
            return made;
        }

        @Override
        int codec() {
            return LZ4;
        }

        @Override
        int maxLength(int length) {
            return compressor().maxCompressedLength(length);
        }

        @Override
        int compress(byte[] source, int offset, int length, byte[] target, int targetOffset) {
            return compressor().compress(source, offset, length, target, targetOffset);
        }
    }

    private static final class ZstdCompressor extends Compressor {
        private final int level;
        private @Nullable ZstdCompressCtx made;

        ZstdCompressor(int level) {
            this.level = level;
        }

        private ZstdCompressCtx context() {
            if (made == null) {
                made = new ZstdCompressCtx();
                made.setLevel(level);
                made.setContentSize(true);
                // The segment has a checksum of its own, over what is stored.
                made.setChecksum(false);
            }
            return made;
        }

        @Override
        int codec() {
            return ZSTD;
        }

        @Override
        int maxLength(int length) {
            return Math.toIntExact(Zstd.compressBound(length));
        }

        @Override
        int compress(byte[] source, int offset, int length, byte[] target, int targetOffset) {
            return context().compressByteArray(target, targetOffset, maxLength(length), source, offset, length);
        }

        @Override
        public void close() {
            if (made != null) {
                made.close();
            }
        }
    }
}
