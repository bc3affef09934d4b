package io.genievm.architecture;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.net.URI;
import java.net.URL;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * GenieVM's modules as they were built: the jars or class folders on the class path that have a descriptor of ours.
 * The tests themselves run on the class path, where the module system checks nothing.
 */
final class GenieModules {
    /** The package of the command line, which is an application on the class path and no module. */
    static final String COMMAND_LINE = "io.genievm.example.cli";

    private final Map<String, ModuleReference> byName = new TreeMap<>();
    private final Map<String, ModuleDescriptor> byPackage = new TreeMap<>();

    private GenieModules() {}

    static GenieModules onClassPath() {
        GenieModules modules = new GenieModules();
        try {
            ClassLoader loader = GenieModules.class.getClassLoader();
            for (URL descriptor : Collections.list(loader.getResources("module-info.class"))) {
                for (ModuleReference module : ModuleFinder.of(root(descriptor)).findAll()) {
                    if (module.descriptor().name().startsWith("io.genievm.")) {
                        modules.add(module);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return modules;
    }

    private void add(ModuleReference module) {
        ModuleDescriptor descriptor = module.descriptor();
        byName.put(descriptor.name(), module);
        for (String name : descriptor.packages()) {
            ModuleDescriptor other = byPackage.put(name, descriptor);
            if (other != null) {
                throw new IllegalStateException(name + " is in " + other.name() + " and in " + descriptor.name());
            }
        }
    }

    private static Path root(URL descriptor) {
        String place = descriptor.toString();
        boolean jar = place.startsWith("jar:");
        String path = jar
                ? place.substring("jar:".length(), place.indexOf("!/"))
                : place.substring(0, place.lastIndexOf('/') + 1);
        return Path.of(URI.create(path));
    }

    List<String> names() {
        return List.copyOf(byName.keySet());
    }

    ModuleDescriptor descriptor(String name) {
        return byName.get(name).descriptor();
    }

    /** The jar or the folder of classes. */
    Path location(String name) {
        return Path.of(byName.get(name).location().orElseThrow());
    }

    /** The name of the module that has the package, {@link #COMMAND_LINE}, or nothing when the package is not ours. */
    Optional<String> ownerOf(String packageName) {
        if (packageName.equals(COMMAND_LINE) || packageName.startsWith(COMMAND_LINE + ".")) {
            return Optional.of(COMMAND_LINE);
        }
        return Optional.ofNullable(byPackage.get(packageName)).map(ModuleDescriptor::name);
    }

    /** Whether everybody may use a package. */
    boolean isExported(String packageName) {
        return exports(packageName).anyMatch(export -> !export.isQualified());
    }

    /** Whether a module may use a package of another one. */
    boolean isExportedTo(String packageName, String module) {
        return exports(packageName)
                .anyMatch(export -> !export.isQualified() || export.targets().contains(module));
    }

    private Stream<ModuleDescriptor.Exports> exports(String packageName) {
        return Optional.ofNullable(byPackage.get(packageName)).stream()
                .flatMap(module -> module.exports().stream())
                .filter(export -> export.source().equals(packageName));
    }
}
