package io.genievm.api.task;

/**
 * What a task is doing. Backup goes through PREPARE, AUDIT, COPY, COMMIT; restore through PREPARE, COMPARE, COPY, COMMIT; verify
 * through PREPARE, STRUCTURE, DATA. A phase may be left out or entered again.
 *
 * @since 0.1
 */
public enum TaskPhase {
    /** Opening, taking the snapshot, planning. */
    PREPARE,
    /** Reading what is said to be unchanged, to compare it. */
    AUDIT,
    /** Reading the disks that are to be restored over, or files that are there already, to find what differs. */
    COMPARE,
    /** Moving data. */
    COPY,
    /** Publishing the result. */
    COMMIT,
    /** Checking that everything that is needed is there. */
    STRUCTURE,
    /** Checking every byte. */
    DATA
}
