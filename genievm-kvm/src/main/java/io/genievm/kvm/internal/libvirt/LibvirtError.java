package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What libvirt says of a failure.
 *
 * @param number libvirt's number for the kind of failure; may be one that is newer than this class
 * @param message libvirt's words, on one line
 * @param errno the operating system's number when the failure is {@link #SYSTEM_ERROR}, else of no meaning
 */
record LibvirtError(int number, String message, int errno) {
    static final int NO_MEMORY = 2;
    static final int NO_SUPPORT = 3;
    static final int NO_CONNECT = 5;
    static final int INVALID_CONNECTION = 6;
    static final int INVALID_ARGUMENT = 8;
    static final int OPERATION_FAILED = 9;
    static final int XML_ERROR = 27;
    static final int DOMAIN_EXISTS = 28;
    static final int OPERATION_DENIED = 29;
    static final int XML_DETAIL = 35;
    static final int SYSTEM_ERROR = 38;
    static final int RPC = 39;
    static final int NO_DOMAIN = 42;
    static final int AUTHENTICATION_FAILED = 45;
    static final int NO_STORAGE_POOL = 49;
    static final int NO_STORAGE_VOLUME = 50;
    static final int OPERATION_INVALID = 55;
    static final int CONFIG_UNSUPPORTED = 67;
    static final int OPERATION_TIMEOUT = 68;
    static final int NO_DOMAIN_SNAPSHOT = 72;
    static final int ARGUMENT_UNSUPPORTED = 74;
    static final int AUTHENTICATION_CANCELLED = 79;
    static final int BLOCK_COPY_ACTIVE = 83;
    static final int OPERATION_UNSUPPORTED = 84;
    static final int AGENT_UNRESPONSIVE = 86;
    static final int RESOURCE_BUSY = 87;
    static final int ACCESS_DENIED = 88;
    static final int STORAGE_VOLUME_EXISTS = 90;
    static final int XML_INVALID_SCHEMA = 92;
    static final int AUTHENTICATION_UNAVAILABLE = 94;
    static final int NO_SERVER = 95;
    static final int NO_CLIENT = 96;
    static final int AGENT_UNSYNCED = 97;
    static final int NO_DOMAIN_CHECKPOINT = 103;
    static final int NO_DOMAIN_BACKUP = 104;
    static final int CHECKPOINT_INCONSISTENT = 109;
    static final int AGENT_COMMAND_TIMEOUT = 112;
    static final int AGENT_COMMAND_FAILED = 113;

    private static final int EPERM = 1;
    private static final int ENOENT = 2;
    private static final int EINTR = 4;
    private static final int EAGAIN = 11;
    private static final int ENOMEM = 12;
    private static final int EACCES = 13;
    private static final int EBUSY = 16;
    private static final int ENOSPC = 28;
    private static final int EPIPE = 32;
    private static final int ECONNRESET = 104;
    private static final int ETIMEDOUT = 110;
    private static final int ECONNREFUSED = 111;
    private static final int EDQUOT = 122;

    private static final int LONGEST_MESSAGE = 2_000;

    LibvirtError {
        message = oneLine(message);
    }

    /** The failure of the last call of this thread. */
    static LibvirtError last(LibvirtFunctions libvirt) {
        return read(libvirt.virGetLastError());
    }

    /** Reads a {@code virError}: two numbers, the message, a level, two objects, three texts, two numbers. */
    static LibvirtError read(@Nullable Pointer error) {
        if (error == null) {
            return new LibvirtError(0, "libvirt failed and does not say why", 0);
        }
        Pointer message = error.getPointer(8);
        return new LibvirtError(
                error.getInt(0),
                message == null ? "libvirt error " + error.getInt(0) : message.getString(0, "UTF-8"),
                error.getInt(8 + 7L * Native.POINTER_SIZE));
    }

    /** What it is in GenieVM. */
    ErrorCode code() {
        return switch (number) {
            case NO_DOMAIN,
                    NO_DOMAIN_CHECKPOINT,
                    NO_DOMAIN_BACKUP,
                    NO_DOMAIN_SNAPSHOT,
                    NO_STORAGE_POOL,
                    NO_STORAGE_VOLUME -> ErrorCode.NOT_FOUND;
            case DOMAIN_EXISTS, STORAGE_VOLUME_EXISTS -> ErrorCode.ALREADY_EXISTS;
            case OPERATION_TIMEOUT, RESOURCE_BUSY, BLOCK_COPY_ACTIVE -> ErrorCode.BUSY;
            case OPERATION_DENIED,
                    ACCESS_DENIED,
                    AUTHENTICATION_FAILED,
                    AUTHENTICATION_CANCELLED,
                    AUTHENTICATION_UNAVAILABLE -> ErrorCode.ACCESS_DENIED;
            case NO_SUPPORT, CONFIG_UNSUPPORTED, ARGUMENT_UNSUPPORTED, OPERATION_UNSUPPORTED -> ErrorCode.UNSUPPORTED;
            case INVALID_ARGUMENT, XML_ERROR, XML_DETAIL, XML_INVALID_SCHEMA -> ErrorCode.INVALID_ARGUMENT;
            case NO_CONNECT,
                    INVALID_CONNECTION,
                    RPC,
                    NO_SERVER,
                    NO_CLIENT,
                    NO_MEMORY,
                    AGENT_UNRESPONSIVE,
                    AGENT_UNSYNCED,
                    AGENT_COMMAND_TIMEOUT -> ErrorCode.TRANSIENT_IO_ERROR;
            case SYSTEM_ERROR -> codeOfErrno();
            default -> codeOfWords();
        };
    }

    private ErrorCode codeOfErrno() {
        return switch (errno) {
            case EPERM, EACCES -> ErrorCode.ACCESS_DENIED;
            case ENOENT -> ErrorCode.NOT_FOUND;
            case ENOSPC, EDQUOT -> ErrorCode.NO_SPACE;
            case EBUSY -> ErrorCode.BUSY;
            case EINTR, EAGAIN, ENOMEM, EPIPE, ECONNRESET, ETIMEDOUT, ECONNREFUSED -> ErrorCode.TRANSIENT_IO_ERROR;
            default -> codeOfWords();
        };
    }

    /** QEMU's failures have no number of their own, and libvirt passes on what QEMU says, which is always English. */
    private ErrorCode codeOfWords() {
        String words = message.toLowerCase(Locale.ROOT);
        if (words.contains("no space left on device") || words.contains("disk quota exceeded")) {
            return ErrorCode.NO_SPACE;
        }
        if (words.contains("bitmap already exists")) {
            return ErrorCode.ALREADY_EXISTS;
        }
        if (words.contains("permission denied")) {
            return ErrorCode.ACCESS_DENIED;
        }
        return words.contains("\" lock") ? ErrorCode.BUSY : ErrorCode.IO_ERROR;
    }

    /** Whether it is for want of an agent that answers. */
    boolean isForWantOfAgent() {
        return switch (number) {
            case AGENT_UNRESPONSIVE,
                    AGENT_UNSYNCED,
                    AGENT_COMMAND_TIMEOUT,
                    ARGUMENT_UNSUPPORTED,
                    OPERATION_UNSUPPORTED -> true;
            default -> false;
        };
    }

    /** The exception for users. */
    GenieVmException toException(Resource resource) {
        return new GenieVmException(code(), resource, message);
    }

    private static String oneLine(String words) {
        StringBuilder text = new StringBuilder();
        words.codePoints()
                .limit(LONGEST_MESSAGE)
                .map(point -> Character.isISOControl(point) ? ' ' : point)
                .forEach(text::appendCodePoint);
        return text.toString().strip();
    }
}
