package io.genievm.kvm.internal.guard;

/**
 * A process, named so that it can be told later whether it still lives: by the boot of the machine, the namespace of
 * process ids, the id, and the moment of its start.
 *
 * @param bootId the machine's boot
 * @param pidNamespace the namespace of process ids
 * @param pid the process id there
 * @param startTime ticks since the boot at which it began
 */
public record Owner(String bootId, String pidNamespace, long pid, long startTime) {
    /** Whether a process lives. */
    public enum Life {
        /** It lives. */
        ALIVE,
        /** It has ended for certain. */
        DEAD,
        /** It can not be seen from here. */
        UNKNOWN
    }

    /** This process. */
    public static Owner self() {
        throw new UnsupportedOperationException();
    }

    /** Reads what {@link #toString} wrote; {@code null} when it is something else. */
    public static @org.jspecify.annotations.Nullable Owner parse(String text) {
        throw new UnsupportedOperationException();
    }

    /** Whether it lives now. */
    public Life life() {
        throw new UnsupportedOperationException();
    }

    /** One line without spaces. */
    @Override
    public String toString() {
        throw new UnsupportedOperationException();
    }
}
