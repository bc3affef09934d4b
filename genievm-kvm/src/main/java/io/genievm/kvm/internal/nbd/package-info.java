/**
 * A client for network block devices: reads and writes disks that any NBD server exports.
 *
 * <p>Written from the description of the protocol that the NBD project keeps, {@code doc/proto.md} of the repository
 * {@code NetworkBlockDevice/nbd}; names of options, commands and errors are those of that document. What is spoken is
 * fixed newstyle with {@code NBD_OPT_GO}, structured replies and metadata contexts, and what remains of it when a server
 * has less.
 *
 * <p>{@code NbdPool} is what drivers use: a disk over several connections. {@code NbdConnection} is one of them, and says
 * what may be asked. {@code NbdConnector} brings it about, with {@code NbdHandshake} for all that comes before the first
 * request. Then {@code RequestSender} sends requests, {@code RequestTable} knows which are under way and whose turn it is to
 * read, and {@code ReplyReader} takes the answers apart. Below them are {@code NbdWire}, numbers and data in clear text or
 * in TLS ({@code TlsCodec}), and {@code NbdSocket}, which waits with a limit.
 *
 * <p>Nothing that a server says is believed before it is checked, and whatever it says, the memory that it takes and the
 * time that a call lasts are bounded.
 */
@NullMarked
package io.genievm.kvm.internal.nbd;

import org.jspecify.annotations.NullMarked;
