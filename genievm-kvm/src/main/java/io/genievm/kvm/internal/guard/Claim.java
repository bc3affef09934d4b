package io.genievm.kvm.internal.guard;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.guard.Owner.Life;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to work at one domain, held by at most one snapshot of this machine at a time: a small file in a folder that
 * a restart of the machine empties. It outlives its owner, and tells the next what the dead one has left. Safe for use by
 * several threads.
 *
 * <p>The folder is {@code /run/genievm} for root; for other users {@code genievm-<user id>} in {@code /run/lock}, or in
 * {@code /tmp} where that can not be. It belongs to the user and only they write to it, since a claim names files that are
 * to be removed: of another user's claim nothing is believed. So claims of different users do not exclude each other, but
 * for one of root's, which others heed; between them it is libvirt that allows one job at a time.
 */
public final class Claim implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Claim.class);

    private static final String FIRST_WORD = "genievm-claim ";
    private static final String VERSION = "1";
    private static final int LONGEST_FILE = 1 << 20;
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(10);
    private static final Path FOLDER_OF_ROOT = Path.of("/run/genievm");

    /**
     * Locks of files are held by a process, not by one of its threads. A literal is the same object for all class loaders,
     * of which several may have this class.
     */
    private static final Object ONE_AT_A_TIME = "io.genievm.kvm.internal.guard.Claim".intern();

    /**
     * Claims that were given back while their files could not be removed, as when no more files could be opened: file and
     * text. Their owner, this process, lives, and they would keep it from its domains for as long as it does.
     */
    private static final Set<List<Object>> GIVEN_BACK = ConcurrentHashMap.newKeySet();

    private static final Set<PosixFilePermission> OF_FOLDER = PosixFilePermissions.fromString("rwxr-xr-x");

    /** Whoever can read a file can lock it, against those who write too. */
    private static final FileAttribute<Set<PosixFilePermission>> OF_LOCK =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /**
     * What a claim says.
     *
     * @param marker the marker of the snapshot: {@code genievm-<repositoryId>-<sessionId>}
     * @param owner the process that holds it
     * @param files files that are to be removed with the snapshot
     */
    public record Content(String marker, Owner owner, List<Path> files) {
        /** Copies the files. */
        public Content {
            files = List.copyOf(files);
        }

        private String text() {
            StringBuilder text = new StringBuilder(FIRST_WORD + VERSION + "\n" + owner + "\n" + encoded(marker) + "\n");
            files.forEach(file -> text.append(encoded(file.toString())).append('\n'));
            return text.toString();
        }

        private static String encoded(String text) {
            return URLEncoder.encode(text, StandardCharsets.UTF_8);
        }
    }

    /**
     * What came of trying to take a claim.
     *
     * @param claim the claim, or empty when another holds it
     * @param holder with a claim, the dead one that held it and was understood; else the one that holds it
     */
    public record Attempt(Optional<Claim> claim, Optional<Content> holder) {}

    private final Path folder;
    private final Path file;
    private final String text;
    private boolean isClosed;

    private Claim(Path folder, Path file, String text) {
        this.folder = folder;
        this.file = file;
        this.text = text;
    }

    /**
     * Takes the claim to a domain. When a dead process holds it, it is taken over, and what it said is told along. One that
     * is not understood is taken over like that of a dead process when its owner is dead or not to be read, and nothing is
     * told.
     *
     * @param domainUuid the domain
     * @param content what to write
     * @return the claim with what a dead holder said; or no claim and the holder that lives, or may live
     * @throws io.genievm.api.GenieVmException with {@code ACCESS_DENIED} or an I/O code; {@code BUSY} when others hold up
     *     everybody who wants a claim for too long
     */
    public static Attempt take(String domainUuid, Content content) {
        int user = user();
        if (user != 0) {
            Path ofRoot = FOLDER_OF_ROOT.resolve(fileName(domainUuid));
            Read other = read(ofRoot).orElse(null);
            Owner owner = other == null ? null : other.owner();
            if (other != null && owner != null && owner.life() == Life.ALIVE) {
                return new Attempt(
                        Optional.empty(), Optional.of(other.contentOr(() -> new Content("", owner, List.of()))));
            }
        }
        return take(folderOf(user), domainUuid, content);
    }

    /** In a folder that only this user writes to. */
    static Attempt take(Path folder, String domainUuid, Content content) {
        Path file = folder.resolve(fileName(domainUuid));
        String text = content.text();
        if (text.length() > LONGEST_FILE) {
            throw new IllegalArgumentException("a claim of " + text.length() + " characters");
        }
        return locked(folder, () -> {
            Read there = read(file)
                    .filter(found -> !GIVEN_BACK.contains(List.of(file, found.text())))
                    .orElse(null);
            if (there != null && there.owner() != null && there.owner().life() != Life.DEAD) {
                Owner owner = there.owner();
                return new Attempt(
                        Optional.empty(), Optional.of(there.contentOr(() -> new Content("", owner, List.of()))));
            }
            if (there != null && there.content() == null) {
                LOG.warn(
                        "the claim {} is not understood, and its owner has ended or is not known: it is replaced",
                        file);
            }
            // Whole or not at all, for whoever reads it without the lock and should this process die.
            Path next = folder.resolve(file.getFileName() + ".new");
            Files.writeString(next, text);
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
            GIVEN_BACK.removeIf(given -> given.get(0).equals(file));
            return new Attempt(
                    Optional.of(new Claim(folder, file, text)),
                    there == null ? Optional.empty() : Optional.ofNullable(there.content()));
        });
    }

    /** The file that is this claim as long as nobody has taken it over. */
    Path file() {
        return file;
    }

    /** Gives the claim back: removes the file, if it is still this claim. Never fails. */
    @Override
    public synchronized void close() {
        if (isClosed) {
            return;
        }
        isClosed = true;
        try {
            locked(folder, () -> {
                if (read(file).filter(there -> there.text().equals(text)).isPresent()) {
                    Files.deleteIfExists(file);
                }
                return this;
            });
        } catch (GenieVmException e) {
            GIVEN_BACK.add(List.of(file, text));
            LOG.warn("the claim {} stays, for other processes until this one ends: {}", file, e.getMessage());
        }
    }

    private static String fileName(String domainUuid) {
        return "genievm-" + UUID.fromString(domainUuid) + ".claim";
    }

    private static int user() {
        try {
            return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        } catch (IOException e) {
            throw failure(Path.of("/proc/self"), e);
        }
    }

    private static Path folderOf(int user) {
        if (user == 0) {
            try {
                return made(FOLDER_OF_ROOT, user);
            } catch (IOException e) {
                LOG.debug("no claims in {}: {}", FOLDER_OF_ROOT, e.toString());
            }
        }
        try {
            return made(Path.of("/run/lock/genievm-" + user), user);
        } catch (IOException e) {
            LOG.debug("no claims in /run/lock: {}", e.toString());
        }
        Path last = Path.of("/tmp/genievm-" + user);
        try {
            return made(last, user);
        } catch (IOException e) {
            throw failure(last, e);
        }
    }

    /** Makes a folder, or finds that it is one that nobody else can have put there or can write to. */
    static Path made(Path folder, int user) throws IOException {
        try {
            Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(OF_FOLDER));
        } catch (FileAlreadyExistsException e) {
            // Looked at below, as any other.
        }
        int mode = (int) Files.getAttribute(folder, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        int owner = (int) Files.getAttribute(folder, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS) || owner != user || (mode & 022) != 0) {
            throw new AccessDeniedException(
                    folder.toString(), null, "it is not a folder of this user's that only they write to");
        }
        return folder;
    }

    private interface Action<T> {
        T run() throws IOException;
    }

    /** Does something while no other process and no other thread does, for as long as it takes to do it. */
    private static <T> T locked(Path folder, Action<T> action) {
        synchronized (ONE_AT_A_TIME) {
            Path lockFile = folder.resolve("lock");
            // An interrupt would close the files under our hands.
            boolean interrupted = Thread.interrupted();
            try (FileChannel channel =
                    FileChannel.open(lockFile, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), OF_LOCK)) {
                long end = System.nanoTime() + LONGEST_WAIT.toNanos();
                FileLock lock = tried(channel);
                while (lock == null) {
                    if (System.nanoTime() - end > 0) {
                        throw new GenieVmException(
                                ErrorCode.BUSY,
                                Resource.named(lockFile.toString()),
                                "another process has held " + lockFile + " for " + LONGEST_WAIT.toSeconds() + " s");
                    }
                    interrupted |= paused();
                    lock = tried(channel);
                }
                return action.run();
            } catch (IOException e) {
                throw failure(folder, e);
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    private static @Nullable FileLock tried(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Somebody else in this process. The channel stays open: closing it would take their lock away.
            return null;
        }
    }

    /** Waits a little; tells whether it was interrupted. */
    private static boolean paused() {
        try {
            Thread.sleep(5);
            return false;
        } catch (InterruptedException e) {
            return true;
        }
    }

    /**
     * A claim as it is in its file.
     *
     * @param text all of it
     * @param owner who holds it, or {@code null} when that is not understood
     * @param content what it says, or {@code null} when that is not understood
     */
    private record Read(
            String text, @Nullable Owner owner, @Nullable Content content) {
        private Content contentOr(Supplier<Content> other) {
            return Objects.requireNonNullElseGet(content, other);
        }

        /** The second line is the owner in every version of the format. */
        private static Read of(String text) {
            List<String> lines = text.lines().toList();
            if (lines.size() < 3 || !lines.get(0).startsWith(FIRST_WORD)) {
                return new Read(text, null, null);
            }
            Owner owner = Owner.parse(lines.get(1));
            if (owner == null || !lines.get(0).equals(FIRST_WORD + VERSION)) {
                return new Read(text, owner, null);
            }
            try {
                List<Path> files = new ArrayList<>();
                for (String line : lines.subList(3, lines.size())) {
                    files.add(Path.of(decoded(line)));
                }
                return new Read(text, owner, new Content(decoded(lines.get(2)), owner, files));
            } catch (IllegalArgumentException e) {
                return new Read(text, owner, null);
            }
        }

        private static String decoded(String text) {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        }
    }

    /** Reads a claim; empty when there is none. */
    private static Optional<Read> read(Path file) {
        try (InputStream input = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
            byte[] bytes = input.readNBytes(LONGEST_FILE + 1);
            return Optional.of(
                    bytes.length > LONGEST_FILE
                            ? new Read("", null, null)
                            : Read.of(new String(bytes, StandardCharsets.UTF_8)));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            // Nothing that was put there by a claim.
            LOG.warn("the claim {} can not be read: {}", file, e.toString());
            return Optional.of(new Read("", null, null));
        }
    }

    private static GenieVmException failure(Path file, IOException e) {
        String reason = e instanceof FileSystemException failure ? String.valueOf(failure.getReason()) : "";
        ErrorCode code = ErrorCode.IO_ERROR;
        if (e instanceof AccessDeniedException || reason.contains("Read-only file system")) {
            code = ErrorCode.ACCESS_DENIED;
        } else if (reason.contains("No space left on device") || reason.contains("Disk quota exceeded")) {
            code = ErrorCode.NO_SPACE;
        }
        return new GenieVmException(
                code, Resource.named(file.toString()), "the claims to domains are kept in " + file + ": " + e, e);
    }
}
