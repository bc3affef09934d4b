package io.genievm.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.time.Clock;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Who may use whom. The tables say what is allowed; everything else is forbidden. Stands with the command line, because
 * that alone has every module on its class path.
 */
class ArchitectureTest {
    /** Raise it as the code grows: a rule that sees no classes is a rule that always holds. */
    private static final int FEWEST_CLASSES = 350;

    private static final String API = "io.genievm.api";
    private static final String CORE = "io.genievm.core";
    private static final String STORAGE = "io.genievm.storage";
    private static final String KVM = "io.genievm.kvm";
    private static final String VMWARE = "io.genievm.vmware";
    private static final String TESTKIT = "io.genievm.testkit";
    private static final String COMMAND_LINE = GenieModules.COMMAND_LINE;

    /** Our modules that a module may use. Drivers and stores know neither core nor each other, and core knows none. */
    private static final Map<String, Set<String>> ARROWS = Map.of(
            API, Set.of(),
            CORE, Set.of(API),
            STORAGE, Set.of(API),
            KVM, Set.of(API),
            VMWARE, Set.of(API),
            TESTKIT, Set.of(API),
            COMMAND_LINE, Set.of(API, CORE));

    /** Packages of others that a module may use, besides the JDK's. */
    private static final Map<String, Set<String>> LIBRARIES = Map.of(
            // For files that are written past the page cache.
            API, Set.of("org.jspecify", "com.sun.nio.file"),
            CORE, Set.of("org.jspecify", "org.slf4j", "com.fasterxml.jackson", "com.github.luben.zstd", "net.jpountz"),
            STORAGE, Set.of("org.jspecify", "org.slf4j", "com.fasterxml.jackson", "com.sun.jna"),
            KVM, Set.of("org.jspecify", "org.slf4j", "com.fasterxml.jackson", "com.sun.jna", "org.libvirt"),
            VMWARE, Set.of("org.jspecify", "org.slf4j", "com.sun.jna"),
            TESTKIT, Set.of("org.jspecify", "org.junit.jupiter.api", "org.assertj.core", "org.opentest4j"),
            COMMAND_LINE, Set.of("org.jspecify", "org.slf4j", "com.fasterxml.jackson", "picocli"));

    /**
     * The places that know the computer's clock, where everybody else is given one: the default of the builder, and a
     * provider, whom ServiceLoader makes without giving it anything.
     */
    private static final Set<String> DEFAULT_CLOCKS = Set.of(
            "io.genievm.core.GenieVm$Builder",
            "io.genievm.storage.internal.images.ImagesProvider",
            "io.genievm.kvm.internal.KvmProvider");

    /** The main classes of processes of their own: what they do with their streams and their end touches nobody. */
    private static final Set<String> OWN_PROCESSES =
            Set.of("io.genievm.kvm.internal.guard.GuardianMain", "io.genievm.testkit.DyingMain");

    /** The packages of Java SE: {@code java.*}, {@code javax.*} and a few more, but nothing from {@code jdk.*}. */
    private static final Set<String> JAVA_SE = ModuleFinder.ofSystem().findAll().stream()
            .map(ModuleReference::descriptor)
            .filter(module -> module.name().startsWith("java."))
            .flatMap(module -> module.exports().stream())
            .filter(export -> !export.isQualified())
            .map(ModuleDescriptor.Exports::source)
            .collect(Collectors.toUnmodifiableSet());

    private static GenieModules modules;
    private static JavaClasses genie;

    @BeforeAll
    static void importClasses() {
        modules = GenieModules.onClassPath();
        genie = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("io.genievm");
    }

    @Test
    void everyModuleIsSeen() {
        assertThat(modules.names()).containsExactlyInAnyOrder(API, CORE, STORAGE, KVM, VMWARE, TESTKIT);
        assertThat(genie.size()).isGreaterThanOrEqualTo(FEWEST_CLASSES);
        assertThat(genie.stream().map(ArchitectureTest::moduleOf)).containsAll(ARROWS.keySet());
    }

    @Test
    void aModuleUsesOnlyTheModulesThatItMayAndOnlyWhatTheyExport() {
        classes()
                .should(onlyDependOn("modules that they may know, and what those export", (from, to) -> {
                    String owner = modules.ownerOf(to.getPackageName()).orElse(from);
                    return owner.equals(from)
                            || ARROWS.get(from).contains(owner) && modules.isExportedTo(to.getPackageName(), from);
                }))
                .check(genie);
    }

    @Test
    void aModuleUsesOnlyTheLibrariesThatItMay() {
        classes()
                .should(onlyDependOn(
                        "libraries that they may use",
                        (from, to) -> !isLibrary(to)
                                || LIBRARIES.get(from).stream()
                                        .anyMatch(library -> to.getPackageName().equals(library)
                                                || to.getPackageName().startsWith(library + "."))))
                .check(genie);
    }

    @Test
    void whatIsExportedShowsNeitherLibrariesNorInternals() {
        classes()
                .should(satisfy("show only the JDK's types and exported ones of ours", (type, events) -> {
                    for (JavaClass shown : shownToOthers(type)) {
                        boolean ours = modules.ownerOf(shown.getPackageName()).isPresent();
                        // Contract tests are JUnit tests: whoever writes a driver inherits from them.
                        boolean contractTest = moduleOf(type).equals(TESTKIT)
                                && shown.getPackageName().startsWith("org.junit.jupiter.api");
                        if (ours ? !modules.isExported(shown.getPackageName()) : isLibrary(shown) && !contractTest) {
                            events.add(SimpleConditionEvent.violated(
                                    type, type.getName() + " shows " + shown.getName() + " to others"));
                        }
                    }
                }))
                .check(genie);
    }

    @Test
    void timeComesFromAnInjectedClock() {
        Set<String> injected = Set.of(CORE, STORAGE, KVM, VMWARE);
        classes()
                .should(neverAccess(
                        "read the computer's clock",
                        (type, access) -> injected.contains(moduleOf(type))
                                && !DEFAULT_CLOCKS.contains(type.getName())
                                && readsClock(access)))
                .check(genie);
    }

    @Test
    void standardStreamsAndTheEndOfTheProcessBelongToTheCommandLine() {
        Set<String> banned = Set.of(
                "java.lang.System.in",
                "java.lang.System.out",
                "java.lang.System.err",
                "java.lang.System.exit",
                "java.lang.Runtime.exit",
                "java.lang.Runtime.halt",
                "java.lang.Runtime.addShutdownHook",
                "java.lang.Throwable.printStackTrace");
        classes()
                .should(neverAccess(
                        "use standard streams or end the process",
                        (type, access) -> !moduleOf(type).equals(COMMAND_LINE)
                                && !OWN_PROCESSES.contains(type.getName().split("\\$")[0])
                                && banned.contains(access.getTargetOwner().getName() + "." + access.getName())))
                .check(genie);
    }

    private static boolean readsClock(JavaAccess<?> access) {
        String owner = access.getTargetOwner().getName();
        String name = access.getName();
        boolean bare = access.getTarget() instanceof CodeUnitAccessTarget target
                && target.getRawParameterTypes().stream().noneMatch(type -> type.isEquivalentTo(Clock.class));
        return switch (owner) {
            case "java.lang.System" -> name.equals("currentTimeMillis");
            case "java.time.Clock" -> bare && (name.startsWith("system") || name.startsWith("tick"));
            case "java.util.Date" -> access.getTarget().getFullName().equals("java.util.Date.<init>()");
            case "java.util.Calendar", "java.util.GregorianCalendar" -> true;
            default -> bare && owner.startsWith("java.time.") && name.equals("now");
        };
    }

    private static String moduleOf(JavaClass type) {
        return modules.ownerOf(type.getPackageName())
                .orElseThrow(() -> new IllegalStateException(type.getName() + " is in no module"));
    }

    private static boolean isLibrary(JavaClass type) {
        return !type.isPrimitive()
                && !JAVA_SE.contains(type.getPackageName())
                && modules.ownerOf(type.getPackageName()).isEmpty();
    }

    /** The types that a class needs others to know: its parents, and those of its public and protected members. */
    private static Set<JavaClass> shownToOthers(JavaClass type) {
        Set<JavaClass> shown = new HashSet<>();
        if (!modules.isExported(type.getPackageName()) || !isOpen(type.getModifiers())) {
            return shown;
        }
        Stream<JavaType> parents = Stream.concat(type.getSuperclass().stream(), type.getInterfaces().stream());
        Stream<JavaType> fields = type.getFields().stream()
                .filter(field -> isOpen(field.getModifiers()))
                .map(field -> field.getType());
        Stream<JavaType> calls = type.getCodeUnits().stream()
                .filter(unit -> isOpen(unit.getModifiers()))
                .flatMap(ArchitectureTest::typesOf);
        Stream.of(parents, fields, calls)
                .flatMap(types -> types)
                .flatMap(each -> each.getAllInvolvedRawTypes().stream())
                .forEach(each -> shown.add(each.getBaseComponentType()));
        return shown;
    }

    private static Stream<JavaType> typesOf(JavaCodeUnit unit) {
        return Stream.of(
                        Stream.of(unit.getReturnType()),
                        unit.getParameterTypes().stream(),
                        unit.getExceptionTypes().stream())
                .flatMap(types -> types);
    }

    private static boolean isOpen(Set<JavaModifier> modifiers) {
        return modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED);
    }

    private static ArchCondition<JavaClass> onlyDependOn(String what, BiPredicate<String, JavaClass> isAllowed) {
        return satisfy("only depend on " + what, (type, events) -> {
            String from = moduleOf(type);
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                if (!isAllowed.test(from, dependency.getTargetClass().getBaseComponentType())) {
                    events.add(SimpleConditionEvent.violated(type, dependency.getDescription()));
                }
            }
        });
    }

    private static ArchCondition<JavaClass> neverAccess(String what, BiPredicate<JavaClass, JavaAccess<?>> isBanned) {
        return satisfy("never " + what, (type, events) -> {
            for (JavaAccess<?> access : type.getAccessesFromSelf()) {
                if (isBanned.test(type, access)) {
                    events.add(SimpleConditionEvent.violated(type, access.getDescription()));
                }
            }
        });
    }

    private static ArchCondition<JavaClass> satisfy(String what, BiConsumer<JavaClass, ConditionEvents> rule) {
        return new ArchCondition<>(what) {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                rule.accept(type, events);
            }
        };
    }
}
