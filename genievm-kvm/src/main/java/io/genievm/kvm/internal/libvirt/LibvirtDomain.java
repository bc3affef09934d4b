package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A domain, known by its UUID: every call looks it up anew and fails with {@code NOT_FOUND} when it is gone. Safe for use
 * by several threads.
 */
public final class LibvirtDomain {
    private static final Logger LOG = LoggerFactory.getLogger(LibvirtDomain.class);

    private static final int STATE_RUNNING = 1;
    private static final int STATE_BLOCKED = 2;
    private static final int STATE_PAUSED = 3;
    private static final int STATE_SHUT_OFF = 5;

    private static final int PAUSED_IO_ERROR = 5;
    private static final Set<Integer> PAUSED_ON_THE_WAY = Set.of(2, 8, 10, 11, 12, 13);

    private static final int BYTES_OF_PARAMETER = 96;
    private static final int BYTES_OF_PARAMETER_NAME = 80;
    private static final int OFFSET_OF_PARAMETER_VALUE = 88;
    private static final int PARAMETER_IS_INT = 1;

    private static final int JOB_BOUNDED = 1;
    private static final int JOB_UNBOUNDED = 2;

    private static final Duration PATIENCE_FOR_ABORT = Duration.ofSeconds(15);
    private static final Duration PAUSE = Duration.ofMillis(50);
    private static final int PATIENCE_FOR_AGENT_SECONDS = 5;

    private static final Pattern FROZEN = Pattern.compile("\"return\"\\s*:\\s*\"(frozen|thawed)\"");
    private static final Pattern CHECKPOINT_UNSUPPORTED = Pattern.compile("checkpoint for disk (\\S+) unsupported");

    private static final Pattern BITMAP_UNSUPPORTED =
            Pattern.compile("Can't make bitmap '[^']*' persistent in '([^']*)'");

    private final LibvirtConnection connection;
    private final String uuid;
    private volatile String name;

    /**
     * Makes a domain out of what libvirt said.
     *
     * @param connection where it is
     * @param uuid its UUID
     * @param name its name now
     */
    LibvirtDomain(LibvirtConnection connection, String uuid, String name) {
        this.connection = connection;
        this.uuid = uuid;
        this.name = name;
    }

    /** Whether a domain runs. */
    public enum State {
        /** It runs. */
        RUNNING,
        /** It is active and its processors stand still, by somebody's will. */
        PAUSED,
        /** It is active and stands still since a write to a disk failed. */
        PAUSED_BY_IO_ERROR,
        /** It is active in some other way: shutting down, crashed and kept, migrating in. */
        OTHER_ACTIVE,
        /** It is shut off. */
        SHUT_OFF,
        /** It is shut off and its memory is saved, so that it goes on where it was: its disks may not be written. */
        SAVED;

        /** Whether QEMU has its disks open. */
        public boolean isActive() {
            return this != SHUT_OFF && this != SAVED;
        }
    }

    /** Failures that callers of {@link #beginBackup} act upon. */
    public enum BackupProblem {
        /** A checkpoint that an increment was asked from is not there, or a bitmap of it is missing or broken. */
        CHECKPOINT_UNUSABLE,
        /** A disk can not have a checkpoint. */
        CHECKPOINT_UNSUPPORTED
    }

    /**
     * Something libvirt knows as a checkpoint.
     *
     * @param name its name
     * @param description the text that its maker gave, or empty
     * @param created seconds since 1970
     * @param bitmaps the disks that it tracks, target to name of the bitmap
     */
    public record Checkpoint(String name, String description, long created, Map<String, String> bitmaps) {}

    /** Its UUID. */
    public String uuid() {
        return uuid;
    }

    /** Its name as it is now. */
    public String name() {
        on((session, domain) -> Optional.ofNullable(session.libvirt().virDomainGetName(domain)))
                .ifPresent(now -> name = now);
        return name;
    }

    /** What it does now. */
    public State state() {
        return on(LibvirtDomain::stateOf);
    }

    private static State stateOf(Session session, Pointer domain) {
        IntByReference state = new IntByReference();
        IntByReference reason = new IntByReference();
        session.check(session.libvirt().virDomainGetState(domain, state, reason, 0));
        return switch (state.getValue()) {
            case STATE_RUNNING, STATE_BLOCKED -> State.RUNNING;
            case STATE_PAUSED -> {
                if (reason.getValue() == PAUSED_IO_ERROR) {
                    yield State.PAUSED_BY_IO_ERROR;
                }
                yield PAUSED_ON_THE_WAY.contains(reason.getValue()) ? State.OTHER_ACTIVE : State.PAUSED;
            }
            case STATE_SHUT_OFF ->
                session.check(session.libvirt().virDomainHasManagedSaveImage(domain, 0)) == 1
                        ? State.SAVED
                        : State.SHUT_OFF;
            default -> State.OTHER_ACTIVE;
        };
    }

    /** Whether it stays defined when it is shut off. */
    public boolean isPersistent() {
        return on((session, domain) -> session.check(session.libvirt().virDomainIsPersistent(domain)) == 1);
    }

    /**
     * Its definition, without secrets.
     *
     * @param inactive whether as it will be at its next start, rather than as it is now
     */
    public String xml(boolean inactive) {
        return on((session, domain) -> session.text(
                session.libvirt().virDomainGetXMLDesc(domain, inactive ? LibvirtFunctions.XML_INACTIVE : 0)));
    }

    /**
     * The size of a disk as the guest sees it, whether the domain runs or not.
     *
     * @param target the disk
     * @return bytes
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when there is no such disk, or an I/O code
     */
    public long capacity(String target) {
        return on((session, domain) -> {
            Memory info = new Memory(3 * Long.BYTES);
            try {
                session.check(session.libvirt().virDomainGetBlockInfo(domain, target, info, 0));
            } catch (LibvirtFailure e) {
                if (e.is(LibvirtError.INVALID_ARGUMENT)) {
                    throw new GenieVmException(
                            ErrorCode.NOT_FOUND, resource(), e.error().message());
                }
                throw e;
            }
            return info.getLong(0);
        });
    }

    /**
     * Begins a backup job, and makes a checkpoint in the same moment. Where another job holds the domain, libvirt waits
     * for half a minute before it gives up: ask {@link #runningJob} first.
     *
     * @param backup the {@code domainbackup} document
     * @param checkpoint the {@code domaincheckpoint} document, or {@code null} for none
     * @throws BackupRefusedException for what {@link BackupProblem} names; nothing was begun then
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when another job holds the domain, {@code NO_SPACE},
     *     {@code ALREADY_EXISTS} when there is a bitmap or checkpoint of the checkpoint's name, or an I/O code
     */
    public void beginBackup(String backup, @Nullable String checkpoint) {
        on((session, domain) -> {
            try {
                return session.check(session.libvirt().virDomainBackupBegin(domain, backup, checkpoint, 0));
            } catch (LibvirtFailure e) {
                BackupRefusedException refused = refusal(name, e.error(), backup, checkpoint);
                if (refused == null && checkpoint != null) {
                    refused = refusalByImage(session, domain, e.error());
                }
                if (refused != null) {
                    throw refused;
                }
                if (checkpoint != null && e.is(LibvirtError.OPERATION_FAILED)) {
                    refuseIfThere(session, domain, checkpoint, e.error());
                }
                throw e;
            }
        });
    }

    /** libvirt has no number of its own for a checkpoint whose name is taken. */
    private void refuseIfThere(Session session, Pointer domain, String checkpoint, LibvirtError error) {
        String wanted = BackupXml.checkpointOf(checkpoint, resource()).name();
        Pointer there = session.libvirt().virDomainCheckpointLookupByName(domain, wanted, 0);
        if (there != null) {
            session.libvirt().virDomainCheckpointFree(there);
            throw new GenieVmException(ErrorCode.ALREADY_EXISTS, resource(), error.message());
        }
    }

    /**
     * What a failure to begin a backup means, or {@code null} when it is nothing that another attempt avoids. libvirt
     * speaks the language of the daemon, so the numbers count, and of the words only the names of disks in them.
     */
    static @Nullable BackupRefusedException refusal(
            String domain, LibvirtError error, String backup, @Nullable String checkpoint) {
        switch (error.number()) {
            case LibvirtError.NO_DOMAIN_CHECKPOINT:
            case LibvirtError.CHECKPOINT_INCONSISTENT:
                return new BackupRefusedException(
                        domain,
                        BackupProblem.CHECKPOINT_UNUSABLE,
                        diskNamedBy(error, BackupXml.targetsOf(backup, null)),
                        error.message());
            case LibvirtError.CONFIG_UNSUPPORTED:
                if (checkpoint == null) {
                    return null;
                }
                Matcher english = CHECKPOINT_UNSUPPORTED.matcher(error.message());
                String disk =
                        english.find() ? english.group(1) : diskNamedBy(error, BackupXml.targetsOf(backup, checkpoint));
                return disk == null
                        ? null
                        : new BackupRefusedException(
                                domain, BackupProblem.CHECKPOINT_UNSUPPORTED, disk, error.message());
            default:
                return null;
        }
    }

    /** What QEMU says of an image that can not keep bitmaps, such as a qcow2 of the first version. */
    private @Nullable BackupRefusedException refusalByImage(Session session, Pointer domain, LibvirtError error) {
        Matcher words = BITMAP_UNSUPPORTED.matcher(error.message());
        if (!words.find()) {
            return null;
        }
        String node = words.group(1);
        String disk = null;
        try {
            disk = DomainXml.targetOfNode(session.text(session.libvirt().virDomainGetXMLDesc(domain, 0)), node);
        } catch (LibvirtFailure e) {
            LOG.debug("{}: which disk {} is can not be found out: {}", name, node, e.getMessage());
        }
        return new BackupRefusedException(name, BackupProblem.CHECKPOINT_UNSUPPORTED, disk, error.message());
    }

    /** The one of some disks that stands in a message as a word; {@code null} for none or several. */
    private static @Nullable String diskNamedBy(LibvirtError error, Set<String> targets) {
        List<String> words = List.of(error.message().split("[^\\p{Alnum}]+"));
        List<String> named = targets.stream().filter(words::contains).toList();
        return named.size() == 1 ? named.get(0) : null;
    }

    /** The document of the backup job that runs. Does not wait for anything. */
    public Optional<String> backupXml() {
        return on((session, domain) -> {
            try {
                return Optional.of(session.text(session.libvirt().virDomainBackupGetXMLDesc(domain, 0)));
            } catch (LibvirtFailure e) {
                // A domain that does not run has no job.
                if (e.is(LibvirtError.NO_DOMAIN_BACKUP) || isInactive(session, domain)) {
                    return Optional.empty();
                }
                throw e;
            }
        });
    }

    private static boolean isInactive(Session session, Pointer domain) {
        return session.libvirt().virDomainIsActive(domain) == 0;
    }

    /** What job holds the domain, in words ("backup", "migration"), or empty when none does. */
    public Optional<String> runningJob() {
        return on((session, domain) -> {
            IntByReference type = new IntByReference();
            PointerByReference parameters = new PointerByReference();
            IntByReference count = new IntByReference();
            try {
                session.check(session.libvirt().virDomainGetJobStats(domain, type, parameters, count, 0));
            } catch (LibvirtFailure e) {
                if (!e.is(LibvirtError.OPERATION_INVALID)) {
                    throw e;
                }
                // Only one that comes in is active and has no figures of its job.
                return isInactive(session, domain) ? Optional.empty() : Optional.of("migration");
            }
            try {
                return switch (type.getValue()) {
                    case JOB_BOUNDED, JOB_UNBOUNDED ->
                        Optional.of(jobInWords(intParameter(parameters.getValue(), count.getValue(), "operation")));
                    default -> Optional.empty();
                };
            } finally {
                session.libvirt().virTypedParamsFree(parameters.getValue(), count.getValue());
            }
        });
    }

    private static int intParameter(@Nullable Pointer parameters, int count, String name) {
        for (int i = 0; parameters != null && i < count; i++) {
            Pointer each = parameters.share((long) i * BYTES_OF_PARAMETER);
            if (each.getString(0, "US-ASCII").equals(name)
                    && each.getInt(BYTES_OF_PARAMETER_NAME) == PARAMETER_IS_INT) {
                return each.getInt(OFFSET_OF_PARAMETER_VALUE);
            }
        }
        return 0;
    }

    private static String jobInWords(int operation) {
        return switch (operation) {
            case 1 -> "start";
            case 2 -> "save";
            case 3 -> "restore";
            case 4, 5 -> "migration";
            case 6 -> "snapshot";
            case 7 -> "snapshot revert";
            case 8 -> "dump";
            case 9 -> "backup";
            case 10 -> "snapshot delete";
            default -> "unknown";
        };
    }

    /**
     * Ends the backup job that runs, and waits until it is gone, at most 15 seconds. Does nothing when there is none, and
     * nothing to a job of another kind.
     *
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when it is still there then, {@code CANCELLED} when this
     *     thread is interrupted, or an I/O code
     */
    public void abortJob() {
        abortJob(backupXml());
    }

    /**
     * Ends the backup job that runs as {@link #abortJob()} does, if it is served on a given socket.
     *
     * @param socket the Unix socket by which the job is known
     */
    public void abortJob(Path socket) {
        abortJob(backupXml().filter(xml -> socket.equals(BackupXml.socketOf(xml))));
    }

    /** Whether a backup job runs that is served on a given Unix socket. */
    public boolean isServing(Path socket) {
        return backupXml().map(BackupXml::socketOf).filter(socket::equals).isPresent();
    }

    private void abortJob(Optional<String> job) {
        long deadline = System.nanoTime() + PATIENCE_FOR_ABORT.toNanos();
        if (job.isEmpty()) {
            return;
        }
        on((session, domain) -> {
            try {
                return session.check(session.libvirt().virDomainAbortJob(domain));
            } catch (LibvirtFailure e) {
                // It came to its end by itself, or the domain to its.
                if (e.is(LibvirtError.OPERATION_INVALID)) {
                    return 0;
                }
                throw e;
            }
        });
        // Another one is one that somebody has begun since.
        while (backupXml().equals(job)) {
            if (System.nanoTime() - deadline > 0) {
                throw new GenieVmException(
                        ErrorCode.BUSY,
                        resource(),
                        "the backup job of '" + name + "' was aborted and is still there after "
                                + PATIENCE_FOR_ABORT.toSeconds() + " s");
            }
            try {
                Thread.sleep(PAUSE.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new GenieVmException(
                        ErrorCode.CANCELLED, resource(), "interrupted while the backup job of '" + name + "' ended");
            }
        }
    }

    /** Lets a paused domain go on; does nothing when it runs. */
    public void resume() {
        on((session, domain) -> {
            try {
                return session.check(session.libvirt().virDomainResume(domain));
            } catch (LibvirtFailure e) {
                if (e.is(LibvirtError.OPERATION_INVALID) && stateOf(session, domain) == State.RUNNING) {
                    return 0;
                }
                throw e;
            }
        });
    }

    /** Its checkpoints, in no order. One that vanishes meanwhile is left out. */
    public List<Checkpoint> checkpoints() {
        return on((session, domain) -> {
            LibvirtFunctions libvirt = session.libvirt();
            PointerByReference list = new PointerByReference();
            int count = session.check(libvirt.virDomainListAllCheckpoints(domain, list, 0));
            List<Checkpoint> checkpoints = new ArrayList<>();
            try {
                for (int i = 0; i < count; i++) {
                    Pointer checkpoint = list.getValue().getPointer((long) i * Native.POINTER_SIZE);
                    String xml;
                    try {
                        xml = session.text(libvirt.virDomainCheckpointGetXMLDesc(
                                checkpoint, LibvirtFunctions.CHECKPOINT_XML_NO_DOMAIN));
                    } catch (LibvirtFailure e) {
                        if (e.is(LibvirtError.NO_DOMAIN_CHECKPOINT)) {
                            continue;
                        }
                        throw e;
                    }
                    checkpoints.add(BackupXml.checkpointOf(xml, resource()));
                }
            } finally {
                for (int i = 0; i < count; i++) {
                    libvirt.virDomainCheckpointFree(list.getValue().getPointer((long) i * Native.POINTER_SIZE));
                }
                Session.free(list.getValue());
            }
            return List.copyOf(checkpoints);
        });
    }

    /**
     * Tells libvirt of a checkpoint whose bitmaps are in the images, also of a domain that is shut off. libvirt does not
     * look whether they are.
     *
     * @param xml the {@code domaincheckpoint} document
     */
    public void redefineCheckpoint(String xml) {
        on((session, domain) -> {
            LibvirtFunctions libvirt = session.libvirt();
            return libvirt.virDomainCheckpointFree(session.check(
                    libvirt.virDomainCheckpointCreateXML(domain, xml, LibvirtFunctions.CHECKPOINT_REDEFINE)));
        });
    }

    /**
     * Deletes a checkpoint; does nothing when it is not there.
     *
     * @param name its name
     * @param metadataOnly whether its bitmaps are left alone, as they must be when the domain is shut off or they are
     *     missing
     */
    public void deleteCheckpoint(String name, boolean metadataOnly) {
        on((session, domain) -> {
            LibvirtFunctions libvirt = session.libvirt();
            Pointer checkpoint = null;
            try {
                checkpoint = session.check(libvirt.virDomainCheckpointLookupByName(domain, name, 0));
                return session.check(libvirt.virDomainCheckpointDelete(
                        checkpoint, metadataOnly ? LibvirtFunctions.CHECKPOINT_DELETE_METADATA_ONLY : 0));
            } catch (LibvirtFailure e) {
                if (e.is(LibvirtError.NO_DOMAIN_CHECKPOINT)) {
                    return 0;
                }
                throw e;
            } finally {
                if (checkpoint != null) {
                    libvirt.virDomainCheckpointFree(checkpoint);
                }
            }
        });
    }

    /**
     * Freezes the guest's file systems through its agent. There is no limit to how long an agent may take that has begun:
     * whoever wants one has to {@link #thaw} from another thread.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when there is no agent or it does not answer, and
     *     an I/O code when it refuses
     */
    public void freeze() {
        on((session, domain) -> {
            try {
                return session.check(session.libvirt().virDomainFSFreeze(domain, null, 0, 0));
            } catch (LibvirtFailure e) {
                if (e.error().isForWantOfAgent()) {
                    throw new GenieVmException(
                            ErrorCode.UNSUPPORTED,
                            resource(),
                            "the guest can not be frozen: " + e.error().message());
                }
                throw e;
            }
        });
    }

    /**
     * Thaws the guest's file systems; does nothing when they are not frozen.
     *
     * @return how many were frozen
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when there is no agent,
     *     {@code TRANSIENT_IO_ERROR} when it does not answer now, or another I/O code
     */
    public int thaw() {
        return on((session, domain) -> {
            try {
                return session.check(session.libvirt().virDomainFSThaw(domain, null, 0, 0));
            } catch (LibvirtFailure e) {
                // The next start of a guest finds nothing frozen.
                if (isInactive(session, domain)) {
                    return 0;
                }
                throw e;
            }
        });
    }

    /** Whether the guest's file systems are frozen; empty when its agent does not answer within some seconds. */
    public Optional<Boolean> isFrozen() {
        LibvirtQemuFunctions qemu = LibvirtLibrary.loadQemu();
        if (qemu == null) {
            return Optional.empty();
        }
        return on((session, domain) -> {
            String answer;
            try {
                answer = session.text(qemu.virDomainQemuAgentCommand(
                        domain, "{\"execute\":\"guest-fsfreeze-status\"}", PATIENCE_FOR_AGENT_SECONDS, 0));
            } catch (LibvirtFailure e) {
                if (session.isBroken() || e.is(LibvirtError.NO_DOMAIN)) {
                    throw e;
                }
                LOG.debug("{}: the agent does not tell whether the guest is frozen: {}", name, e.getMessage());
                return Optional.empty();
            }
            Matcher words = FROZEN.matcher(answer);
            return words.find() ? Optional.of(words.group(1).equals("frozen")) : Optional.empty();
        });
    }

    /**
     * Takes the definition of a domain that is shut off away, with its firmware variables' file left alone.
     *
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when it is not shut off, or its memory is saved, which
     *     would be lost; or as libvirt has it
     */
    public void undefine() {
        on((session, domain) -> {
            State state = stateOf(session, domain);
            // libvirt would let a domain that runs go on without a definition.
            if (state != State.SHUT_OFF) {
                throw new GenieVmException(
                        ErrorCode.BUSY, resource(), "'" + name + "' is not undefined: it is " + state);
            }
            return session.check(session.libvirt()
                    .virDomainUndefineFlags(
                            domain,
                            LibvirtFunctions.UNDEFINE_KEEP_NVRAM | LibvirtFunctions.UNDEFINE_CHECKPOINTS_METADATA));
        });
    }

    private <T> T on(LibvirtConnection.OnDomain<T> work) {
        return connection.onDomain(uuid, resource(), work);
    }

    private Resource resource() {
        return Resource.named(name);
    }

    @Override
    public String toString() {
        return name + " (" + uuid + ")";
    }
}
