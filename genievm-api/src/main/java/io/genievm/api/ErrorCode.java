package io.genievm.api;

import java.io.Serializable;
import java.util.regex.Pattern;

/**
 * The stable identity of a kind of error. Numbers and names never change their meaning.
 *
 * <p>Numbers 1 to 9 999 are GenieVM's own, 10 000 to 19 999 those of its drivers and stores, from 20 000 on those of
 * others, who define constants of their own.
 *
 * @param number the number, 1 or more; two codes are the same code exactly if their numbers are
 * @param name upper-case letters, digits and underscores, beginning with a letter
 * @param category who can do something about it
 * @param retryable whether the same call may succeed later although nobody mended anything; only errors with this flag
 *     are ever repeated by GenieVM
 * @since 0.1
 */
public record ErrorCode(int number, String name, ErrorCategory category, boolean retryable) implements Serializable {
    private static final Pattern NAME = Pattern.compile("[A-Z][A-Z0-9_]*");

    /** An argument, option or configuration value is not allowed. */
    public static final ErrorCode INVALID_ARGUMENT = user(1, "INVALID_ARGUMENT");
    /** The named VM, disk, point, repository, file or object does not exist. */
    public static final ErrorCode NOT_FOUND = user(2, "NOT_FOUND");
    /** What was to be created is there already. */
    public static final ErrorCode ALREADY_EXISTS = user(3, "ALREADY_EXISTS");
    /** A provider, scheme or ability by that name is not available. */
    public static final ErrorCode UNSUPPORTED = user(4, "UNSUPPORTED");
    /** The object was written by a newer version of the format than this one can read. */
    public static final ErrorCode FORMAT_TOO_NEW = user(5, "FORMAT_TOO_NEW");
    /** The place named as a repository is none. */
    public static final ErrorCode NOT_A_REPOSITORY = user(6, "NOT_A_REPOSITORY");
    /** A prefix of an id fits more than one. */
    public static final ErrorCode AMBIGUOUS = user(7, "AMBIGUOUS");
    /** The resource was closed; also the answer to a call that {@code close()} from another thread broke off. */
    public static final ErrorCode CLOSED = user(8, "CLOSED");
    /** The task was cancelled by its owner. */
    public static final ErrorCode CANCELLED = user(9, "CANCELLED");

    /** An input or output operation failed for good. */
    public static final ErrorCode IO_ERROR = new ErrorCode(100, "IO_ERROR", ErrorCategory.ENVIRONMENT, false);
    /** An operation failed in a way that often passes: a lost connection, a time-out, a throttled request. */
    public static final ErrorCode TRANSIENT_IO_ERROR =
            new ErrorCode(101, "TRANSIENT_IO_ERROR", ErrorCategory.ENVIRONMENT, true);
    /** Permission was refused. */
    public static final ErrorCode ACCESS_DENIED = new ErrorCode(102, "ACCESS_DENIED", ErrorCategory.ENVIRONMENT, false);
    /** A disk changed while it was read, so that what was read is of no single moment. */
    public static final ErrorCode SOURCE_CHANGED =
            new ErrorCode(103, "SOURCE_CHANGED", ErrorCategory.ENVIRONMENT, false);
    /** The store answered in a way that its contract forbids, so nothing may rely on it. */
    public static final ErrorCode STORE_CONTRACT_BROKEN =
            new ErrorCode(104, "STORE_CONTRACT_BROKEN", ErrorCategory.ENVIRONMENT, false);
    /** The session was fenced: another process ended it. Starting the job again is safe and is what to do. */
    public static final ErrorCode FENCED = new ErrorCode(105, "FENCED", ErrorCategory.ENVIRONMENT, true);

    /** The hypervisor has lost the snapshot; a new one may be taken. */
    public static final ErrorCode SNAPSHOT_LOST = new ErrorCode(106, "SNAPSHOT_LOST", ErrorCategory.ENVIRONMENT, true);

    /** No space is left on a disk, in a quota or in a store. */
    public static final ErrorCode NO_SPACE = new ErrorCode(200, "NO_SPACE", ErrorCategory.RESOURCE, false);
    /** Another job holds the resource. */
    public static final ErrorCode BUSY = new ErrorCode(201, "BUSY", ErrorCategory.RESOURCE, true);
    /** A configured limit does not suffice. */
    public static final ErrorCode LIMIT_EXCEEDED = new ErrorCode(202, "LIMIT_EXCEEDED", ErrorCategory.RESOURCE, false);

    /** Data that was read is not what was written. */
    public static final ErrorCode CORRUPT_DATA = new ErrorCode(300, "CORRUPT_DATA", ErrorCategory.INTEGRITY, false);

    /** GenieVM broke a rule of its own. */
    public static final ErrorCode INTERNAL_ERROR = new ErrorCode(900, "INTERNAL_ERROR", ErrorCategory.INTERNAL, false);
    /** A driver broke the contract of its interface. */
    public static final ErrorCode DRIVER_CONTRACT_BROKEN =
            new ErrorCode(901, "DRIVER_CONTRACT_BROKEN", ErrorCategory.INTERNAL, false);

    /**
     * Checks the values.
     *
     * @param number the number
     * @param name the name
     * @param category the category
     * @param retryable whether a retry may help
     * @throws IllegalArgumentException when number or name are not of the form that the record asks for
     */
    public ErrorCode {
        if (number < 1 || !NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("not an error code: " + number + " '" + name + "'");
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ErrorCode code && code.number == number;
    }

    @Override
    public int hashCode() {
        return number;
    }

    @Override
    public String toString() {
        return name;
    }

    private static ErrorCode user(int number, String name) {
        return new ErrorCode(number, name, ErrorCategory.USER, false);
    }
}
