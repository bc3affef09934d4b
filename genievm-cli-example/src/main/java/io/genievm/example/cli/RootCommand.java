package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.AuditMode;
import io.genievm.core.Codec;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.TypeConversionException;

/** The command line as a whole: what all commands share. */
@Command(
        name = "genievm",
        description = "Backs virtual machines up and restores them.",
        versionProvider = RootCommand.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        sortOptions = false,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:Done",
            "1:Failed",
            "2:Wrong usage",
            "3:Damage found in the repository",
            "4:Done, with warnings, under --strict",
            "130, 143:Interrupted"
        },
        footerHeading = "%nAddresses:%n",
        footer = {
            "  H    <provider>:<rest>, such as images:DIR, a folder of VMs or one image",
            "  URL  a folder, or <scheme>:<rest>",
            "",
            "With GENIEVM_DEBUG set, failures show where in the program they happened."
        })
final class RootCommand {
    /** Looked for by {@link Cli} itself; here, so that it is known and explained. */
    @Option(
            names = "--json",
            arity = "0",
            scope = ScopeType.INHERIT,
            description = "Print exactly one JSON document on standard output, also on failure.")
    @SuppressWarnings("UnusedVariable")
    private boolean json;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help.")
    @SuppressWarnings("UnusedVariable")
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version.")
    @SuppressWarnings("UnusedVariable")
    private boolean version;

    /**
     * The command line that some arguments are for. Where they begin with a command, {@code --json} apart, it knows that one
     * alone: looking at the annotations of all would take longer than many a command.
     */
    static CommandLine commandLine(Context context, String... arguments) {
        Map<String, Function<Context, Object>> commands = commands();
        Function<Context, Object> wanted = commands.get(Arrays.stream(arguments)
                .filter(argument -> !argument.equals("--json"))
                .findFirst()
                .orElse(""));
        CommandLine line = new CommandLine(new RootCommand());
        (wanted == null ? commands.values() : List.of(wanted))
                .forEach(command -> line.addSubcommand(command.apply(context)));
        return line.registerConverter(BlobStoreConfig.class, checked(BlobStoreConfig::of))
                .registerConverter(HypervisorConfig.class, checked(HypervisorConfig::of))
                .registerConverter(VmId.class, checked(VmId::new))
                .registerConverter(DiskId.class, checked(DiskId::new))
                .registerConverter(Codec.class, checked(Codec::parse))
                .registerConverter(PointPrefix.class, PointPrefix::new)
                .registerConverter(AuditShare.class, AuditShare::parse)
                .registerConverter(AuditMode.class, RootCommand::auditMode)
                .registerConverter(QuiesceMode.class, RootCommand::quiesceMode)
                .registerConverter(DriverOption.class, DriverOption::parse)
                .registerConverter(Path.class, checked(RootCommand::folder))
                // A VM may be called @web.
                .setExpandAtFiles(false)
                .setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF));
    }

    private static Map<String, Function<Context, Object>> commands() {
        Map<String, Function<Context, Object>> commands = new LinkedHashMap<>();
        commands.put("init", InitCommand::new);
        commands.put("vms", VmsCommand::new);
        commands.put("backup", BackupCommand::new);
        commands.put("list", ListCommand::new);
        commands.put("restore", RestoreCommand::new);
        commands.put("verify", VerifyCommand::new);
        commands.put("diff", DiffCommand::new);
        commands.put("delete", DeleteCommand::new);
        commands.put("demo", DemoCommand::new);
        return commands;
    }

    private static <T> ITypeConverter<T> checked(Function<String, T> parse) {
        return text -> {
            try {
                return parse.apply(text);
            } catch (IllegalArgumentException | GenieVmException e) {
                throw new TypeConversionException(e.getMessage());
            }
        };
    }

    private static AuditMode auditMode(String text) {
        return Arrays.stream(AuditMode.values())
                .filter(mode -> text.equals(Text.word(mode)))
                .findFirst()
                .orElseThrow(() -> new TypeConversionException("no audit '" + text + "': allowed are "
                        + Arrays.stream(AuditMode.values()).map(Text::word).collect(Collectors.joining(", "))));
    }

    private static QuiesceMode quiesceMode(String text) {
        return switch (text) {
            case "none" -> QuiesceMode.NONE;
            case "filesystem" -> QuiesceMode.FILE_SYSTEM;
            case "application" -> QuiesceMode.APPLICATION;
            default ->
                throw new TypeConversionException(
                        "no way to bring a guest to rest '" + text + "': allowed are none, filesystem, application");
        };
    }

    private static Path folder(String text) {
        if (text.isEmpty()) {
            throw new IllegalArgumentException("a folder needs a name");
        }
        return Path.of(text);
    }

    /** The version that the jar's manifest bears. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = RootCommand.class.getPackage().getImplementationVersion();
            return new String[] {"genievm " + (version == null ? "(not from a jar)" : version)};
        }
    }
}
