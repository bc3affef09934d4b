package io.genievm.storage.internal.images;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import java.nio.charset.Charset;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.Arrays;

/** What Linux can do with files and Java can not. Every method may throw a {@link LinkageError} where it is missing. */
final class NativeFiles {
    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;

    static final int EXISTS = 17;

    private static final int NO_SUCH_OFFSET = 6;
    private static final int CURRENT_FOLDER = -100;
    private static final int NO_REPLACE = 1;
    private static final int READ_ONLY = 0;
    private static final int NON_BLOCKING = 04000;
    private static final int CLOSE_ON_EXEC = 02000000;

    private NativeFiles() {}

    /**
     * Checks that the file is one of this machine's and the constants here are its own.
     *
     * @throws UnsatisfiedLinkError when they are not
     */
    static void requireSupport(Path file) {
        if (file.getFileSystem() != FileSystems.getDefault()) {
            throw new UnsatisfiedLinkError("not a file system of this machine");
        }
        if (!Platform.isLinux() || Native.LONG_SIZE != Long.BYTES) {
            throw new UnsatisfiedLinkError("only known for 64-bit Linux");
        }
    }

    /**
     * Renames within a file system, unless the new name is taken.
     *
     * @throws LastErrorException when it is, or when the file system can not promise that
     */
    static void renameExclusively(Path from, Path to) {
        LibC.Renaming.renameat2(CURRENT_FOLDER, bytes(from), CURRENT_FOLDER, bytes(to), NO_REPLACE);
    }

    /** Opens a file for {@link #seek}, without ever waiting for the other end of a pipe. */
    static int open(Path file) {
        return LibC.open(bytes(file), READ_ONLY | NON_BLOCKING | CLOSE_ON_EXEC);
    }

    /** Finds the next data or hole from an offset on, or gives another value when there is none. */
    static long seek(int descriptor, long offset, int whence, long none) {
        try {
            return LibC.lseek(descriptor, offset, whence);
        } catch (LastErrorException e) {
            if (e.getErrorCode() == NO_SUCH_OFFSET) {
                return none;
            }
            throw e;
        }
    }

    static void close(int descriptor) {
        LibC.close(descriptor);
    }

    /** The path as C wants it, in the encoding that Java uses for paths as well. */
    private static byte[] bytes(Path path) {
        byte[] text = path.toString().getBytes(Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8")));
        return Arrays.copyOf(text, text.length + 1);
    }

    private static final class LibC {
        static {
            Native.register(LibC.class, "c");
        }

        static native int open(byte[] path, int flags) throws LastErrorException;

        static native int close(int descriptor);

        static native long lseek(int descriptor, long offset, int whence) throws LastErrorException;

        /** By itself, as older libraries lack it. */
        private static final class Renaming {
            static {
                Native.register(Renaming.class, "c");
            }

            static native int renameat2(int fromFolder, byte[] from, int toFolder, byte[] to, int flags)
                    throws LastErrorException;
        }
    }
}
