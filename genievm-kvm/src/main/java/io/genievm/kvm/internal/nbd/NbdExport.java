package io.genievm.kvm.internal.nbd;

import java.util.List;

/**
 * What a server said of an export, checked.
 *
 * @param size its bytes
 * @param flags the transmission flags of the protocol
 * @param minimumBlock what offset and length of requests are a multiple of, but for a request that ends at the size; a
 *     power of two from 1 to 65 536
 * @param preferredBlock the smallest request that is efficient; a power of two
 * @param maximumBlock the longest read or write that the server takes in one request, and at most 32 MiB
 * @param structured whether replies are structured
 * @param tls whether the connection is encrypted
 * @param contexts the metadata contexts that were selected, of those that were asked for and in their order
 */
public record NbdExport(
        long size,
        int flags,
        int minimumBlock,
        int preferredBlock,
        int maximumBlock,
        boolean structured,
        boolean tls,
        List<String> contexts) {
    /** Copies the contexts. */
    public NbdExport {
        contexts = List.copyOf(contexts);
    }

    /** Whether the server refuses writes. */
    public boolean isReadOnly() {
        return has(NbdProtocol.FLAG_READ_ONLY);
    }

    /** Whether the server has flush; without it nothing is known of what is durable. */
    public boolean canFlush() {
        return has(NbdProtocol.FLAG_SEND_FLUSH);
    }

    /** Whether the server has trim. */
    public boolean canTrim() {
        return has(NbdProtocol.FLAG_SEND_TRIM);
    }

    /** Whether the server has write zeroes. */
    public boolean canWriteZeroes() {
        return has(NbdProtocol.FLAG_SEND_WRITE_ZEROES);
    }

    /** Whether several connections see the same export, and a flush on one is for the writes of all. */
    public boolean canMultiConnect() {
        return has(NbdProtocol.FLAG_CAN_MULTI_CONN);
    }

    private boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
