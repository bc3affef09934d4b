package io.genievm.testkit.fault;

import io.genievm.api.ErrorCode;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * Says which calls of a {@link FaultyBlobStore} go wrong, and how. Asked once for each call, one call at a time, in the
 * order of their numbers. Those made here that have no state may be used by several stores; those of {@link #dying} are for
 * one.
 *
 * @since 0.1
 */
@FunctionalInterface
public interface FaultScript {
    /** Nothing goes wrong. */
    FaultScript NONE = call -> StoreFault.NONE;

    /**
     * Decides about a call.
     *
     * @param call the call
     * @return what it does; {@link StoreFault#NONE} for what it should
     */
    StoreFault faultAt(StoreCall call);

    /**
     * Single calls go wrong.
     *
     * @param faults by the calls' numbers
     * @return the script
     */
    static FaultScript of(Map<Integer, StoreFault> faults) {
        Map<Integer, StoreFault> copy = new TreeMap<>(faults);
        return new Described(
                call -> copy.getOrDefault(call.number(), StoreFault.NONE), "FaultScript.of(Map.of(" + copy + "))");
    }

    /**
     * One call goes wrong.
     *
     * @param number the call's number, from 0
     * @param fault how
     * @return the script
     */
    static FaultScript once(int number, StoreFault fault) {
        return new Described(
                call -> call.number() == number ? fault : StoreFault.NONE,
                "FaultScript.once(" + number + ", " + fault + ")");
    }

    /**
     * A call goes wrong, and every one after it.
     *
     * @param number the first call's number, from 0
     * @param fault how
     * @return the script
     */
    static FaultScript from(int number, StoreFault fault) {
        return new Described(
                call -> call.number() >= number ? fault : StoreFault.NONE,
                "FaultScript.from(" + number + ", " + fault + ")");
    }

    /**
     * Every call of some kind goes wrong.
     *
     * @param calls which
     * @param fault how
     * @return the script
     */
    static FaultScript every(Predicate<StoreCall> calls, StoreFault fault) {
        return call -> calls.test(call) ? fault : StoreFault.NONE;
    }

    /**
     * The process dies at a call, as the store sees it: whatever comes after has no effect and throws {@code IO_ERROR}, and
     * so does nothing that would clear up.
     *
     * @param last chooses the call, the first that it is true of
     * @param hasEffect whether that call still has its effect
     * @return a script for one store
     */
    static FaultScript dying(Predicate<StoreCall> last, boolean hasEffect) {
        return new FaultScript() {
            private boolean dead;

            @Override
            public StoreFault faultAt(StoreCall call) {
                if (!dead && last.test(call)) {
                    dead = true;
                    return hasEffect
                            ? StoreFault.answerLost(ErrorCode.IO_ERROR)
                            : StoreFault.refused(ErrorCode.IO_ERROR);
                }
                return dead ? StoreFault.refused(ErrorCode.IO_ERROR) : StoreFault.NONE;
            }
        };
    }

    /**
     * Calls go wrong at random. What happens to the call of a number follows from the seed and that number alone, so with
     * the same seed and one thread the same happens again.
     *
     * @param seed decides everything
     * @param oneIn one in so many calls goes wrong on the average, 1 or more
     * @param faults how, each as likely as any other; at least one
     * @return the script
     * @throws IllegalArgumentException when there is no fault, or {@code oneIn} is less than 1
     */
    static FaultScript seeded(long seed, int oneIn, List<StoreFault> faults) {
        if (oneIn < 1 || faults.isEmpty()) {
            throw new IllegalArgumentException(
                    "one call in " + oneIn + " goes wrong in one of " + faults.size() + " ways");
        }
        List<StoreFault> choice = List.copyOf(faults);
        return new Described(
                call -> {
                    long chance = mix(seed + 0x9E3779B97F4A7C15L * (call.number() + 1L));
                    return Long.remainderUnsigned(chance, oneIn) == 0
                            ? choice.get((int) Long.remainderUnsigned(mix(chance), choice.size()))
                            : StoreFault.NONE;
                },
                "FaultScript.seeded(" + seed + "L, " + oneIn + ", List.of("
                        + String.join(
                                ", ", choice.stream().map(StoreFault::toString).toList()) + "))");
    }

    /** The finalizer of SplitMix64: neighbouring numbers give unlike ones. */
    private static long mix(long number) {
        long mixed = (number ^ number >>> 30) * 0xBF58476D1CE4E5B9L;
        mixed = (mixed ^ mixed >>> 27) * 0x94D049BB133111EBL;
        return mixed ^ mixed >>> 31;
    }
}
