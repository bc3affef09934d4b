package io.genievm.core.internal.format;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.UnsupportedFormatVersionException;
import org.jspecify.annotations.Nullable;

/** Makes the exceptions for bytes that are not what the format asks for. */
public final class Corruption {
    private Corruption() {}

    /** An object that breaks the format. */
    public static CorruptDataException in(String key, String what) {
        return in(key, what, null);
    }

    /** An object that breaks the format, with the parser's exception. */
    public static CorruptDataException in(String key, String what, @Nullable Throwable cause) {
        return new CorruptDataException(Resource.named(key), key + " is damaged: " + what, cause);
    }

    /** Whether an exception tells of one object that is bad, too new or gone, rather than of a store that does not work. */
    public static boolean isObjectProblem(GenieVmException e) {
        return e instanceof CorruptDataException
                || e instanceof UnsupportedFormatVersionException
                || e.code().equals(ErrorCode.NOT_FOUND);
    }

    /** Checks the version field that every kind of object has. */
    public static void checkVersion(String key, long version) {
        if (version > FormatVersion.CURRENT) {
            throw new UnsupportedFormatVersionException(
                    Resource.named(key),
                    key + " has format version " + version + "; this GenieVM reads versions up to "
                            + FormatVersion.CURRENT,
                    null);
        }
        if (version < 1) {
            throw in(key, "format version " + version);
        }
    }
}
