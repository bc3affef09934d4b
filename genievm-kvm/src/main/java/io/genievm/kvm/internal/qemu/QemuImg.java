package io.genievm.kvm.internal.qemu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.Cancellation;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Calls of {@code qemu-img}: never through a shell, each with a limit of time, output bounded. */
public final class QemuImg {
    private static final Logger LOG = LoggerFactory.getLogger(QemuImg.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Program PROGRAM = new Program("qemu-img");

    private static final Duration LIMIT = Duration.ofMinutes(2);

    /** Where a file system has no call for it, every block is written. */
    private static final Duration LIMIT_OF_ALLOCATING = Duration.ofHours(24);

    /** What libvirt takes, too. */
    private static final int LONGEST_CHAIN = 200;

    private static final long GRANULARITY = 65_536;

    private QemuImg() {}

    /**
     * A persistent bitmap of a qcow2 image.
     *
     * @param name its name
     * @param granularity bytes for which it has one bit
     * @param flags {@code auto} (it records), {@code in-use} (it was not closed: what it says can not be relied on)
     */
    public record Bitmap(String name, long granularity, Set<String> flags) {
        /** Whether it was recording all the time and was closed properly. */
        public boolean isUsable() {
            return flags.contains("auto") && !flags.contains("in-use");
        }
    }

    /**
     * One image, without those behind it.
     *
     * @param file the image
     * @param format {@code qcow2}, {@code raw}...
     * @param virtualSize bytes that the guest sees
     * @param backing the image behind it, absolute, or {@code null}
     * @param backingFormat its format when the image names it, else {@code null}
     * @param bitmaps its persistent bitmaps
     * @param isEncrypted whether its content is encrypted
     * @param keepsBitmaps whether the format and version of the image can keep bitmaps
     */
    public record Image(
            Path file,
            String format,
            long virtualSize,
            @Nullable Path backing,
            @Nullable String backingFormat,
            List<Bitmap> bitmaps,
            boolean isEncrypted,
            boolean keepsBitmaps) {}

    /**
     * Describes an image and those behind it, also while a guest has them open.
     *
     * @param file the image
     * @param format its format: never guessed, as the content of a raw image is the guest's
     * @return the image first, each followed by the one behind it
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND}, {@code ACCESS_DENIED}, an I/O code, or
     *     {@code UNSUPPORTED} when qemu-img is not there, when an image is behind another that does not record its format,
     *     or what is behind an image is no file of this machine
     */
    public static List<Image> chain(Path file, String format) {
        return chain(PROGRAM, file, format);
    }

    /**
     * Makes an image that reads as zeroes.
     *
     * @param file the file, which must not be there
     * @param format {@code qcow2} or {@code raw}
     * @param size bytes; any number, although qcow2 rounds up to 512
     * @param thin whether space is taken only by what is written
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS}, {@code NO_SPACE}, {@code ACCESS_DENIED},
     *     {@code NOT_FOUND} when its folder is not there, {@code UNSUPPORTED} when there is no qemu-img,
     *     {@code CANCELLED} or an I/O code; nothing is left then
     */
    public static void create(Path file, String format, long size, boolean thin, Cancellation cancellation) {
        create(PROGRAM, file, format, size, thin, cancellation);
    }

    /**
     * Adds a persistent bitmap that records from now on, to an image that nobody has open.
     *
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when somebody has the image open,
     *     {@code ALREADY_EXISTS}, or an I/O code
     */
    public static void addBitmap(Path file, String name) {
        Program.Outcome outcome = bitmap(file, name, "--add", "-g", Long.toString(GRANULARITY));
        if (outcome.status() != 0) {
            throw outcome.errors().contains("Bitmap already exists")
                    ? new GenieVmException(
                            ErrorCode.ALREADY_EXISTS,
                            Resource.named(file.toString()),
                            "the image " + file + " has a bitmap " + name + " already")
                    : failure("a bitmap can not be added to", file, outcome);
        }
    }

    /** Removes a bitmap from an image that nobody has open; does nothing when it is not there. */
    public static void removeBitmap(Path file, String name) {
        Program.Outcome outcome = bitmap(file, name, "--remove");
        if (outcome.status() != 0 && !outcome.errors().contains("Dirty bitmap '" + name + "' not found")) {
            throw failure("a bitmap can not be removed from", file, outcome);
        }
    }

    static List<Image> chain(Program program, Path file, String format) {
        List<Image> chain = new ArrayList<>();
        Set<Path> seen = new HashSet<>();
        Path next = file.toAbsolutePath();
        String nextFormat = format;
        while (next != null) {
            if (!seen.add(next) || chain.size() == LONGEST_CHAIN) {
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(file.toString()),
                        "the images behind " + file + " go round in a circle or are more than " + LONGEST_CHAIN);
            }
            Image image = describe(program, next, nextFormat);
            chain.add(image);
            next = image.backing();
            nextFormat = image.backingFormat() == null ? "" : image.backingFormat();
            if (next != null && nextFormat.isEmpty()) {
                // QEMU would look at its content, which may be the guest's, who could make it name any file of the
                // host.
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(image.file().toString()),
                        "the image " + image.file() + " does not record the format of the image behind it, " + next
                                + "; qemu-img rebase -u -b <it> -F <its format> records it");
            }
        }
        return List.copyOf(chain);
    }

    /** One image alone: asking QEMU for the whole chain would have it guess formats that are not recorded. */
    private static Image describe(Program program, Path file, String format) {
        Program.Outcome outcome = program.run(
                LIMIT,
                Cancellation.NEVER,
                List.of("info", "--output=json", "--force-share", "-f", format, "--", file.toString()));
        if (outcome.status() != 0) {
            throw failure("can not read", file, outcome);
        }
        JsonNode info;
        try {
            info = JSON.readTree(outcome.output());
        } catch (JsonProcessingException e) {
            throw notUnderstood(file, e);
        }
        JsonNode size = info.path("virtual-size");
        if (!size.canConvertToLong()
                || size.asLong() < 0
                || !info.path("format").isTextual()) {
            throw notUnderstood(file, null);
        }
        JsonNode specific = info.path("format-specific").path("data");
        List<Bitmap> bitmaps = new ArrayList<>();
        for (JsonNode each : specific.path("bitmaps")) {
            Set<String> flags = new TreeSet<>();
            each.path("flags").forEach(flag -> flags.add(flag.asText()));
            bitmaps.add(new Bitmap(
                    each.path("name").asText(), each.path("granularity").asLong(), Set.copyOf(flags)));
        }
        JsonNode backing = info.path("backing-filename");
        JsonNode backingFormat = info.path("backing-filename-format");
        return new Image(
                file,
                info.path("format").asText(),
                size.asLong(),
                backing.isTextual() ? behind(file, backing.asText()) : null,
                backingFormat.isTextual() ? backingFormat.asText() : null,
                List.copyOf(bitmaps),
                info.path("encrypted").asBoolean(false),
                format.equals("qcow2")
                        && !specific.path("compat").asText("0.10").equals("0.10"));
    }

    /** The file that an image records as the one behind it. */
    private static Path behind(Path file, String recorded) {
        String name = recorded;
        // As in QEMU: a colon before the first slash makes it something else than a path.
        int end = name.indexOf('/') < 0 ? name.length() : name.indexOf('/');
        if (name.substring(0, end).indexOf(':') >= 0) {
            if (!name.startsWith("file:")) {
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(file.toString()),
                        "behind the image " + file + " is no file of this machine: " + Program.told(name, ""));
            }
            name = name.substring("file:".length());
        }
        try {
            return file.resolveSibling(name);
        } catch (InvalidPathException e) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(file.toString()),
                    "the image " + file + " names one behind it that is no path",
                    e);
        }
    }

    static void create(Program program, Path file, String format, long size, boolean thin, Cancellation cancellation) {
        if (size < 0 || !format.equals("raw") && !format.equals("qcow2")) {
            throw new IllegalArgumentException("raw or qcow2, of 0 bytes or more; not " + format + " of " + size);
        }
        Path target = file.toAbsolutePath();
        List<String> options = new ArrayList<>();
        if (!thin) {
            options.add("preallocation=falloc");
        }
        if (format.equals("qcow2")) {
            // The version that can keep bitmaps; no compat=0.10 from some default of the host's.
            options.add("compat=1.1");
        }
        List<String> arguments = new ArrayList<>(List.of("create", "-q", "-f", format));
        if (!options.isEmpty()) {
            arguments.addAll(List.of("-o", String.join(",", options)));
        }
        arguments.addAll(List.of("--", target.toString(), Long.toString(size)));
        // qemu-img writes over what is there, so the file has to be ours before it comes to it.
        claim(target);
        boolean isDone = false;
        try {
            Program.Outcome outcome = program.run(thin ? LIMIT : LIMIT_OF_ALLOCATING, cancellation, arguments);
            if (outcome.status() != 0) {
                throw failure("can not create", target, outcome);
            }
            if (format.equals("raw")) {
                cut(target, size);
            }
            isDone = true;
        } finally {
            if (!isDone) {
                remove(target);
            }
        }
    }

    private static void claim(Path file) {
        try {
            Files.createFile(file);
        } catch (IOException e) {
            throw failure("can not create", file, e);
        }
    }

    /** A raw image has any size, but qemu-img makes it one of whole sectors. */
    private static void cut(Path file, long size) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            if (channel.size() > size) {
                channel.truncate(size);
            }
        } catch (IOException e) {
            throw failure("can not create", file, e);
        }
    }

    private static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            LOG.warn("the unfinished image {} could not be removed: {}", file, e.toString());
        }
    }

    /** What is behind the image is not opened: a bitmap does not need it, and its format may not be recorded. */
    private static Program.Outcome bitmap(Path file, String name, String... action) {
        List<String> arguments = new ArrayList<>();
        arguments.add("bitmap");
        arguments.addAll(List.of(action));
        arguments.addAll(List.of("--", BlockNode.alone(file.toAbsolutePath(), "qcow2"), name));
        return PROGRAM.run(LIMIT, Cancellation.NEVER, arguments);
    }

    private static GenieVmException failure(String what, Path file, Program.Outcome outcome) {
        return new GenieVmException(
                Program.codeOf(outcome.errors()),
                Resource.named(file.toString()),
                what + " the image " + file + ": " + Program.told(outcome.errors(), PROGRAM.name()));
    }

    private static GenieVmException failure(String what, Path file, IOException e) {
        ErrorCode code = Program.codeOf(String.valueOf(e.getMessage()));
        if (e instanceof FileAlreadyExistsException) {
            code = ErrorCode.ALREADY_EXISTS;
        } else if (e instanceof AccessDeniedException) {
            code = ErrorCode.ACCESS_DENIED;
        } else if (e instanceof NoSuchFileException) {
            code = ErrorCode.NOT_FOUND;
        }
        return new GenieVmException(code, Resource.named(file.toString()), what + " the image " + file + ": " + e, e);
    }

    private static GenieVmException notUnderstood(Path file, @Nullable Exception cause) {
        return new GenieVmException(
                ErrorCode.IO_ERROR,
                Resource.named(file.toString()),
                "what qemu-img prints of the image " + file + " is not understood",
                cause);
    }
}
