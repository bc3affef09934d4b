package io.genievm.kvm.internal.nbd;

/** The numbers of the protocol, and the bounds that this client sets where the protocol sets none. */
final class NbdProtocol {
    static final long MAGIC = 0x4e42444d41474943L;
    static final long OPTION_MAGIC = 0x49484156454F5054L;
    static final long OLD_STYLE_MAGIC = 0x00420281861253L;
    static final long OPTION_REPLY_MAGIC = 0x0003e889045565a9L;
    static final int REQUEST_MAGIC = 0x25609513;
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;

    static final int HANDSHAKE_FIXED_NEWSTYLE = 1;
    static final int HANDSHAKE_NO_ZEROES = 1 << 1;

    static final int OPTION_EXPORT_NAME = 1;
    static final int OPTION_ABORT = 2;
    static final int OPTION_STARTTLS = 5;
    static final int OPTION_GO = 7;
    static final int OPTION_STRUCTURED_REPLY = 8;
    static final int OPTION_LIST_META_CONTEXT = 9;
    static final int OPTION_SET_META_CONTEXT = 10;

    static final int REPLY_ACK = 1;
    static final int REPLY_INFO = 3;
    static final int REPLY_META_CONTEXT = 4;
    static final int REPLY_ERROR = 1 << 31;
    static final int REPLY_ERROR_UNSUPPORTED = REPLY_ERROR + 1;
    static final int REPLY_ERROR_POLICY = REPLY_ERROR + 2;
    static final int REPLY_ERROR_INVALID = REPLY_ERROR + 3;
    static final int REPLY_ERROR_PLATFORM = REPLY_ERROR + 4;
    static final int REPLY_ERROR_TLS_REQUIRED = REPLY_ERROR + 5;
    static final int REPLY_ERROR_UNKNOWN = REPLY_ERROR + 6;
    static final int REPLY_ERROR_SHUTDOWN = REPLY_ERROR + 7;
    static final int REPLY_ERROR_BLOCK_SIZE_REQUIRED = REPLY_ERROR + 8;
    static final int REPLY_ERROR_TOO_BIG = REPLY_ERROR + 9;

    static final int INFO_EXPORT = 0;
    static final int INFO_BLOCK_SIZE = 3;

    static final int FLAG_HAS_FLAGS = 1;
    static final int FLAG_READ_ONLY = 1 << 1;
    static final int FLAG_SEND_FLUSH = 1 << 2;
    static final int FLAG_SEND_TRIM = 1 << 5;
    static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    static final int FLAG_CAN_MULTI_CONN = 1 << 8;

    static final int COMMAND_READ = 0;
    static final int COMMAND_WRITE = 1;
    static final int COMMAND_DISCONNECT = 2;
    static final int COMMAND_FLUSH = 3;
    static final int COMMAND_TRIM = 4;
    static final int COMMAND_WRITE_ZEROES = 6;
    static final int COMMAND_BLOCK_STATUS = 7;

    static final int CHUNK_DONE = 1;
    static final int CHUNK_NONE = 0;
    static final int CHUNK_OFFSET_DATA = 1;
    static final int CHUNK_OFFSET_HOLE = 2;
    static final int CHUNK_BLOCK_STATUS = 5;
    static final int CHUNK_ERROR_BIT = 1 << 15;
    static final int CHUNK_ERROR = CHUNK_ERROR_BIT + 1;
    static final int CHUNK_ERROR_OFFSET = CHUNK_ERROR_BIT + 2;

    /** The longest string of the protocol, in bytes. */
    static final int MAX_STRING = 4096;
    /** The longest reply to an option that is read; the protocol needs no more than a string and a few numbers. */
    static final int MAX_OPTION_REPLY = 65536;
    /** How many replies one option may have. */
    static final int MAX_OPTION_REPLIES = 1024;
    /** How many metadata contexts may be asked for. */
    static final int MAX_CONTEXTS = 16;
    /** The longest error chunk that is read: a message has at most 65 535 bytes. */
    static final int MAX_ERROR_CHUNK = 65536 + 64;
    /** How many error chunks one reply may have. */
    static final int MAX_ERROR_CHUNKS = 1024;
    /** The longest block status chunk that is read; the extents in it are not all kept. */
    static final int MAX_STATUS_CHUNK = 4 + 8 * (1 << 20);

    /** What every server takes that does not say what it takes. */
    static final int DEFAULT_MINIMUM_BLOCK = 512;

    static final int DEFAULT_PREFERRED_BLOCK = 4096;
    static final int DEFAULT_MAXIMUM_BLOCK = 32 << 20;

    private NbdProtocol() {}
}
