package io.genievm.kvm.internal.guard;

import com.sun.jna.Callback;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import javax.xml.parsers.DocumentBuilderFactory;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * The process that {@link Guardian} starts: {@code GuardianMain <uri> <domain uuid> <milliseconds of a freeze>}. It has
 * nothing but the JDK and JNA. It is told line by line what there is to be undone, and answers each line when it has taken
 * note; the end of its input without {@code done} is the death of the process that it stands by.
 */
final class GuardianMain {
    static final String READY = "ready";
    static final String FAILED = "failed ";
    static final String OK = "ok";
    static final String OVER = "over";
    static final String FREEZING = "freezing";
    static final String THAWED = "thawed";
    static final String JOB = "job ";
    static final String FILE = "file ";
    static final String CHILD = "child ";
    static final String CLAIM = "claim ";
    static final String DONE = "done";

    /** Whatever happens, it is gone this long after the other. */
    private static final long LONGEST_AFTERLIFE = TimeUnit.SECONDS.toMillis(120);

    /** A call of the dead may still be under way in the daemon, where it may wait 30 s for another job to end. */
    private static final long LOOKING_FOR_JOB = TimeUnit.SECONDS.toMillis(35);

    /** Shorter: what is thawed later may have been frozen by the next one, that works at the guest by then. */
    private static final long LOOKING_FOR_FREEZE = TimeUnit.SECONDS.toMillis(5);

    private static final long TRYING = TimeUnit.SECONDS.toMillis(100);
    private static final long BETWEEN_LOOKS = 200;

    /**
     * QEMU 7.2 that is told to end its NBD server while a client negotiates hangs for ever, with its guest. The dead one may
     * have been just that client, so QEMU is given time to hear of its end.
     */
    private static final long UNTIL_CLIENTS_ARE_GONE = 500;

    private static final long UNTIL_CHILD_ENDS = 2000;
    private static final long UNTIL_CHILD_IS_KILLED = TimeUnit.SECONDS.toMillis(20);

    private final Libvirt libvirt;
    private final long freezeLimit;
    private final List<String> jobs = new ArrayList<>();
    private final List<Path> files = new ArrayList<>();
    private final List<long[]> children = new ArrayList<>();
    private @Nullable Path claim;
    private String claimed = "";

    // What the thread that thaws shares with the one that listens; guarded by this.
    private boolean isFrozen;
    private boolean isOver;
    private boolean isOrphan;
    private long deadline;

    private GuardianMain(Libvirt libvirt, long freezeLimit) {
        this.libvirt = libvirt;
        this.freezeLimit = freezeLimit;
    }

    /** Stands by until its input ends. */
    public static void main(String[] arguments) throws IOException {
        FileOutputStream output = new FileOutputStream(FileDescriptor.out);
        GuardianMain guardian;
        try {
            leaveGroup();
            guardian = new GuardianMain(new Libvirt(arguments[0], arguments[1]), Long.parseLong(arguments[2]));
            guardian.libvirt.connect();
        } catch (LibvirtFailure | RuntimeException | LinkageError e) {
            answer(output, FAILED + URLEncoder.encode(String.valueOf(e.getMessage()), StandardCharsets.UTF_8));
            System.exit(1);
            return;
        }
        Thread thaw = new Thread(guardian::thawWhenOver, "thaw");
        thaw.setDaemon(true);
        thaw.start();
        boolean isDone = false;
        try (BufferedReader input = new BufferedReader(
                new InputStreamReader(new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8))) {
            answer(output, READY);
            String line = input.readLine();
            while (line != null && !isDone) {
                isDone = line.equals(DONE);
                answer(output, guardian.take(line));
                line = isDone ? null : input.readLine();
            }
        } catch (IOException e) {
            // A pipe that broke is the same as its end: nobody is there any more.
            isDone = false;
        }
        if (isDone) {
            guardian.thawLast(thaw);
        } else {
            guardian.undo(thaw);
        }
        System.exit(0);
    }

    /**
     * Sees to it that no signal meant for the other ends this process: neither one to the group of processes, such as from
     * a terminal, nor one to a whole service that is being stopped. The end of the other is what ends this one.
     */
    private static void leaveGroup() {
        C.setsid();
        Pointer ignore = Pointer.createConstant(1);
        for (int signal : new int[] {C.SIGHUP, C.SIGINT, C.SIGTERM}) {
            C.signal(signal, ignore);
        }
    }

    private static void answer(FileOutputStream output, String line) throws IOException {
        output.write((line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private String take(String line) {
        if (line.equals(FREEZING)) {
            synchronized (this) {
                isFrozen = true;
                isOver = false;
                deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(freezeLimit);
                notifyAll();
            }
        } else if (line.equals(THAWED)) {
            synchronized (this) {
                isFrozen = false;
                notifyAll();
                return isOver ? OVER : OK;
            }
        } else if (line.startsWith(JOB)) {
            jobs.add(decoded(line.substring(JOB.length())));
        } else if (line.startsWith(FILE)) {
            files.add(Path.of(decoded(line.substring(FILE.length()))));
        } else if (line.startsWith(CLAIM)) {
            Path file = Path.of(decoded(line.substring(CLAIM.length())));
            claimed = textOf(file);
            claim = file;
        } else if (line.startsWith(CHILD)) {
            String[] words = line.substring(CHILD.length()).split(" ");
            children.add(new long[] {Long.parseLong(words[0]), Long.parseLong(words[1])});
        }
        return OK;
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static String textOf(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "";
        }
    }

    /** Whether another has taken the claim of the dead one over. */
    private boolean isSucceeded() {
        return claim != null && !textOf(claim).equals(claimed);
    }

    /** Thaws the guest whenever a freeze has lasted too long, or its maker has died. */
    private void thawWhenOver() {
        while (true) {
            synchronized (this) {
                while (!isFrozen || System.nanoTime() - deadline < 0) {
                    if (isOrphan && !isFrozen) {
                        return;
                    }
                    long left = isFrozen ? (deadline - System.nanoTime()) / 1_000_000 + 1 : 0;
                    try {
                        wait(Math.max(0, left));
                    } catch (InterruptedException e) {
                        // Nobody interrupts it.
                        return;
                    }
                }
                isOver = true;
            }
            thaw();
        }
    }

    /**
     * Thaws until there was something to thaw: the call that freezes may be under way yet. Ends early when the other says
     * that it has thawed.
     */
    private void thaw() {
        long begin = System.nanoTime();
        boolean hasThawed = false;
        boolean hasAnswered = false;
        while (!hasThawed && isThawToBeTried(begin, hasAnswered)) {
            try {
                hasThawed = libvirt.thaw() > 0;
                if (!hasAnswered) {
                    // This call may have waited behind another command of the agent, and the one that freezes still
                    // does.
                    begin = System.nanoTime();
                }
                hasAnswered = true;
            } catch (LibvirtFailure e) {
                if (e.isDomainGone() || e.code == LibvirtFailure.OPERATION_INVALID) {
                    // Gone or shut off: its next start finds nothing frozen.
                    break;
                }
                hasAnswered = false;
            }
            if (!hasThawed) {
                pause(BETWEEN_LOOKS);
            }
        }
        synchronized (this) {
            if (isOrphan || hasThawed) {
                isFrozen = false;
            } else if (isFrozen) {
                // Should the guest be frozen only now, by a call that hung until now, it is not frozen for ever.
                deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(Math.max(freezeLimit, 1000));
            }
        }
    }

    private synchronized boolean isThawToBeTried(long begin, boolean hasAnswered) {
        long limit = hasAnswered ? LOOKING_FOR_FREEZE : TRYING;
        return isFrozen && System.nanoTime() - begin < TimeUnit.MILLISECONDS.toNanos(limit);
    }

    /**
     * Thaws what is still on record as frozen when the other goes in peace: it could not thaw, as when libvirt did not answer,
     * and nobody else will.
     */
    private void thawLast(Thread thaw) {
        synchronized (this) {
            if (!isFrozen) {
                return;
            }
        }
        beOnItsOwn();
        await(thaw);
    }

    /** From here on nobody is there who would thaw. */
    private void beOnItsOwn() {
        Thread end = new Thread(
                () -> {
                    pause(LONGEST_AFTERLIFE);
                    Runtime.getRuntime().halt(2);
                },
                "end");
        end.setDaemon(true);
        end.start();
        synchronized (this) {
            isOrphan = true;
            deadline = System.nanoTime();
            notifyAll();
        }
    }

    private static void await(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            // Nobody interrupts it.
            Thread.currentThread().interrupt();
        }
    }

    /** Undoes what is on record, after the death of the other. */
    private void undo(Thread thaw) {
        beOnItsOwn();
        boolean isJobGone = jobs.isEmpty() || endJob();
        endChildren();
        if (isJobGone) {
            // Else QEMU still writes to them, and the next one finds them by its job.
            files.forEach(GuardianMain::delete);
        }
        await(thaw);
    }

    /** Ends the job if it is ours; false when it is not known to be gone. */
    private boolean endJob() {
        long begin = System.nanoTime();
        boolean wasOurs = false;
        while (true) {
            boolean isKnown = false;
            try {
                boolean isOurs = isOurs(libvirt.backupXml().orElse(null));
                isKnown = true;
                if (isOurs) {
                    if (!wasOurs) {
                        pause(UNTIL_CLIENTS_ARE_GONE);
                    }
                    wasOurs = true;
                    libvirt.abortJob();
                } else if (wasOurs) {
                    // Its scratch file may have been full, and that was none of the guest's business.
                    libvirt.resumeAfterIoError();
                    return true;
                } else if (isSucceeded()) {
                    return true;
                }
            } catch (LibvirtFailure e) {
                if (e.isDomainGone()) {
                    return true;
                }
            }
            if (System.nanoTime() - begin > TimeUnit.MILLISECONDS.toNanos(wasOurs ? TRYING : LOOKING_FOR_JOB)) {
                return isKnown && !wasOurs;
            }
            pause(BETWEEN_LOOKS);
        }
    }

    /** Whether the document of a backup job names one of our sockets as the place where it is served. */
    private boolean isOurs(@Nullable String xml) {
        if (xml == null) {
            return false;
        }
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            NodeList servers = factory.newDocumentBuilder()
                    .parse(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)))
                    .getElementsByTagName("server");
            return servers.getLength() == 1
                    && servers.item(0) instanceof Element server
                    && jobs.contains(server.getAttribute("socket"));
        } catch (Exception e) {
            // What is not understood is not ours.
            return false;
        }
    }

    private void endChildren() {
        List<ProcessHandle> alive = new ArrayList<>();
        for (long[] child : children) {
            // The id may be another's by now; a process of the same id that began in the same tick is the same.
            if (ProcessStat.startTimeOf(child[0]) == child[1]) {
                ProcessHandle.of(child[0]).ifPresent(alive::add);
            }
        }
        if (!alive.isEmpty()) {
            awaitEnd(alive, UNTIL_CHILD_ENDS);
            alive.forEach(ProcessHandle::destroy);
            awaitEnd(alive, UNTIL_CHILD_IS_KILLED);
            alive.forEach(ProcessHandle::destroyForcibly);
        }
    }

    private static void awaitEnd(List<ProcessHandle> processes, long millis) {
        long begin = System.nanoTime();
        while (processes.stream().anyMatch(ProcessHandle::isAlive)
                && System.nanoTime() - begin < TimeUnit.MILLISECONDS.toNanos(millis)) {
            pause(20);
        }
    }

    private static void delete(Path file) {
        try {
            BasicFileAttributes attributes =
                    Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            // A regular file, or a socket, which is "other".
            if (!attributes.isDirectory() && !attributes.isSymbolicLink()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            // It is not there any more, or not ours to remove.
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            // Nobody interrupts its threads.
            Thread.currentThread().interrupt();
        }
    }

    /** The domain through libvirt. Connects anew after a failure, as the daemon may have been restarted. */
    private static final class Libvirt {
        private static final int STATE_PAUSED = 3;
        private static final int PAUSED_BY_IO_ERROR = 5;

        private final String uri;
        private final String uuid;
        private @Nullable Pointer connection;

        Libvirt(String uri, String uuid) {
            this.uri = uri;
            this.uuid = uuid;
        }

        void connect() throws LibvirtFailure {
            Virt.silence();
            withDomain(domain -> 0);
        }

        /** Gives how many file systems were frozen. */
        int thaw() throws LibvirtFailure {
            return withDomain(domain -> checked(Virt.virDomainFSThaw(domain, null, 0, 0)));
        }

        Optional<String> backupXml() throws LibvirtFailure {
            return withDomain(domain -> {
                Pointer text = Virt.virDomainBackupGetXMLDesc(domain, 0);
                if (text == null) {
                    LibvirtFailure failure = LibvirtFailure.last();
                    if (failure.code == LibvirtFailure.NO_DOMAIN_BACKUP
                            || failure.code == LibvirtFailure.OPERATION_INVALID) {
                        return Optional.empty();
                    }
                    throw failure;
                }
                try {
                    return Optional.of(text.getString(0, "UTF-8"));
                } finally {
                    C.free(text);
                }
            });
        }

        void abortJob() throws LibvirtFailure {
            withDomain(domain -> checked(Virt.virDomainAbortJob(domain)));
        }

        void resumeAfterIoError() throws LibvirtFailure {
            withDomain(domain -> {
                int[] state = new int[1];
                int[] reason = new int[1];
                checked(Virt.virDomainGetState(domain, state, reason, 0));
                return state[0] == STATE_PAUSED && reason[0] == PAUSED_BY_IO_ERROR
                        ? checked(Virt.virDomainResume(domain))
                        : 0;
            });
        }

        private static int checked(int result) throws LibvirtFailure {
            if (result < 0) {
                throw LibvirtFailure.last();
            }
            return result;
        }

        private <T> T withDomain(Call<T> call) throws LibvirtFailure {
            Pointer current = connected();
            Pointer domain = Virt.virDomainLookupByUUIDString(current, uuid);
            if (domain == null) {
                LibvirtFailure failure = LibvirtFailure.last();
                if (!failure.isDomainGone()) {
                    forget(current);
                }
                throw failure;
            }
            try {
                return call.on(domain);
            } finally {
                Virt.virDomainFree(domain);
            }
        }

        private synchronized Pointer connected() throws LibvirtFailure {
            if (connection == null) {
                connection = Virt.virConnectOpen(uri);
                if (connection == null) {
                    throw LibvirtFailure.last();
                }
            }
            return connection;
        }

        /** Not closed: another thread may be in a call on it, and this process does not live long from now on. */
        private synchronized void forget(Pointer broken) {
            if (broken.equals(connection)) {
                connection = null;
            }
        }
    }

    private interface Call<T> {
        T on(Pointer domain) throws LibvirtFailure;
    }

    /** What libvirt said of a call that failed. */
    private static final class LibvirtFailure extends Exception {
        static final int NO_DOMAIN_BACKUP = 104;
        static final int OPERATION_INVALID = 55;
        private static final int NO_DOMAIN = 42;
        private static final long serialVersionUID = 1L;

        private final int code;

        private LibvirtFailure(int code, String message) {
            super(message);
            this.code = code;
        }

        /** Of the last call of this thread. */
        static LibvirtFailure last() {
            return new LibvirtFailure(Virt.virGetLastErrorCode(), Virt.virGetLastErrorMessage());
        }

        boolean isDomainGone() {
            return code == NO_DOMAIN;
        }
    }

    /** Functions of libvirt. */
    private static final class Virt {
        static {
            Native.register("libvirt.so.0");
        }

        /** Kept here, since libvirt knows only its address. */
        private static final ErrorFunction IGNORE = (data, error) -> {};

        static void silence() {
            virSetErrorFunc(null, IGNORE);
        }

        interface ErrorFunction extends Callback {
            void error(Pointer data, Pointer error);
        }

        static native void virSetErrorFunc(@Nullable Pointer data, ErrorFunction function);

        static native int virGetLastErrorCode();

        static native String virGetLastErrorMessage();

        static native Pointer virConnectOpen(String uri);

        static native Pointer virDomainLookupByUUIDString(Pointer connection, String uuid);

        static native int virDomainFree(Pointer domain);

        static native int virDomainFSThaw(Pointer domain, @Nullable Pointer mountPoints, int count, int flags);

        static native Pointer virDomainBackupGetXMLDesc(Pointer domain, int flags);

        static native int virDomainAbortJob(Pointer domain);

        static native int virDomainGetState(Pointer domain, int[] state, int[] reason, int flags);

        static native int virDomainResume(Pointer domain);
    }

    /** Functions of the C library. */
    private static final class C {
        static final int SIGHUP = 1;
        static final int SIGINT = 2;
        static final int SIGTERM = 15;

        static {
            Native.register("c");
        }

        static native int setsid();

        static native Pointer signal(int number, Pointer handler);

        static native void free(Pointer memory);
    }
}
