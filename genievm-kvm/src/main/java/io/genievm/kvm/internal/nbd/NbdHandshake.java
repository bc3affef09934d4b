package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Everything before the first request: greeting, TLS, and the options, of which each has to be answered before the next. */
final class NbdHandshake {
    private final NbdAddress address;
    private final NbdOptions options;
    private final NbdWire wire;
    private final String tlsProtocol;
    private final Resource resource;

    private boolean fixed;
    private boolean noZeroes;
    private boolean structured;
    /** The selected contexts and their numbers. */
    private final Map<String, Integer> contexts = new LinkedHashMap<>();

    private long size = -1;
    private int flags;
    private long minimum = -1;
    private long preferred;
    private long maximum;

    NbdHandshake(NbdAddress address, NbdOptions options, NbdWire wire, String tlsProtocol) {
        this.address = address;
        this.options = options;
        this.wire = wire;
        this.tlsProtocol = tlsProtocol;
        resource = wire.resource();
    }

    /** The number of each context of the export, in the order of {@link NbdExport#contexts()}. */
    int[] contextIds() {
        return contexts.values().stream().mapToInt(id -> id).toArray();
    }

    /** Negotiates everything, up to where requests may be sent. */
    NbdExport open() throws IOException {
        greet();
        if (fixed) {
            structured = agreeOnStructuredReplies();
            if (structured && !options.contexts().isEmpty()) {
                selectContexts();
            }
        }
        if (!fixed || !go()) {
            takeExportByName();
        }
        return export();
    }

    /** Asks which contexts the export has, and says goodbye. */
    List<String> listContexts(String query) throws IOException {
        greet();
        List<String> names = new ArrayList<>();
        if (fixed && agreeOnStructuredReplies()) {
            sendOption(
                    NbdProtocol.OPTION_LIST_META_CONTEXT, contextQuery(query.isEmpty() ? List.of() : List.of(query)));
            readReplies(NbdProtocol.OPTION_LIST_META_CONTEXT, reply -> {
                if (reply.type == NbdProtocol.REPLY_META_CONTEXT) {
                    reply.contextId();
                    names.add(reply.contextName());
                    return false;
                }
                return reply.isAcknowledgement() || reply.isUnsupported() || reply.fails("list metadata contexts");
            });
        }
        if (fixed) {
            sendOption(NbdProtocol.OPTION_ABORT, ByteBuffer.allocate(0));
        }
        return names;
    }

    private void greet() throws IOException {
        wire.need(16);
        if (wire.getLong() != NbdProtocol.MAGIC) {
            throw NbdErrors.broken(resource, "the greeting is not that of an NBD server");
        }
        long style = wire.getLong();
        if (style == NbdProtocol.OLD_STYLE_MAGIC) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    resource,
                    "the NBD server at " + resource.name() + " speaks only the oldstyle protocol, newstyle is needed");
        }
        if (style != NbdProtocol.OPTION_MAGIC) {
            throw NbdErrors.broken(resource, "the greeting is not that of an NBD server");
        }
        wire.need(2);
        int serverFlags = wire.getShort();
        fixed = (serverFlags & NbdProtocol.HANDSHAKE_FIXED_NEWSTYLE) != 0;
        noZeroes = (serverFlags & NbdProtocol.HANDSHAKE_NO_ZEROES) != 0;
        int known = NbdProtocol.HANDSHAKE_FIXED_NEWSTYLE | NbdProtocol.HANDSHAKE_NO_ZEROES;
        wire.writeAll(ByteBuffer.allocate(4).putInt(serverFlags & known).flip());
        if (address.tls()) {
            startTls();
        }
    }

    /** Before any other option, so that nobody on the way can have had a say in the others. */
    private void startTls() throws IOException {
        if (!fixed) {
            throw noTls("it does not have fixed newstyle");
        }
        sendOption(NbdProtocol.OPTION_STARTTLS, ByteBuffer.allocate(0));
        readReplies(NbdProtocol.OPTION_STARTTLS, reply -> {
            if (reply.isError()) {
                throw noTls(NbdErrors.nameOfReply(reply.type) + NbdErrors.quoted(reply.words()));
            }
            return reply.isAcknowledgement();
        });
        NbdTls tls = options.tls() != null
                ? options.tls()
                : address.certificates() != null ? NbdTls.fromFolder(address.certificates()) : NbdTls.ofJvm();
        String hostname = address.tlsHostname() != null ? address.tlsHostname() : address.host();
        if (hostname == null) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    resource,
                    "TLS over a Unix socket needs the name that the server's certificate is for (tls-hostname)");
        }
        wire.startTls(tls.engine(hostname, address.port(), tlsProtocol));
    }

    private GenieVmException noTls(String reason) {
        return new GenieVmException(
                ErrorCode.ACCESS_DENIED,
                resource,
                "TLS was asked for and the NBD server at " + resource.name() + " does not offer it: " + reason);
    }

    private boolean agreeOnStructuredReplies() throws IOException {
        sendOption(NbdProtocol.OPTION_STRUCTURED_REPLY, ByteBuffer.allocate(0));
        return readReplies(
                        NbdProtocol.OPTION_STRUCTURED_REPLY,
                        reply -> reply.isAcknowledgement()
                                || reply.isUnsupported()
                                || reply.fails("agree on structured replies"))
                == NbdProtocol.REPLY_ACK;
    }

    private void selectContexts() throws IOException {
        Map<String, Integer> selected = new LinkedHashMap<>();
        sendOption(NbdProtocol.OPTION_SET_META_CONTEXT, contextQuery(options.contexts()));
        readReplies(NbdProtocol.OPTION_SET_META_CONTEXT, reply -> {
            if (reply.type == NbdProtocol.REPLY_META_CONTEXT) {
                int id = reply.contextId();
                String name = reply.contextName();
                if (!options.contexts().contains(name) || selected.containsValue(id) || selected.containsKey(name)) {
                    throw NbdErrors.broken(resource, "a metadata context that was not asked for, or twice");
                }
                selected.put(name, id);
                return false;
            }
            return reply.isAcknowledgement() || reply.isUnsupported() || reply.fails("select metadata contexts");
        });
        for (String name : options.contexts()) {
            Integer id = selected.get(name);
            if (id != null) {
                contexts.put(name, id);
            }
        }
    }

    private ByteBuffer contextQuery(List<String> queries) {
        byte[] export = address.export().getBytes(StandardCharsets.UTF_8);
        List<byte[]> encoded = queries.stream()
                .map(query -> query.getBytes(StandardCharsets.UTF_8))
                .toList();
        ByteBuffer data = ByteBuffer.allocate(8
                + export.length
                + encoded.stream().mapToInt(query -> 4 + query.length).sum());
        data.putInt(export.length).put(export).putInt(encoded.size());
        for (byte[] query : encoded) {
            data.putInt(query.length).put(query);
        }
        return data.flip();
    }

    /** Returns whether the server knows the option. */
    private boolean go() throws IOException {
        byte[] export = address.export().getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(8 + export.length);
        data.putInt(export.length).put(export).putShort((short) 1).putShort((short) NbdProtocol.INFO_BLOCK_SIZE);
        sendOption(NbdProtocol.OPTION_GO, data.flip());
        int end = readReplies(NbdProtocol.OPTION_GO, reply -> {
            if (reply.type == NbdProtocol.REPLY_INFO) {
                takeInfo(reply);
                return false;
            }
            return reply.isAcknowledgement() || reply.isUnsupported() || reply.fails("open the export");
        });
        if (end == NbdProtocol.REPLY_ACK && size < 0) {
            throw NbdErrors.broken(resource, "no size of the export");
        }
        return end == NbdProtocol.REPLY_ACK;
    }

    private void takeInfo(OptionReply reply) throws IOException {
        int info = reply.info();
        if (info == NbdProtocol.INFO_EXPORT) {
            reply.require(10);
            takeSize();
        } else if (info == NbdProtocol.INFO_BLOCK_SIZE) {
            reply.require(12);
            wire.need(12);
            minimum = Integer.toUnsignedLong(wire.getInt());
            preferred = Integer.toUnsignedLong(wire.getInt());
            maximum = Integer.toUnsignedLong(wire.getInt());
            boolean sane = Long.bitCount(minimum) == 1
                    && minimum <= 65536
                    && maximum >= minimum
                    && (maximum == 0xffffffffL || maximum % minimum == 0);
            if (!sane) {
                throw NbdErrors.broken(
                        resource, "block sizes that can not be: " + minimum + ", " + preferred + ", " + maximum);
            }
        } else {
            // Names and descriptions are for people, and unknown ones for later.
            reply.discard();
        }
    }

    private void takeSize() throws IOException {
        wire.need(10);
        size = wire.getLong();
        flags = Short.toUnsignedInt(wire.getShort());
        if (size < 0) {
            throw NbdErrors.broken(resource, "a size of " + Long.toUnsignedString(size) + " bytes");
        }
        if ((flags & NbdProtocol.FLAG_HAS_FLAGS) == 0) {
            flags = 0;
        }
    }

    /** The only option that old servers know. They have no words for a refusal, and hang up. */
    private void takeExportByName() throws IOException {
        sendOption(
                NbdProtocol.OPTION_EXPORT_NAME, ByteBuffer.wrap(address.export().getBytes(StandardCharsets.UTF_8)));
        try {
            takeSize();
        } catch (java.io.EOFException e) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    resource,
                    "the NBD server at " + resource.name() + " hung up when asked for the export; it has none by that"
                            + " name, or wants TLS",
                    e);
        }
        if (!noZeroes) {
            wire.skip(124);
        }
    }

    private NbdExport export() {
        boolean stated = minimum > 0;
        int block = stated ? (int) minimum : NbdProtocol.DEFAULT_MINIMUM_BLOCK;
        long longest =
                stated ? Math.min(maximum, NbdProtocol.DEFAULT_MAXIMUM_BLOCK) : NbdProtocol.DEFAULT_MAXIMUM_BLOCK;
        return new NbdExport(
                size,
                flags,
                block,
                // A hint, so a strange one is no reason to go.
                stated && Long.bitCount(preferred) == 1 && preferred >= block && preferred < 1L << 31
                        ? (int) preferred
                        : Math.max(block, NbdProtocol.DEFAULT_PREFERRED_BLOCK),
                (int) (longest - longest % block),
                structured,
                wire.isEncrypted(),
                List.copyOf(contexts.keySet()));
    }

    private void sendOption(int option, ByteBuffer data) throws IOException {
        ByteBuffer message = ByteBuffer.allocate(16 + data.remaining());
        message.putLong(NbdProtocol.OPTION_MAGIC)
                .putInt(option)
                .putInt(data.remaining())
                .put(data);
        wire.writeAll(message.flip());
    }

    /** Takes one reply, and says whether it was the last. */
    private interface ReplyTaker {
        boolean take(OptionReply reply) throws IOException;
    }

    /** Reads replies up to the last one, and returns its type. */
    private int readReplies(int option, ReplyTaker taker) throws IOException {
        for (int count = 0; count < NbdProtocol.MAX_OPTION_REPLIES; count++) {
            wire.need(20);
            long magic = wire.getLong();
            int answered = wire.getInt();
            OptionReply reply = new OptionReply(wire.getInt(), wire.getInt());
            if (magic != NbdProtocol.OPTION_REPLY_MAGIC || answered != option) {
                throw NbdErrors.broken(resource, "not a reply to the option that was sent");
            }
            if (Integer.compareUnsigned(reply.length, NbdProtocol.MAX_OPTION_REPLY) > 0) {
                throw NbdErrors.broken(
                        resource, "a reply of " + Integer.toUnsignedString(reply.length) + " bytes to an option");
            }
            boolean last = taker.take(reply);
            if (last) {
                return reply.type;
            }
            if (reply.type != NbdProtocol.REPLY_INFO && reply.type != NbdProtocol.REPLY_META_CONTEXT) {
                throw NbdErrors.broken(resource, "a reply of unknown type " + reply.type + " to option " + option);
            }
        }
        throw NbdErrors.broken(resource, "more than " + NbdProtocol.MAX_OPTION_REPLIES + " replies to one option");
    }

    /** The head of a reply to an option; its data is still to be read. */
    private final class OptionReply {
        private final int type;
        private final int length;
        private int left;

        private OptionReply(int type, int length) {
            this.type = type;
            this.length = length;
            left = length;
        }

        boolean isError() {
            return (type & NbdProtocol.REPLY_ERROR) != 0;
        }

        boolean isAcknowledgement() {
            if (type != NbdProtocol.REPLY_ACK) {
                return false;
            }
            require(0);
            return true;
        }

        /** Whether the server does not know the option; its words are read then. */
        boolean isUnsupported() throws IOException {
            if (type != NbdProtocol.REPLY_ERROR_UNSUPPORTED) {
                return false;
            }
            words();
            return true;
        }

        /** Throws what an error means; false for other types, which the caller does not know. */
        boolean fails(String what) throws IOException {
            if (!isError()) {
                return false;
            }
            throw new GenieVmException(
                    NbdErrors.codeOfReply(type),
                    resource,
                    "the NBD server at " + resource.name() + " refused to " + what + ": " + NbdErrors.nameOfReply(type)
                            + NbdErrors.quoted(words()));
        }

        String words() throws IOException {
            int bytes = left;
            left = 0;
            return wire.words(bytes);
        }

        void discard() throws IOException {
            int bytes = left;
            left = 0;
            wire.skip(bytes);
        }

        int info() throws IOException {
            take(2);
            return Short.toUnsignedInt(wire.getShort());
        }

        int contextId() throws IOException {
            take(4);
            return wire.getInt();
        }

        String contextName() throws IOException {
            if (left < 1 || left > NbdProtocol.MAX_STRING) {
                throw NbdErrors.broken(resource, "a metadata context with a name of " + left + " bytes");
            }
            int bytes = left;
            left = 0;
            return wire.string(bytes);
        }

        /** Checks that just so many bytes are left. */
        void require(int bytes) {
            if (left != bytes) {
                throw NbdErrors.broken(resource, "a reply with " + length + " bytes of data to an option");
            }
        }

        private void take(int bytes) throws IOException {
            if (left < bytes) {
                throw NbdErrors.broken(resource, "a reply with " + length + " bytes of data to an option");
            }
            left -= bytes;
            wire.need(bytes);
        }
    }
}
