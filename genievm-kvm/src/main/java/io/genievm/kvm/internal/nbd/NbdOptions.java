package io.genievm.kvm.internal.nbd;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to connect and how long to wait.
 *
 * @param connectLimit the longest time until an export is ready: connecting, TLS and negotiation together
 * @param silenceLimit the longest time in which a server that owes an answer may send, or take, nothing at all
 * @param requestLimit the longest time for one request, however busily the server sends
 * @param contexts the metadata contexts to select, by their whole names; what the server does not have is left out
 * @param tls for TLS; {@code null} to take the address's certificates, or what the JVM trusts when it has none
 */
public record NbdOptions(
        Duration connectLimit,
        Duration silenceLimit,
        Duration requestLimit,
        List<String> contexts,
        @Nullable NbdTls tls) {
    /** The context that tells what is allocated. */
    public static final String ALLOCATION = "base:allocation";

    /** 30 seconds to connect, 2 minutes of silence, 10 minutes for a request, no contexts. */
    public static final NbdOptions DEFAULT =
            new NbdOptions(Duration.ofSeconds(30), Duration.ofMinutes(2), Duration.ofMinutes(10), List.of(), null);

    /** Checks the options. */
    public NbdOptions {
        contexts = List.copyOf(contexts);
        for (Duration limit : List.of(connectLimit, silenceLimit, requestLimit)) {
            if (limit.compareTo(Duration.ofMillis(1)) < 0 || limit.compareTo(Duration.ofDays(1)) > 0) {
                throw new IllegalArgumentException("a time limit is 1 millisecond to 1 day, not " + limit);
            }
        }
        if (contexts.size() > NbdProtocol.MAX_CONTEXTS || new HashSet<>(contexts).size() < contexts.size()) {
            throw new IllegalArgumentException(
                    "at most " + NbdProtocol.MAX_CONTEXTS + " contexts, each once: " + contexts);
        }
    }

    /** The same with other contexts. */
    public NbdOptions withContexts(String... names) {
        return new NbdOptions(connectLimit, silenceLimit, requestLimit, List.of(names), tls);
    }

    /** The same with other time limits. */
    public NbdOptions withLimits(Duration connect, Duration silence, Duration request) {
        return new NbdOptions(connect, silence, request, contexts, tls);
    }

    /** The same with other certificates. */
    public NbdOptions withTls(NbdTls certificates) {
        return new NbdOptions(connectLimit, silenceLimit, requestLimit, contexts, certificates);
    }
}
