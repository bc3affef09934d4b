package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import javax.net.ssl.SSLException;

/** What the protocol's error numbers are in GenieVM. */
public final class NbdErrors {
    /** The server sent what the protocol forbids, so nothing that it says may be relied on. */
    public static final ErrorCode PROTOCOL_BROKEN =
            new ErrorCode(10_100, "NBD_PROTOCOL_BROKEN", ErrorCategory.ENVIRONMENT, false);

    static final int EPERM = 1;
    static final int EIO = 5;
    static final int ENOMEM = 12;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int EOVERFLOW = 75;
    static final int ENOTSUP = 95;
    static final int ESHUTDOWN = 108;

    private static final int LONGEST_MESSAGE = 256;

    private NbdErrors() {}

    static GenieVmException broken(Resource resource, String what) {
        return new GenieVmException(
                PROTOCOL_BROKEN, resource, "the NBD server at " + resource.name() + " broke the protocol: " + what);
    }

    /** The connection is gone. */
    static GenieVmException lost(Resource resource, IOException cause) {
        return new GenieVmException(
                ErrorCode.TRANSIENT_IO_ERROR,
                resource,
                "the connection to the NBD server at " + resource.name() + " is lost: "
                        + (cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage()),
                cause);
    }

    /** What a call fails with for any exception. */
    static GenieVmException asFailure(Resource resource, Exception e) {
        if (e instanceof GenieVmException typed) {
            return typed;
        }
        if (e instanceof SSLException) {
            return broken(resource, String.valueOf(e.getMessage()));
        }
        if (e instanceof IOException io) {
            return lost(resource, io);
        }
        return new GenieVmException(
                ErrorCode.INTERNAL_ERROR, resource, "a fault in the NBD client for " + resource.name() + ": " + e, e);
    }

    /** The code for an error number in a reply to a request. */
    static ErrorCode codeOf(int number) {
        return switch (number) {
            case EPERM -> ErrorCode.ACCESS_DENIED;
            case ENOSPC -> ErrorCode.NO_SPACE;
            case ENOTSUP -> ErrorCode.UNSUPPORTED;
            case EOVERFLOW -> ErrorCode.LIMIT_EXCEEDED;
            case ENOMEM, ESHUTDOWN -> ErrorCode.TRANSIENT_IO_ERROR;
            default -> ErrorCode.IO_ERROR;
        };
    }

    /** The name of an error number, as the protocol has it. */
    static String nameOf(int number) {
        return switch (number) {
            case EPERM -> "EPERM";
            case EIO -> "EIO";
            case ENOMEM -> "ENOMEM";
            case EINVAL -> "EINVAL";
            case ENOSPC -> "ENOSPC";
            case EOVERFLOW -> "EOVERFLOW";
            case ENOTSUP -> "ENOTSUP";
            case ESHUTDOWN -> "ESHUTDOWN";
            default -> "error " + Integer.toUnsignedString(number);
        };
    }

    /** The code for an error reply to an option. */
    static ErrorCode codeOfReply(int type) {
        return switch (type) {
            case NbdProtocol.REPLY_ERROR_UNSUPPORTED,
                    NbdProtocol.REPLY_ERROR_PLATFORM,
                    NbdProtocol.REPLY_ERROR_BLOCK_SIZE_REQUIRED -> ErrorCode.UNSUPPORTED;
            case NbdProtocol.REPLY_ERROR_POLICY, NbdProtocol.REPLY_ERROR_TLS_REQUIRED -> ErrorCode.ACCESS_DENIED;
            case NbdProtocol.REPLY_ERROR_UNKNOWN -> ErrorCode.NOT_FOUND;
            case NbdProtocol.REPLY_ERROR_SHUTDOWN -> ErrorCode.TRANSIENT_IO_ERROR;
            case NbdProtocol.REPLY_ERROR_TOO_BIG -> ErrorCode.LIMIT_EXCEEDED;
            default -> ErrorCode.IO_ERROR;
        };
    }

    /** The name of an error reply to an option. */
    static String nameOfReply(int type) {
        return switch (type) {
            case NbdProtocol.REPLY_ERROR_UNSUPPORTED -> "option not supported";
            case NbdProtocol.REPLY_ERROR_POLICY -> "not allowed by the server's policy";
            case NbdProtocol.REPLY_ERROR_INVALID -> "option invalid";
            case NbdProtocol.REPLY_ERROR_PLATFORM -> "not supported on the server's platform";
            case NbdProtocol.REPLY_ERROR_TLS_REQUIRED -> "TLS is required";
            case NbdProtocol.REPLY_ERROR_UNKNOWN -> "no such export";
            case NbdProtocol.REPLY_ERROR_SHUTDOWN -> "the server is shutting down";
            case NbdProtocol.REPLY_ERROR_BLOCK_SIZE_REQUIRED -> "block sizes must be negotiated";
            case NbdProtocol.REPLY_ERROR_TOO_BIG -> "option too long";
            default -> "error " + Integer.toUnsignedString(type & ~NbdProtocol.REPLY_ERROR);
        };
    }

    /** A server's words, made fit for a message of ours: short, one line, printable. Empty when there are none. */
    static String quoted(String words) {
        StringBuilder text = new StringBuilder();
        words.codePoints()
                .limit(LONGEST_MESSAGE)
                .map(point -> Character.isISOControl(point) || !Character.isDefined(point) ? ' ' : point)
                .forEach(text::appendCodePoint);
        String line = text.toString().strip();
        return line.isEmpty() ? "" : ": \"" + line + "\"";
    }
}
