/**
 * What a driver implements so that GenieVM can back up and restore the VMs of one kind of hypervisor.
 *
 * <h2>The life of a backup, seen by a driver</h2>
 *
 * <ol>
 *   <li>{@link io.genievm.api.hypervisor.HypervisorProvider#open} gives a connection; it may serve many jobs at a time.
 *   <li>{@link io.genievm.api.hypervisor.HypervisorConnection#beginSnapshot} freezes the VM's disks at one moment.
 *   <li>For every disk the core asks {@link io.genievm.api.hypervisor.SnapshotDisk#allocated()} and maybe
 *       {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince}, any number of times, opens readers, reads, closes them, and calls
 *       {@link io.genievm.api.hypervisor.SnapshotDisk#confirmUnchanged()}.
 *   <li>Exactly one of {@link io.genievm.api.hypervisor.VmSnapshot#committed()} and
 *       {@link io.genievm.api.hypervisor.VmSnapshot#abandoned()}, then
 *       {@link io.genievm.api.hypervisor.VmSnapshot#close()}. {@code close()} alone, as after a crash, keeps everything
 *       that the next snapshot needs to decide.
 * </ol>
 *
 * <h2>Rules for every driver</h2>
 *
 * <ol>
 *   <li>Units are bytes, everywhere. Sectors and KiB stay inside the driver.
 *   <li>Calls are synchronous and complete or throw. Every failure is a {@link io.genievm.api.GenieVmException} whose
 *       code says whether a retry may help; the driver itself does not retry. <i>An I/O code</i> in what follows is one of
 *       {@code IO_ERROR}, {@code TRANSIENT_IO_ERROR}, {@code SNAPSHOT_LOST} or one of the driver's own. Drivers of
 *       GenieVM have the numbers from 10 000 on, those of others the numbers from 20 000 on.
 *   <li>After a call of a reader has failed, the core closes the reader; if the code is retryable it opens another and
 *       repeats the call.
 *   <li>The core owns the buffers and the threads that move data; a driver may have threads of its own, with names, which
 *       end with what they serve. No call returns or throws while anything may still write into a buffer of the
 *       caller's, or read it. The core never interrupts a thread; a blocked call is broken off by {@code close()} from another thread and then fails with
 *       {@link io.genievm.api.ErrorCode#CLOSED}.
 *   <li>{@code close()} may be called from any thread, more than once, and concurrently with other calls.
 *   <li>Whatever a driver creates on a hypervisor bears the name {@code genievm-<repositoryId>-<sessionId>}. Only what
 *       bears the id of the repository at hand may be taken over or removed, and only when
 *       {@link io.genievm.api.hypervisor.SnapshotRequest#hasEnded} says so of its session. A driver that has proof that
 *       the process that worked at it is dead may have it ended with
 *       {@link io.genievm.api.hypervisor.SnapshotRequest#endSession}; that can not lead to a false restore point even if
 *       the proof is wrong. Otherwise the answer is {@link io.genievm.api.ErrorCode#BUSY}.
 *   <li>What a driver was asked for and could not do, and did not fail over, is told as a
 *       {@link io.genievm.api.hypervisor.DriverFact}. The core decides what follows.
 *   <li>A driver decides nothing about full or incremental, trust or retention.
 *   <li>Optional abilities are interfaces of their own, asked for by
 *       {@link io.genievm.api.hypervisor.HypervisorConnection#ability}.
 * </ol>
 *
 * <h2>Rules for change tokens</h2>
 *
 * <ol>
 *   <li>Every disk of a snapshot whose changes are tracked has a token: the same at each call, and never that of another
 *       disk or another snapshot. It marks the moment of the snapshot, not that of its end.
 *   <li>The answer to {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince} covers the time from the token's moment
 *       to the snapshot's. It may hold more than was written, up to the whole disk, and never less; what was zeroed or
 *       discarded was written. That nothing was written is known: an empty list. It may be asked for any number of times,
 *       by several threads, until the snapshot ends.
 *   <li>A driver vouches for its own tokens of the same disk at the same capacity. Any other (unknown, dropped, of another
 *       disk, of one that was removed and added again) is answered with
 *       {@link io.genievm.api.hypervisor.Changes.Unknown}, which is no failure. A token that may have been dropped is
 *       either unknown or as good as ever.
 *   <li>{@link io.genievm.api.hypervisor.VmSnapshot#committed()} keeps the new tokens and may drop those of the same
 *       repository and VM that are older, but none of a session that may still live.
 *   <li>{@link io.genievm.api.hypervisor.VmSnapshot#abandoned()} drops the new tokens and keeps the parent's.
 *   <li>{@link io.genievm.api.hypervisor.VmSnapshot#close()} alone keeps both; the next
 *       {@link io.genievm.api.hypervisor.HypervisorConnection#beginSnapshot} clears those that are neither its parent's
 *       nor of a session that may still live.
 *   <li>Two repositories that back up one VM do not disturb each other: their tokens live and die apart.
 *   <li>A disk that is excluded, or not tracked, has no token, and takes nothing from the others.
 *   <li>A token of the parent that can not be used any more is told as
 *       {@link io.genievm.api.hypervisor.DriverFact#TRACKING_LOST} of its disk, at the latest when it has been asked
 *       about.
 *   <li>Without {@link io.genievm.api.hypervisor.Capability#CHANGE_TRACKING} no disk has a token, and every answer is
 *       {@link io.genievm.api.hypervisor.Changes.Unknown}.
 * </ol>
 *
 * <p>A driver that does not make tokens but passes on the marks that others make can not answer for their lives: it gives
 * the same token as long as the mark stays, and knows those that it finds. All that is said about answers holds for it.
 *
 * <p>Providers are found with {@link java.util.ServiceLoader} or handed to the core. A provider that works on the class
 * path and on the module path is registered twice: {@code provides ... with} in its module-info and a file in
 * {@code META-INF/services}.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.api.hypervisor;

import org.jspecify.annotations.NullMarked;
