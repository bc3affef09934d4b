package io.genievm.core.internal.format;

import java.util.function.IntUnaryOperator;

/** A codec with a bug: some of what it makes is not what it was given. */
public final class LyingCompressor extends Compressor {
    /** What is wrong with a payload. */
    public enum Lie {
        /** Nothing. */
        NONE,
        /** It decodes to something else of the same length. */
        OTHER_CONTENT,
        /** It decodes to less. */
        LESS,
        /** It can not be decoded. */
        GARBAGE
    }

    private final Compressor compressor;
    private final IntUnaryOperator lies;
    private int calls;

    /**
     * Makes a compressor.
     *
     * @param compressor one that does not lie
     * @param lies gives for the number of a call, from 0, that of the lie in its enumeration
     */
    public LyingCompressor(Compressor compressor, IntUnaryOperator lies) {
        this.compressor = compressor;
        this.lies = lies;
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
        switch (Lie.values()[lies.applyAsInt(calls++)]) {
            case OTHER_CONTENT -> {
                byte[] other = source.clone();
                other[offset + length / 2] ^= 1;
                return compressor.compress(other, offset, length, target, targetOffset);
            }
            case LESS -> {
                return compressor.compress(source, offset, length - 1, target, targetOffset);
            }
            case GARBAGE -> {
                for (int i = 0; i < length / 2; i++) {
                    target[targetOffset + i] = (byte) (i * 7 + 1);
                }
                return length / 2;
            }
            default -> {
                return compressor.compress(source, offset, length, target, targetOffset);
            }
        }
    }

    @Override
    public void close() {
        compressor.close();
    }
}
