package io.genievm.testkit.fault;

import io.genievm.api.ErrorCode;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a call of a {@link FaultyBlobStore} does instead of what it should. Immutable; two that do the same are equal, but
 * for those of {@link #meanwhile}.
 *
 * @since 0.1
 */
public final class StoreFault {
    /** None: the call does what it should. */
    public static final StoreFault NONE = new StoreFault(Kind.NONE, null, 0, null);

    /**
     * A get fills the first half of its target, a listing ends after the first half of its entries, and neither says so,
     * which no store may do. Other calls do what they should.
     */
    public static final StoreFault TRUNCATED = new StoreFault(Kind.TRUNCATED, null, 0, null);

    /** A listing has no entries, and does not say that there are some, which no store may do. Other calls do what they should. */
    public static final StoreFault EMPTY = new StoreFault(Kind.EMPTY, null, 0, null);

    /** The kinds of faults. */
    enum Kind {
        NONE,
        REFUSED,
        ANSWER_LOST,
        BROKEN_OFF,
        TRUNCATED,
        EMPTY,
        FLIPPED,
        SLOW,
        MEANWHILE
    }

    final Kind kind;
    final @Nullable ErrorCode code;
    final long number;
    final @Nullable Runnable action;

    private StoreFault(Kind kind, @Nullable ErrorCode code, long number, @Nullable Runnable action) {
        this.kind = kind;
        this.code = code;
        this.number = number;
        this.action = action;
    }

    /**
     * The call has no effect and throws.
     *
     * @param code what it throws
     * @return the fault
     */
    public static StoreFault refused(ErrorCode code) {
        return new StoreFault(Kind.REFUSED, code, 0, null);
    }

    /**
     * The call has its effect and throws, as when the line breaks before the answer: an object that was put is there.
     *
     * @param code what it throws
     * @return the fault
     */
    public static StoreFault answerLost(ErrorCode code) {
        return new StoreFault(Kind.ANSWER_LOST, code, 0, null);
    }

    /**
     * The call throws in the middle: a put has taken half of the bytes and creates nothing, a get has filled half of its
     * target, a listing has given half of its entries. Deletes and stats have no effect and throw.
     *
     * @param code what it throws
     * @return the fault
     */
    public static StoreFault brokenOff(ErrorCode code) {
        return new StoreFault(Kind.BROKEN_OFF, code, 0, null);
    }

    /**
     * A get gives one bit turned round. Other calls do what they should.
     *
     * @param bit which of all bits that are read, 0 or more, modulo their number
     * @return the fault
     */
    public static StoreFault flipped(long bit) {
        return new StoreFault(Kind.FLIPPED, null, bit, null);
    }

    /**
     * The call waits first and then does what it should. An interrupt ends the waiting and stays set.
     *
     * @param time how long
     * @return the fault
     */
    public static StoreFault slow(Duration time) {
        return new StoreFault(Kind.SLOW, null, time.toNanos(), null);
    }

    /**
     * Something happens first, in the caller's thread, and then the call does what it should: a task is cancelled, another
     * process gets on, a latch is awaited.
     *
     * @param action what happens; what it throws the call throws
     * @return the fault
     */
    public static StoreFault meanwhile(Runnable action) {
        return new StoreFault(Kind.MEANWHILE, null, 0, action);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof StoreFault fault
                && kind == fault.kind
                && number == fault.number
                && action == fault.action
                && (code == null ? fault.code == null : code.equals(fault.code));
    }

    @Override
    public int hashCode() {
        return kind.hashCode() + 31 * Long.hashCode(number);
    }

    /** The fault as it is written in Java, so that what a test prints can be put into one. */
    @Override
    public String toString() {
        String name = "StoreFault.";
        return switch (kind) {
            case NONE, TRUNCATED, EMPTY -> name + kind;
            case REFUSED -> name + "refused(ErrorCode." + code + ")";
            case ANSWER_LOST -> name + "answerLost(ErrorCode." + code + ")";
            case BROKEN_OFF -> name + "brokenOff(ErrorCode." + code + ")";
            case FLIPPED -> name + "flipped(" + number + "L)";
            case SLOW -> name + "slow(Duration.ofNanos(" + number + "L))";
            case MEANWHILE -> name + "meanwhile(...)";
        };
    }
}
