package io.genievm.api.hypervisor;

/**
 * How far the guest is brought to rest before a snapshot.
 *
 * @since 0.1
 */
public enum QuiesceMode {
    /** Not at all: the disks are as after a power cut. */
    NONE,
    /** File systems are flushed and frozen, if the guest is able. */
    FILE_SYSTEM,
    /** Applications are asked to flush as well, if the guest is able. */
    APPLICATION
}
