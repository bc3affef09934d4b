package io.genievm.kvm.internal;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorConfig;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.TreeSet;

/**
 * Where libvirt is and how to work with it, checked.
 *
 * @param uri libvirt's URI
 * @param scratch the folder for what a guest overwrites while it is backed up
 * @param freezeLimit the longest time that a guest may be frozen
 */
public record KvmOptions(String uri, Path scratch, Duration freezeLimit) {
    /** The option that names the folder for scratch files. */
    static final String SCRATCH = "scratch";

    /** The option for the longest time that a guest may be frozen, in seconds. */
    static final String FREEZE_TIMEOUT = "freeze-timeout";

    /**
     * The folder for Unix sockets: one whose path is short, as that of a socket has at most 107 bytes, and in which QEMU can
     * make files whoever it runs as.
     */
    public static final Path SOCKETS = Path.of("/var/tmp");

    private static final Path DEFAULT_SCRATCH = SOCKETS;
    private static final Duration DEFAULT_FREEZE_LIMIT = Duration.ofSeconds(10);
    private static final int LONGEST_FREEZE_SECONDS = 300;
    private static final String DEFAULT_URI = "qemu:///system";
    /**
     * Reads a configuration: {@code qemu:///system}, {@code kvm:qemu:///system}, or {@code kvm:} for the first.
     *
     * @throws GenieVmException with {@code INVALID_ARGUMENT}
     */
    static KvmOptions of(HypervisorConfig config) {
        Path scratch = DEFAULT_SCRATCH;
        Duration freezeLimit = DEFAULT_FREEZE_LIMIT;
        for (String name : new TreeSet<>(config.options().keySet())) {
            String value = String.valueOf(config.options().get(name));
            switch (name) {
                case SCRATCH -> scratch = folder(config, value);
                case FREEZE_TIMEOUT -> freezeLimit = seconds(config, value);
                default ->
                    throw refused(
                            config,
                            "unknown option '" + name + "'; the driver 'kvm' knows " + FREEZE_TIMEOUT + " and "
                                    + SCRATCH);
            }
        }
        String uri = config.scheme().equals("kvm") ? config.rest() : config.address();
        return new KvmOptions(uri.isEmpty() ? DEFAULT_URI : uri, scratch, freezeLimit);
    }

    private static Path folder(HypervisorConfig config, String value) {
        Path folder;
        try {
            folder = Path.of(value);
        } catch (InvalidPathException e) {
            throw refused(config, "option '" + SCRATCH + "' is no path: '" + value + "'");
        }
        if (!folder.isAbsolute() || !Files.isDirectory(folder)) {
            throw refused(
                    config, "option '" + SCRATCH + "' is the absolute path of a folder that is there: '" + value + "'");
        }
        return folder.normalize();
    }

    private static Duration seconds(HypervisorConfig config, String value) {
        if (!value.matches("[0-9]{1,3}")
                || Integer.parseInt(value) < 1
                || Integer.parseInt(value) > LONGEST_FREEZE_SECONDS) {
            throw refused(
                    config,
                    "option '" + FREEZE_TIMEOUT + "' is 1 to " + LONGEST_FREEZE_SECONDS + " seconds, not '" + value
                            + "'");
        }
        return Duration.ofSeconds(Integer.parseInt(value));
    }

    private static GenieVmException refused(HypervisorConfig config, String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, Resource.named(config.address()), message);
    }
}
