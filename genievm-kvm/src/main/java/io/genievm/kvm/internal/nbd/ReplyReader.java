package io.genievm.kvm.internal.nbd;

import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Takes the messages of the server apart and gives what is in them to the requests that they answer. Nothing is believed:
 * each message has to fit a request that is under way. For one thread at a time, the one whose turn it is in the
 * {@link RequestTable}; only that thread touches the targets of reads.
 */
final class ReplyReader {
    private final NbdWire wire;
    private final NbdExport export;
    private final int[] contextIds;
    private final RequestTable table;
    private final Resource resource;
    private final long silenceNanos;

    ReplyReader(NbdWire wire, NbdExport export, int[] contextIds, RequestTable table, long silenceNanos) {
        this.wire = wire;
        this.export = export;
        this.contextIds = contextIds;
        this.table = table;
        this.silenceNanos = silenceNanos;
        resource = wire.resource();
    }

    /** Reads one message, and waits no longer for it than the request of the thread that reads may last. */
    void take(PendingRequest mine) throws IOException {
        wire.setLimits(mine.made, silenceNanos, mine.limit);
        wire.need(16);
        int magic = wire.getInt();
        if (magic == NbdProtocol.SIMPLE_REPLY_MAGIC) {
            int error = wire.getInt();
            takeSimpleReply(requestOf(wire.getLong()), error);
        } else if (magic == NbdProtocol.STRUCTURED_REPLY_MAGIC && export.structured()) {
            int flags = wire.getShort();
            int type = Short.toUnsignedInt(wire.getShort());
            PendingRequest request = requestOf(wire.getLong());
            wire.need(4);
            takeChunk(request, flags, type, wire.getInt());
        } else {
            throw broken("not a reply");
        }
    }

    private PendingRequest requestOf(long cookie) {
        PendingRequest request = table.find(cookie);
        if (request == null) {
            throw broken("a reply to no request");
        }
        return request;
    }

    private void takeSimpleReply(PendingRequest request, int error) throws IOException {
        if (error != 0) {
            if (export.structured() && request.command == NbdProtocol.COMMAND_READ) {
                throw broken("a simple reply to a read, although structured ones were agreed on");
            }
            refuse(request, error, "", -1);
        } else if (export.structured() && (request.target != null || request.status != null)) {
            throw broken("a simple reply where it has to be a structured one");
        } else if (request.target != null) {
            wire.fill(request.target);
        }
        table.complete(request);
    }

    private void takeChunk(PendingRequest request, int flags, int type, int length) throws IOException {
        boolean last = (flags & NbdProtocol.CHUNK_DONE) != 0;
        if ((type & NbdProtocol.CHUNK_ERROR_BIT) != 0) {
            takeError(request, type, length);
        } else {
            switch (type) {
                case NbdProtocol.CHUNK_NONE -> {
                    if (length != 0 || !last) {
                        throw broken("an empty chunk that is not empty or not the last");
                    }
                }
                case NbdProtocol.CHUNK_OFFSET_DATA -> takeData(request, length);
                case NbdProtocol.CHUNK_OFFSET_HOLE -> takeHole(request, length);
                case NbdProtocol.CHUNK_BLOCK_STATUS -> takeStatus(request, length);
                default -> throw broken("a chunk of unknown type " + type);
            }
        }
        if (!last) {
            return;
        }
        if (request.refusal == null) {
            if (request.coverage != null && !request.coverage.isComplete()) {
                throw broken("a read that ended before all of it had come");
            }
            if (request.status != null && !request.status.isComplete()) {
                throw broken("a block status without all of the selected contexts");
            }
        }
        table.complete(request);
    }

    private void takeData(PendingRequest request, int length) throws IOException {
        if (Integer.compareUnsigned(length, 9) < 0) {
            throw broken("a data chunk without data");
        }
        wire.need(8);
        wire.fill(cover(request, wire.getLong(), Integer.toUnsignedLong(length) - 8));
    }

    private void takeHole(PendingRequest request, int length) throws IOException {
        if (length != 12) {
            throw broken("a hole chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        wire.need(12);
        long offset = wire.getLong();
        ByteBuffer hole = cover(request, offset, Integer.toUnsignedLong(wire.getInt()));
        while (hole.hasRemaining()) {
            int step = Math.min(hole.remaining(), NbdWire.ZEROES.capacity());
            hole.put(hole.position(), NbdWire.ZEROES, 0, step);
            hole.position(hole.position() + step);
        }
    }

    /** The part of the target for a piece of content, once it is certain that the piece may come. */
    private ByteBuffer cover(PendingRequest request, long offset, long length) {
        ByteBuffer target = request.target;
        ReadCoverage coverage = request.coverage;
        if (target == null || coverage == null) {
            throw broken("content that answers no read");
        }
        long start = offset - request.offset;
        if (length == 0 || offset < request.offset || start > request.length - length) {
            throw broken("content outside of the read");
        }
        if (!coverage.add(start, start + length)) {
            throw broken("content that came twice, or in too many pieces without order");
        }
        return target.slice((int) start, (int) length);
    }

    private void takeStatus(PendingRequest request, int length) throws IOException {
        BlockStatus status = request.status;
        if (status == null) {
            throw broken("a block status that nobody asked for");
        }
        if (length < 12 || length % 8 != 4 || length > NbdProtocol.MAX_STATUS_CHUNK) {
            throw broken("a block status chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        wire.need(4);
        int id = wire.getInt();
        int context = 0;
        while (context < contextIds.length && contextIds[context] != id) {
            context++;
        }
        BlockStatus.Runs runs = context == contextIds.length ? null : status.begin(context);
        if (runs == null) {
            throw broken("a block status for a context that was not selected, or twice for one");
        }
        long end = 0;
        for (int left = (length - 4) / 8; left > 0; left--) {
            wire.need(8);
            long run = Integer.toUnsignedLong(wire.getInt());
            // The last run may tell of more than was asked for, but none may begin there.
            if (run == 0 || end >= request.length || run > export.size() - request.offset - end) {
                throw broken("a block status that does not fit the request");
            }
            end += run;
            runs.add(Math.min(end, request.length), wire.getInt());
        }
    }

    private void takeError(PendingRequest request, int type, int length) throws IOException {
        int fixed = type == NbdProtocol.CHUNK_ERROR_OFFSET ? 14 : 6;
        if (length < fixed || length > NbdProtocol.MAX_ERROR_CHUNK) {
            throw broken("an error chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        if (++request.errorChunks > NbdProtocol.MAX_ERROR_CHUNKS) {
            throw broken("more than " + NbdProtocol.MAX_ERROR_CHUNKS + " errors for one request");
        }
        wire.need(6);
        int error = wire.getInt();
        int words = Short.toUnsignedInt(wire.getShort());
        if (error == 0 || words > length - fixed) {
            throw broken("an error chunk without an error, or shorter than its words");
        }
        String text = wire.words(words);
        int left = length - 6 - words;
        long offset = -1;
        if (type == NbdProtocol.CHUNK_ERROR_OFFSET) {
            wire.need(8);
            offset = wire.getLong();
            left -= 8;
            if (offset < request.offset || offset - request.offset >= request.length) {
                throw broken("an error outside of the request");
            }
        }
        wire.skip(left);
        refuse(request, error, text, offset);
    }

    private void refuse(PendingRequest request, int error, String words, long at) {
        if (error == NbdErrors.ESHUTDOWN) {
            table.refuseMore();
        }
        if (request.refusal == null) {
            Resource where = request.length == 0
                    ? resource
                    : new Resource(null, null, new Extent(request.offset, request.length), resource.name());
            request.refusal = new GenieVmException(
                    NbdErrors.codeOf(error),
                    where,
                    "the NBD server at " + where + " answered " + nameOf(request.command) + " with "
                            + NbdErrors.nameOf(error) + (at < 0 ? "" : " at offset " + at) + NbdErrors.quoted(words));
        }
    }

    private GenieVmException broken(String what) {
        return NbdErrors.broken(resource, what);
    }

    private static String nameOf(int command) {
        return switch (command) {
            case NbdProtocol.COMMAND_READ -> "a read";
            case NbdProtocol.COMMAND_WRITE -> "a write";
            case NbdProtocol.COMMAND_FLUSH -> "a flush";
            case NbdProtocol.COMMAND_TRIM -> "a trim";
            case NbdProtocol.COMMAND_WRITE_ZEROES -> "write zeroes";
            default -> "a block status request";
        };
    }
}
