package io.genievm.storage.internal.images;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.Charset;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/** Disk images for tests. */
final class Images {
    private static final int BLOCK = 4096;

    private Images() {}

    /** A name beyond ASCII, where this process's character set can write it. */
    static String foreignName() {
        String name = "\u00fcml\u00e4ut and space";
        String charset = System.getProperty("sun.jnu.encoding", "UTF-8");
        return Charset.forName(charset).newEncoder().canEncode(name) ? name : "umlaut and space";
    }

    static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }

    /** Bytes with long runs of zeroes, which {@link #write} turns into holes, at the beginning and elsewhere. */
    static byte[] withHoles(int length) {
        byte[] bytes = random(length);
        int run = 64 * BLOCK;
        for (int start = 0; start < length; start += 3 * run) {
            Arrays.fill(bytes, start, Math.min(length, start + run), (byte) 0);
        }
        return bytes;
    }

    /** Writes an image whose blocks of zeroes are holes. */
    static void write(Path file, byte[] bytes) throws IOException {
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            image.setLength(bytes.length);
            for (int at = 0; at < bytes.length; at += BLOCK) {
                int length = Math.min(BLOCK, bytes.length - at);
                if (!isZero(bytes, at, length)) {
                    image.seek(at);
                    image.write(bytes, at, length);
                }
            }
        }
    }

    private static boolean isZero(byte[] bytes, int start, int length) {
        for (int i = start; i < start + length; i++) {
            if (bytes[i] != 0) {
                return false;
            }
        }
        return true;
    }
}
