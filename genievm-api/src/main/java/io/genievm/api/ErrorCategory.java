package io.genievm.api;

/**
 * Says who can do something about an error.
 *
 * @since 0.1
 */
public enum ErrorCategory {
    /** The caller asked for something wrong: a bad argument, an unknown name, a target that exists. */
    USER,
    /** Something outside failed: a hypervisor, a store, the network, a file system. */
    ENVIRONMENT,
    /** Something ran out or is held by someone else: space, memory, a limit, a busy resource. */
    RESOURCE,
    /** Data that was read is not what was written. */
    INTEGRITY,
    /** A contract was broken inside GenieVM or a driver: a bug. */
    INTERNAL
}
