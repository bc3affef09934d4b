package io.genievm.kvm.internal.guard;

import com.sun.jna.Native;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.Waiting;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process of its own that stands by one backup of one domain. When this process dies it thaws the guest at once if it
 * was frozen for the backup, ends the backup job if that is ours, and removes the files that were named; and whatever
 * happens to this process, it thaws the guest when the time limit of a freeze is over. It is no part of the group of processes and
 * ignores the signals that ask to end, so that what stops this process, or a whole service, leaves it the time to do so; it
 * is gone two minutes after this process at the latest. Safe for use by several threads.
 */
public final class Guardian implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Guardian.class);

    /** It answers at once; but the machine may be busy, and a daemon that was asleep has to be started first. */
    private static final Duration UNTIL_READY = Duration.ofSeconds(60);

    private static final Duration UNTIL_ANSWER = Duration.ofSeconds(20);
    private static final Duration UNTIL_GONE = Duration.ofSeconds(5);
    private static final int MOST_LINES_OF_ERRORS = 20;

    /** Said of the end of its output. */
    private static final String ENDED = "";

    private static final int FIRST_JAVA_THAT_ASKS = 22;

    private final Process process;
    private final Resource resource;
    private final Duration freezeLimit;
    private final BlockingQueue<String> answers = new LinkedBlockingQueue<>();
    private final List<String> errors = new ArrayList<>();

    // Guarded by this.
    private @Nullable String startProblem;
    private boolean isReady;
    private boolean isClosed;
    private boolean isFreezing;
    private long freezeBegin;

    private Guardian(Process process, String domainUuid, Duration freezeLimit) {
        this.process = process;
        this.resource = Resource.named(domainUuid);
        this.freezeLimit = freezeLimit;
    }

    /**
     * Starts the process, without waiting until it is ready.
     *
     * @param uri the libvirt daemon
     * @param domainUuid the domain
     * @param freezeLimit the longest time that the guest may be frozen, 1 ms or more
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when no such process can be started here
     */
    public static Guardian start(String uri, String domainUuid, Duration freezeLimit) {
        if (freezeLimit.toMillis() < 1) {
            throw new IllegalArgumentException("the guest can be frozen for 1 ms or more, not " + freezeLimit);
        }
        ProcessBuilder builder = new ProcessBuilder(command(uri, domainUuid, freezeLimit)).directory(new File("/"));
        // These are meant for us: an agent or a debugger's port, and the JVM tells of them.
        builder.environment().keySet().removeAll(List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"));
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw impossible("a JVM can not be started: " + e.getMessage(), e);
        }
        Guardian guardian = new Guardian(process, domainUuid, freezeLimit);
        guardian.follow(process.getInputStream(), "answers", guardian::answered);
        guardian.follow(process.getErrorStream(), "errors", guardian::complained);
        return guardian;
    }

    private static List<String> command(String uri, String domainUuid, Duration freezeLimit) {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        if (!Files.isExecutable(java)) {
            throw impossible("there is no " + java, null);
        }
        List<String> command = new ArrayList<>(List.of(
                java.toString(),
                // The smallest and quickest to start that there is.
                "-Xmx24m",
                "-Xss512k",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:ReservedCodeCacheSize=8m",
                "-XX:-UsePerfData",
                "-Xshare:auto",
                // A file with the state of a JVM that crashed, or its memory, is nothing that anybody looks for.
                "-XX:ErrorFile=/dev/null",
                "-XX:-CreateCoredumpOnCrash"));
        if (Runtime.version().feature() >= FIRST_JAVA_THAT_ASKS) {
            command.add("--enable-native-access=ALL-UNNAMED");
        }
        System.getProperties().stringPropertyNames().stream()
                // Where JNA finds its native part, or puts it.
                .filter(name -> name.startsWith("jna.") || name.equals("java.io.tmpdir"))
                .forEach(name -> command.add("-D" + name + "=" + System.getProperty(name)));
        command.add("-cp");
        command.add(placeOf(GuardianMain.class) + File.pathSeparator + placeOf(Native.class));
        command.addAll(List.of(GuardianMain.class.getName(), uri, domainUuid, Long.toString(freezeLimit.toMillis())));
        return command;
    }

    /** The folder or jar file that a class is from. */
    private static Path placeOf(Class<?> type) {
        String file = "/" + type.getName().replace('.', '/') + ".class";
        URL url = type.getResource(file);
        String text = String.valueOf(url);
        if (text.endsWith(file)) {
            text = text.substring(0, text.length() - file.length());
            if (text.startsWith("jar:file:") && text.endsWith("!")) {
                text = text.substring("jar:".length(), text.length() - 1);
            }
            if (text.startsWith("file:") && !text.contains("!/")) {
                try {
                    Path place = Path.of(new URI(text));
                    if (Files.isReadable(place) && place.toString().indexOf(File.pathSeparatorChar) < 0) {
                        return place;
                    }
                } catch (URISyntaxException | IllegalArgumentException e) {
                    throw impossible("the class " + type.getName() + " is from " + url, e);
                }
            }
        }
        throw impossible(
                "the class " + type.getName() + " is from " + url
                        + ", which is neither a folder nor a jar file that a JVM can be given",
                null);
    }

    private static GenieVmException impossible(String why, @Nullable Exception cause) {
        return new GenieVmException(
                ErrorCode.UNSUPPORTED,
                Resource.NONE,
                "the process that protects a guest can not be started: " + why,
                cause);
    }

    private interface Reaction {
        void to(String line);
    }

    private void follow(InputStream stream, String what, Reaction reaction) {
        Thread thread = new Thread(
                () -> {
                    try (BufferedReader reader =
                            new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                            reaction.to(line);
                        }
                    } catch (IOException e) {
                        // It was ended, and its pipes were closed.
                    }
                    if (stream == process.getInputStream()) {
                        answers.add(ENDED);
                    }
                },
                "genievm-guardian-" + what);
        thread.setDaemon(true);
        thread.start();
    }

    private void answered(String line) {
        answers.add(line);
    }

    private void complained(String line) {
        synchronized (errors) {
            if (errors.size() < MOST_LINES_OF_ERRORS) {
                errors.add(line);
            }
        }
    }

    /**
     * Waits until the process stands by. Returns at once when it is known to.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when it does not within a time limit; it is ended
     *     then
     */
    public synchronized void awaitReady() {
        if (isReady) {
            return;
        }
        if (startProblem == null) {
            String answer = next(UNTIL_READY);
            if (answer != null && answer.equals(GuardianMain.READY)) {
                isReady = true;
                return;
            }
            process.destroyForcibly();
            if (answer == null) {
                startProblem = "it was not ready within " + UNTIL_READY.toSeconds() + " s";
            } else if (answer.startsWith(GuardianMain.FAILED)) {
                startProblem =
                        URLDecoder.decode(answer.substring(GuardianMain.FAILED.length()), StandardCharsets.UTF_8);
            } else {
                startProblem = "it said \"" + answer + "\"";
            }
            hasEnded(UNTIL_GONE);
            synchronized (errors) {
                startProblem += errors.isEmpty() ? "" : " " + errors;
            }
        }
        throw impossible(startProblem, null);
    }

    /**
     * Tells that the guest is about to be frozen: the time limit begins. Returns when the process knows it.
     *
     * @throws io.genievm.api.GenieVmException as {@link #awaitReady}, and with {@code IO_ERROR} when it has ended since:
     *     the guest must not be frozen then
     */
    public synchronized void freezing() {
        tell(GuardianMain.FREEZING);
        isFreezing = true;
        freezeBegin = System.nanoTime();
    }

    /**
     * Tells that the guest has been thawed, or was not frozen after all. Never fails.
     *
     * @return whether the time limit had not been over, so that the guest was frozen all the time until then
     */
    public synchronized boolean thawed() {
        if (!isFreezing) {
            return true;
        }
        isFreezing = false;
        try {
            return !tell(GuardianMain.THAWED).equals(GuardianMain.OVER);
        } catch (GenieVmException e) {
            // It may have thawed the guest before it ended, but not before the time.
            LOG.warn("{}", e.getMessage());
            return System.nanoTime() - freezeBegin < freezeLimit.toNanos();
        }
    }

    /**
     * Names the backup job that is about to be begun. Returns when the process knows it.
     *
     * @param socket the Unix socket by which the job is known as ours
     * @throws io.genievm.api.GenieVmException as {@link #freezing} does
     */
    public synchronized void job(Path socket) {
        tell(GuardianMain.JOB + encoded(socket));
    }

    /**
     * Names the claim under which this process works. When this process has died and the claim is another's by then, the
     * guardian looks no longer for a job that it has not seen: whoever holds it now does that. Returns when the guardian
     * knows it.
     *
     * @throws io.genievm.api.GenieVmException as {@link #freezing} does
     */
    public synchronized void claim(Claim claim) {
        tell(GuardianMain.CLAIM + encoded(claim.file()));
    }

    /**
     * Names a file to be removed if this process dies: a regular file or a socket, not a folder. Returns when the guardian
     * knows it.
     *
     * @throws io.genievm.api.GenieVmException as {@link #freezing} does
     */
    public synchronized void file(Path path) {
        tell(GuardianMain.FILE + encoded(path.toAbsolutePath()));
    }

    /**
     * Names a child process to be ended if this process dies. Returns when the guardian knows it.
     *
     * @throws io.genievm.api.GenieVmException as {@link #freezing} does
     */
    public synchronized void child(ProcessHandle child) {
        long startTime = ProcessStat.startTimeOf(child.pid());
        if (startTime >= 0 && child.isAlive()) {
            tell(GuardianMain.CHILD + child.pid() + " " + startTime);
        }
    }

    private static String encoded(Path path) {
        return URLEncoder.encode(path.toString(), StandardCharsets.UTF_8);
    }

    /** Whether the process still stands by. */
    public boolean isAlive() {
        return process.isAlive();
    }

    /** The process. */
    public ProcessHandle process() {
        return process.toHandle();
    }

    /**
     * Leaves to the process what this one could not undo: it takes this one for dead, and ends when it has cleared up. Does
     * nothing after {@link #close}.
     */
    public synchronized void leave() {
        if (isClosed) {
            return;
        }
        isClosed = true;
        try {
            process.getOutputStream().close();
        } catch (IOException e) {
            LOG.debug("closing a pipe of the guardian: {}", e.toString());
        }
    }

    /**
     * Tells that nothing is to be undone and waits until the process is gone, which it is in any case. But a guest that was to
     * be frozen and was not told to be {@link #thawed} is thawed: should that not be done within seconds, the process stays
     * for it. Never fails.
     */
    @Override
    public synchronized void close() {
        if (isClosed) {
            return;
        }
        try {
            if (isReady && process.isAlive()) {
                tell(GuardianMain.DONE);
            } else {
                // It knows of nothing that it could undo.
                process.destroyForcibly();
            }
        } catch (GenieVmException e) {
            LOG.debug("{}", e.getMessage());
        }
        isClosed = true;
        if (!hasEnded(UNTIL_GONE) && !isFreezing) {
            // Killed, it has no time to undo anything, as it would if only its input ended.
            process.destroyForcibly();
            hasEnded(UNTIL_GONE);
        }
        for (AutoCloseable each :
                List.<AutoCloseable>of(process.getOutputStream(), process.getInputStream(), process.getErrorStream())) {
            try {
                each.close();
            } catch (Exception e) {
                LOG.debug("closing a pipe of the guardian: {}", e.toString());
            }
        }
    }

    private String tell(String line) {
        awaitReady();
        if (isClosed) {
            throw new GenieVmException(ErrorCode.CLOSED, resource, "the guardian has been dismissed");
        }
        try {
            OutputStream output = process.getOutputStream();
            output.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            output.flush();
        } catch (IOException e) {
            throw lost(e);
        }
        String answer = next(UNTIL_ANSWER);
        if (answer == null || answer.equals(ENDED)) {
            // One that hangs must not wake up later and act upon half of what it was told.
            process.destroyForcibly();
            throw lost(null);
        }
        return answer;
    }

    private GenieVmException lost(@Nullable Exception cause) {
        return new GenieVmException(
                ErrorCode.IO_ERROR,
                resource,
                "the process that protects the guest " + resource.name() + " has ended or does not answer",
                cause);
    }

    /** Waits for a line; {@code null} when the time is over. */
    private @Nullable String next(Duration limit) {
        return Waiting.<@Nullable String>uninterrupted(limit, nanos -> answers.poll(nanos, TimeUnit.NANOSECONDS));
    }

    private boolean hasEnded(Duration limit) {
        return Waiting.uninterrupted(limit, nanos -> process.waitFor(nanos, TimeUnit.NANOSECONDS));
    }
}
