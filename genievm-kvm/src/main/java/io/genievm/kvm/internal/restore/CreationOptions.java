package io.genievm.kvm.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * How a new domain is made.
 *
 * @param folder where the files of its disks are made; absolute
 * @param format of those files: {@code qcow2} or {@code raw}
 * @param thin whether they take space only for what is written
 * @param type {@code kvm} or {@code qemu}, or {@code null} when it was not given
 * @param keepsHostAccess whether the new domain may reach for the host as the old one did
 */
record CreationOptions(
        Path folder, String format, boolean thin, @Nullable String type, boolean keepsHostAccess) {
    static final String HOST_ACCESS = "host-access";
    static final String KEEP = "keep";

    private static final String FOLDER = "folder";
    private static final String FORMAT = "format";
    private static final String THIN = "thin";
    private static final String TYPE = "type";
    private static final Set<String> NAMES = new TreeSet<>(Set.of(FOLDER, FORMAT, THIN, TYPE, HOST_ACCESS));

    /** Of libvirt's storage pool "default". */
    private static final Path USUAL_FOLDER = Path.of("/var/lib/libvirt/images");

    /**
     * Reads options.
     *
     * @throws GenieVmException with {@code INVALID_ARGUMENT} that names the option and what is allowed, or
     *     {@code NOT_FOUND} when no folder is given and the usual one is not there
     */
    static CreationOptions of(Map<String, String> options) {
        for (String name : new TreeSet<>(options.keySet())) {
            if (!NAMES.contains(name)) {
                throw invalid("there is no option '" + name + "'; options are " + String.join(", ", NAMES));
            }
        }
        String thin = oneOf(options, THIN, Set.of("true", "false"));
        String format = oneOf(options, FORMAT, Set.of("qcow2", "raw"));
        String type = oneOf(options, TYPE, Set.of("kvm", "qemu"));
        String access = oneOf(options, HOST_ACCESS, Set.of(KEEP, "refuse"));
        return new CreationOptions(
                folder(options),
                format == null ? "qcow2" : format,
                thin == null || thin.equals("true"),
                type,
                KEEP.equals(access));
    }

    private static @Nullable String oneOf(Map<String, String> options, String name, Set<String> allowed) {
        String value = options.get(name);
        if (value != null && !allowed.contains(value)) {
            throw invalid("option '" + name + "' is one of " + String.join(", ", new TreeSet<>(allowed)) + ", not '"
                    + value + "'");
        }
        return value;
    }

    private static Path folder(Map<String, String> options) {
        String text = options.get(FOLDER);
        if (text == null) {
            if (!Files.isDirectory(USUAL_FOLDER)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.named(USUAL_FOLDER.toString()),
                        "there is no folder " + USUAL_FOLDER + "; say with the option '" + FOLDER
                                + "' where the disks of the new VM are to be");
            }
            return USUAL_FOLDER;
        }
        try {
            Path folder = Path.of(text);
            // libvirt stores its definitions in lines and would refuse others at the very end.
            if (folder.isAbsolute() && text.chars().noneMatch(Character::isISOControl) && Files.isDirectory(folder)) {
                return folder;
            }
        } catch (InvalidPathException e) {
            // It is refused as other paths are.
        }
        throw invalid("option '" + FOLDER + "' is the absolute path of a folder that is there, not '" + text + "'");
    }

    private static GenieVmException invalid(String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, message);
    }
}
