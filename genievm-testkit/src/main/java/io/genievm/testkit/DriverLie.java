package io.genievm.testkit;

import io.genievm.api.Extent;

/**
 * A way in which an {@link InMemoryDisk} tells the wrong changes or the wrong allocation, for tests of whoever believes
 * it. Contents are never wrong. A lie changes answers that would be {@link io.genievm.api.hypervisor.Changes.Known}: what
 * is truly unknown stays so. Immutable.
 *
 * <p>{@link MissingChanges}, {@link NoChanges}, {@link UnrecordedWrites}, {@link StaleToken}, {@link OtherDisk} and
 * {@link HiddenAllocation} give lists that keep every rule, so that only a comparison with the disk's content shows the
 * lie. {@link BrokenChanges} and {@link BrokenAllocation} break the rules for lists.
 *
 * @since 0.1
 */
public sealed interface DriverLie {
    /**
     * Lists of changes leave out every byte of a range. True as long as nothing in that range has changed.
     *
     * @param extent the range in bytes, cut out to the byte whatever the grain
     * @since 0.1
     */
    record MissingChanges(Extent extent) implements DriverLie {}

    /**
     * Lists of changes are empty. True as long as nothing has changed.
     *
     * @since 0.1
     */
    record NoChanges() implements DriverLie {}

    /**
     * What is written into a range while this lie is set is not recorded. It is missing in every list over that time,
     * also when the lie has been taken back; what is written before and afterwards is not.
     *
     * @param extent the range in bytes, cut out to the byte whatever the grain
     * @since 0.1
     */
    record UnrecordedWrites(Extent extent) implements DriverLie {}

    /**
     * Tokens that are older than the moment when this lie was set are taken for tokens of that moment: what was written
     * between the two is left out. True for tokens that are younger, and when nothing was written between.
     *
     * @since 0.1
     */
    record StaleToken() implements DriverLie {}

    /**
     * Lists of changes are those of another disk over the same time, cut at the capacity of this one. True when both
     * have the same changes. A time that the other disk does not remember, having been excluded then, begins earlier.
     *
     * @param other a disk of the same VM
     * @since 0.1
     */
    record OtherDisk(InMemoryDisk other) implements DriverLie {}

    /**
     * The changes are unknown although they are not.
     *
     * @param reason the reason of the answer, a word in upper case
     * @since 0.1
     */
    record UnknownChanges(String reason) implements DriverLie {}

    /**
     * Lists of changes break the rules. True as long as nothing has changed.
     *
     * @param how which rule they break
     * @since 0.1
     */
    record BrokenChanges(BrokenList how) implements DriverLie {}

    /**
     * Lists of allocated ranges leave out every byte of a range, which then seems to be zero. True as long as nothing in
     * that range is allocated; harmless as long as it holds zeroes.
     *
     * @param extent the range in bytes, cut out to the byte
     * @since 0.1
     */
    record HiddenAllocation(Extent extent) implements DriverLie {}

    /**
     * Lists of allocated ranges break the rules. True as long as nothing is allocated.
     *
     * @param how which rule they break
     * @since 0.1
     */
    record BrokenAllocation(BrokenList how) implements DriverLie {}
}
