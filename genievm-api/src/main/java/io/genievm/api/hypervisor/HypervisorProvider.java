package io.genievm.api.hypervisor;

import java.util.Set;

/**
 * The entry point of a driver, found with {@link java.util.ServiceLoader}. Needs a public constructor without
 * arguments that does nothing: no native library is loaded and no connection made before {@link #open}.
 *
 * <p>Implementations are safe for use by several threads.
 *
 * @since 0.1
 */
public interface HypervisorProvider {
    /**
     * The driver's short name. It is written into restore points and never changes its meaning.
     *
     * @return 1 to 32 characters out of {@code a-z}, {@code 0-9} and {@code -}, beginning with a letter
     */
    String name();

    /**
     * The words before the first {@code ':'} of an address that this driver serves. Two providers that serve the same
     * scheme are an error, found when that scheme is asked for.
     *
     * @return at least one; the same form as {@link #name()}, with {@code '+'} and {@code '.'} allowed as well
     */
    Set<String> schemes();

    /**
     * Connects.
     *
     * @param config the address, whose scheme is one of {@link #schemes()}, and options
     * @return an open connection, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code INVALID_ARGUMENT} when the address or an option is not
     *     allowed or an option is unknown, {@code NOT_FOUND} when nothing is there, {@code ACCESS_DENIED},
     *     {@code UNSUPPORTED}, or an I/O code; nothing stays open then
     */
    HypervisorConnection open(HypervisorConfig config);
}
