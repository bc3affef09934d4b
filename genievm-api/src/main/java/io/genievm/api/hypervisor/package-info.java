/**
 * What a driver implements so that GenieVM can back up and restore the VMs of one kind of hypervisor.
 *
 * <p>The rules bear numbers, which never change their meaning; the tests of the contract in the testkit
 * ({@code HypervisorProviderContract}) begin with the numbers of the rules that they check. What no test checks says so,
 * with the reason.
 *
 * <h2>The life of a backup, seen by a driver</h2>
 *
 * <ul>
 *   <li><b>H11</b> {@link io.genievm.api.hypervisor.HypervisorProvider#open} gives a connection; it may serve many jobs at a time.
 *   <li><b>H12</b> {@link io.genievm.api.hypervisor.HypervisorConnection#beginSnapshot} freezes the VM's disks at one moment.
 *   <li><b>H13</b> For every disk the core asks {@link io.genievm.api.hypervisor.SnapshotDisk#allocated()} and maybe
 *       {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince}, any number of times, opens readers, reads, closes them, and calls
 *       {@link io.genievm.api.hypervisor.SnapshotDisk#confirmUnchanged()}.
 *   <li><b>H14</b> Exactly one of {@link io.genievm.api.hypervisor.VmSnapshot#committed()} and
 *       {@link io.genievm.api.hypervisor.VmSnapshot#abandoned()}, then
 *       {@link io.genievm.api.hypervisor.VmSnapshot#close()}. {@code close()} alone, as after a crash, keeps everything
 *       that the next snapshot needs to decide.
 * </ul>
 *
 * <h2>Rules for every driver</h2>
 *
 * <ul>
 *   <li><b>H1</b> Units are bytes, everywhere. Sectors and KiB stay inside the driver.
 *   <li><b>H2</b> Calls are synchronous and complete or throw. Every failure is a {@link io.genievm.api.GenieVmException} whose
 *       code says whether a retry may help; the driver itself does not retry. <i>An I/O code</i> in what follows is one of
 *       {@code IO_ERROR}, {@code TRANSIENT_IO_ERROR}, {@code SNAPSHOT_LOST} or one of the driver's own. Drivers of
 *       GenieVM have the numbers from 10 000 on, those of others the numbers from 20 000 on.
 *   <li><b>H3</b> After a call of a reader has failed, the core closes the reader; if the code is retryable it opens another and
 *       repeats the call. <i>Untested: it is the core that keeps it; the failures of a hypervisor are not in a contract's
 *       hands.</i>
 *   <li><b>H4</b> The core owns the buffers and the threads that move data; a driver may have threads of its own, with names, which
 *       end with what they serve. No call returns or throws while anything may still write into a buffer of the
 *       caller's, or read it. The core never interrupts a thread; a blocked call is broken off by {@code close()} from another thread and then fails with
 *       {@link io.genievm.api.ErrorCode#CLOSED}.
 *   <li><b>H5</b> {@code close()} may be called from any thread, more than once, and concurrently with other calls.
 *   <li><b>H6</b> Whatever a driver creates on a hypervisor bears the name {@code genievm-<repositoryId>-<sessionId>}. Only what
 *       bears the id of the repository at hand may be taken over or removed, and only when
 *       {@link io.genievm.api.hypervisor.SnapshotRequest#hasEnded} says so of its session. A driver that has proof that
 *       the process that worked at it is dead may have it ended with
 *       {@link io.genievm.api.hypervisor.SnapshotRequest#endSession}; that can not lead to a false restore point even if
 *       the proof is wrong. Otherwise the answer is {@link io.genievm.api.ErrorCode#BUSY}. <i>Untested as to names, which only the driver's own
 *       tests can see; what the next snapshot finds and spares is H26, H27 and H44.</i>
 *   <li><b>H7</b> What a driver was asked for and could not do, and did not fail over, is told as a
 *       {@link io.genievm.api.hypervisor.DriverFact}. The core decides what follows.
 *   <li><b>H8</b> A driver decides nothing about full or incremental, trust or retention. <i>Untested: no method of the
 *       interfaces would let it.</i>
 *   <li><b>H9</b> Optional abilities are interfaces of their own, asked for by
 *       {@link io.genievm.api.hypervisor.HypervisorConnection#ability}.
 * </ul>
 *
 * <h2>Rules for change tokens</h2>
 *
 * <ul>
 *   <li><b>H21</b> Every disk of a snapshot whose changes are tracked has a token: the same at each call, and never that of another
 *       disk or another snapshot. It marks the moment of the snapshot, not that of its end.
 *   <li><b>H22</b> The answer to {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince} covers the time from the token's moment
 *       to the snapshot's. It may hold more than was written, up to the whole disk, and never less; what was zeroed or
 *       discarded was written. That nothing was written is known: an empty list. It may be asked for any number of times,
 *       by several threads, until the snapshot ends.
 *   <li><b>H23</b> A driver vouches for its own tokens of the same disk at the same capacity. Any other (unknown, dropped, of another
 *       disk, of one that was removed and added again) is answered with
 *       {@link io.genievm.api.hypervisor.Changes.Unknown}, which is no failure. A token that may have been dropped is
 *       either unknown or as good as ever.
 *   <li><b>H24</b> {@link io.genievm.api.hypervisor.VmSnapshot#committed()} keeps the new tokens and may drop those of the same
 *       repository and VM that are older, but none of a session that may still live.
 *   <li><b>H25</b> {@link io.genievm.api.hypervisor.VmSnapshot#abandoned()} drops the new tokens and keeps the parent's.
 *   <li><b>H26</b> {@link io.genievm.api.hypervisor.VmSnapshot#close()} alone keeps both; the next
 *       {@link io.genievm.api.hypervisor.HypervisorConnection#beginSnapshot} clears those that are neither its parent's
 *       nor of a session that may still live.
 *   <li><b>H27</b> Two repositories that back up one VM do not disturb each other: their tokens live and die apart.
 *   <li><b>H28</b> A disk that is excluded, or not tracked, has no token, and takes nothing from the others.
 *   <li><b>H29</b> A token of the parent that can not be used any more is told as
 *       {@link io.genievm.api.hypervisor.DriverFact#TRACKING_LOST} of its disk, at the latest when it has been asked
 *       about.
 *   <li><b>H30</b> Without {@link io.genievm.api.hypervisor.Capability#CHANGE_TRACKING} no disk has a token, and every answer is
 *       {@link io.genievm.api.hypervisor.Changes.Unknown}.
 * </ul>
 *
 * <p>A driver that does not make tokens but passes on the marks that others make can not answer for their lives: it gives
 * the same token as long as the mark stays, and knows those that it finds. All that is said about answers holds for it.
 *
 * <h2>What the methods promise</h2>
 *
 * <p>The details stand with the methods.
 *
 * <ul>
 *   <li><b>H31</b> {@link io.genievm.api.hypervisor.HypervisorProvider#name()} and
 *       {@link io.genievm.api.hypervisor.HypervisorProvider#schemes()} have the form that they give.
 *   <li><b>H32</b> An option that a driver does not know is refused by name, with {@code INVALID_ARGUMENT}.
 *   <li><b>H33</b> The constructor of a provider does nothing. <i>Untested: that nothing happens can not be seen from
 *       outside.</i>
 *   <li><b>H34</b> Provider name, source id and capabilities of a connection stay the same; the first two are those of every
 *       connection to the same place.
 *   <li><b>H35</b> {@link io.genievm.api.hypervisor.HypervisorConnection#vms()} lists every VM once, in ascending order.
 *   <li><b>H36</b> {@link io.genievm.api.hypervisor.HypervisorConnection#describe} names every disk with its capacity.
 *   <li><b>H37</b> A VM that is not there is {@code NOT_FOUND}.
 *   <li><b>H38</b> {@link io.genievm.api.hypervisor.VmSnapshot#disks()} gives the same objects at each call, in ascending
 *       order, without those that are excluded, which are described all the same.
 *   <li><b>H39</b> A disk to exclude that the VM does not have is {@code NOT_FOUND} and named.
 *   <li><b>H40</b> A snapshot that is cancelled ends with {@code CANCELLED}, or is there if that was too late; either way
 *       nothing stands in the way of the next.
 *   <li><b>H41</b> The guest is brought to rest as far as was asked for, or less and
 *       {@link io.genievm.api.hypervisor.DriverFact#QUIESCE_REFUSED} is told; without the capability always less.
 *   <li><b>H42</b> Facts are only added, and are well formed.
 *   <li><b>H43</b> A snapshot of a VM of which another is open, of the same repository or of another, can be begun, or is
 *       {@code BUSY}; either way the first goes on unharmed.
 *   <li><b>H44</b> What a process leaves on the hypervisor when it is killed with an open snapshot does not stand in the way
 *       of the next snapshot, once its session has ended; the parent's tokens are as good as ever.
 *   <li><b>H45</b> Id, capacity and limits of a disk stay the same for the life of the snapshot.
 *   <li><b>H46</b> {@link io.genievm.api.hypervisor.SnapshotDisk#allocated()} keeps the rules of
 *       {@link io.genievm.api.hypervisor.ExtentCursor}, the same at each call.
 *   <li><b>H47</b> What is not allocated reads as zeroes; without {@link io.genievm.api.hypervisor.Capability#ALLOCATION}
 *       everything is allocated.
 *   <li><b>H48</b> A cursor stands on an extent only after {@code next()} was true, and closes twice.
 *   <li><b>H49</b> A read fills the buffer from its position to its limit, for any range within the limits, and touches no
 *       other byte of it.
 *   <li><b>H50</b> As many readers with as many calls at a time as {@link io.genievm.api.hypervisor.DiskLimits} says.
 *   <li><b>H51</b> {@link io.genievm.api.hypervisor.SnapshotDisk#confirmUnchanged()} of a disk that nobody has written does
 *       nothing.
 *   <li><b>H52</b> A VM may have many disks, and a disk any capacity that the hypervisor allows, with any number of extents:
 *       time and memory go with what is allocated and read, not with the capacity.
 *   <li><b>H61</b> {@link io.genievm.api.hypervisor.VmCreation}: a new VM holds what was written, in any order, and zeroes
 *       elsewhere.
 *   <li><b>H62</b> A VM that was not completed is not to be seen, and gone after {@code close()}.
 *   <li><b>H63</b> A name that is taken is {@code ALREADY_EXISTS}, at once or at the completion; what is there stays.
 *   <li><b>H64</b> An option of a new VM that the driver does not know is refused by name; a cancelled creation is
 *       {@code CANCELLED}.
 *   <li><b>H71</b> {@link io.genievm.api.hypervisor.DiskWriting}: an open disk has the described capacity and reads what is
 *       there.
 *   <li><b>H72</b> What is written, in any order, and zeroed is there at once, when the disk is opened anew, and in a
 *       snapshot.
 *   <li><b>H73</b> What is written is among the changes, or the tokens from before are unknown.
 *   <li><b>H74</b> A VM or disk to write that is not there is {@code NOT_FOUND}.
 *   <li><b>H75</b> A VM that runs is {@code BUSY} for writing. <i>Untested: starting a VM is not in a contract's hands.</i>
 * </ul>
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
