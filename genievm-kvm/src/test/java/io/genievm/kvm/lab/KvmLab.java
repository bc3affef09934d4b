package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Real guests under a real libvirt, one lab for all tests of a run. A test has it as a parameter, by
 * {@code @ExtendWith(KvmLab.Extension.class)}. Where it can not be, as without root, the test is aborted; in CI it fails.
 */
public final class KvmLab implements AutoCloseable {
    /** The hypervisor's address. */
    public static final String ADDRESS = "qemu:///system";

    private static final String PREFIX = "genievm-it-";

    private final Path scripts;
    private final Path boot;
    private final Path folder;
    private final String prefix;
    private int guests;
    private int folders;

    /** Gives the lab to tests. */
    public static final class Extension implements BeforeAllCallback, ParameterResolver {
        private static final Namespace NAMESPACE = Namespace.create(KvmLab.class);

        /** Opens it here and not only where it is a parameter: what is aborted for want of a parameter would fail. */
        @Override
        public void beforeAll(ExtensionContext context) {
            lab(context);
        }

        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == KvmLab.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return lab(context);
        }

        private static KvmLab lab(ExtensionContext context) {
            // The store of the root closes what it holds when all tests have ended.
            return context.getRoot()
                    .getStore(NAMESPACE)
                    .computeIfAbsent(Opened.class, key -> Opened.now(), Opened.class)
                    .get();
        }
    }

    /** The lab, or why there is none; that is found out once. */
    private record Opened(@Nullable KvmLab lab, @Nullable String failure) implements AutoCloseable {
        static Opened now() {
            try {
                return new Opened(open(), null);
            } catch (RuntimeException e) {
                return new Opened(null, "no lab for the tests of the KVM driver: " + e.getMessage());
            }
        }

        KvmLab get() {
            if (lab == null) {
                if ("true".equals(System.getenv("CI"))) {
                    fail("" + failure);
                }
                Assumptions.abort("" + failure);
            }
            return lab;
        }

        @Override
        public void close() throws IOException {
            if (lab != null) {
                lab.close();
            }
        }
    }

    private KvmLab(Path scripts, Path boot, Path folder, String prefix) {
        this.scripts = scripts;
        this.boot = boot;
        this.folder = folder;
        this.prefix = prefix;
    }

    private static KvmLab open() {
        Path scripts = scripts();
        Path lab = Path.of(Optional.ofNullable(System.getenv("GENIEVM_LAB"))
                .orElseGet(() -> "/var/tmp/genievm-lab-" + Programs.run("id", "-u")));
        prepare(scripts.resolve("libvirtd-up"), pid());
        try {
            String boot = prepare(scripts.resolve("make-guest"), lab.toString());
            Path runs = Files.createDirectories(lab.resolve("runs"));
            clearLeftovers(runs);
            String run = UUID.randomUUID().toString().substring(0, 8);
            Path folder = Files.createDirectory(runs.resolve(run));
            Files.writeString(folder.resolve("pid"), pid());
            // The last line: others are what apt-get has to say.
            return new KvmLab(scripts, Path.of(boot.substring(boot.lastIndexOf('\n') + 1)), folder, PREFIX + run + "-");
        } catch (RuntimeException | IOException e) {
            prepare(scripts.resolve("libvirtd-down"), pid());
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    private static Path scripts() {
        // Maven runs the tests in the folder of the module, an IDE perhaps in the folder of the project.
        for (String place : List.of("src/test/lab", "genievm-kvm/src/test/lab")) {
            if (Files.isDirectory(Path.of(place))) {
                return Path.of(place).toAbsolutePath();
            }
        }
        throw new IllegalStateException(
                "the scripts of the lab are not below " + Path.of("").toAbsolutePath());
    }

    private static String prepare(Path script, String argument) {
        Programs.Result result = Programs.attempt(Duration.ofMinutes(5), script.toString(), argument);
        if (result.status() != 0) {
            throw new IllegalStateException(result.output().strip());
        }
        return result.output().strip();
    }

    private static String pid() {
        return Long.toString(ProcessHandle.current().pid());
    }

    /** What was left by runs that ended without a chance to clean up. */
    private static void clearLeftovers(Path runs) throws IOException {
        try (Stream<Path> folders = Files.list(runs)) {
            for (Path folder : folders.toList()) {
                Path owner = folder.resolve("pid");
                boolean lives = Files.exists(owner)
                        && ProcessHandle.of(Long.parseLong(Files.readString(owner)))
                                .filter(ProcessHandle::isAlive)
                                .isPresent();
                // Without a name in it, it is being made.
                if (!lives && Files.exists(owner)) {
                    clear(PREFIX + folder.getFileName() + "-", folder);
                }
            }
        }
    }

    private static void clear(String prefix, Path folder) throws IOException {
        for (String domain : domains(prefix)) {
            remove(domain);
        }
        for (String line : Programs.run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE")
                .split("\n")) {
            String[] loop = line.strip().split("\\s+", 2);
            if (loop.length == 2 && loop[1].startsWith(folder + "/")) {
                Programs.run("losetup", "--detach", loop[0]);
            }
        }
        for (String line : Files.readAllLines(Path.of("/proc/mounts"))) {
            String place = line.split(" ")[1];
            if (place.startsWith(folder + "/")) {
                Programs.run("umount", "--lazy", place);
            }
        }
        deleteFolder(folder);
    }

    static void deleteFolder(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }

    /** Stops and undefines a domain, if it is there. */
    static void remove(String domain) {
        virshAttempt("destroy", domain);
        if (virshAttempt("dominfo", domain).status() == 0) {
            virsh("undefine", domain, "--checkpoints-metadata", "--snapshots-metadata", "--managed-save", "--nvram");
        }
    }

    private static List<String> domains(String prefix) {
        return virsh("list", "--all", "--name")
                .lines()
                .filter(name -> name.startsWith(prefix))
                .toList();
    }

    /** Runs virsh, and gives what it printed. */
    public static String virsh(String... arguments) {
        return Programs.run(virshCommand(arguments));
    }

    /** Runs virsh with something that may fail. */
    public static Programs.Result virshAttempt(String... arguments) {
        return Programs.attempt(Duration.ofMinutes(1), virshCommand(arguments));
    }

    private static String[] virshCommand(String... arguments) {
        List<String> command = new ArrayList<>(List.of("virsh", "--quiet", "--connect", ADDRESS));
        command.addAll(List.of(arguments));
        return command.toArray(String[]::new);
    }

    /** A name for a domain that a test makes by itself; it is removed with the lab at the latest. */
    public synchronized String newName() {
        return prefix + ++guests;
    }

    /** The names of the domains of this run that are there now. */
    public List<String> domains() {
        return domains(prefix);
    }

    /** A folder for files of a test; removed with the lab at the latest. Its path is short, as sockets want it. */
    public synchronized Path newFolder(String name) {
        try {
            return Files.createDirectory(folder.resolve(name + ++folders));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A small file system in memory, which fills up. */
    public Path newTmpfs(String size) {
        Path place = newFolder("tmpfs");
        Programs.run("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", place.toString());
        return place;
    }

    /** Begins a guest. */
    public GuestBuilder guest() {
        String name = newName();
        try {
            // Readable for a QEMU that runs as another user.
            Path files = Files.createDirectory(folder.resolve(name));
            return new GuestBuilder(name, files, boot);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A guest that others have made out of one of the lab's, with no disks that are known here. */
    public Guest existing(String name) {
        return new Guest(name, newFolder("existing"), List.of(), true);
    }

    @Override
    public void close() throws IOException {
        clear(prefix, folder);
        prepare(scripts.resolve("libvirtd-down"), pid());
    }
}
