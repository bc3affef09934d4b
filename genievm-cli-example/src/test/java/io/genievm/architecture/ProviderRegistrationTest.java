package io.genievm.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreProvider;
import java.io.File;
import java.io.IOException;
import java.lang.module.Configuration;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Providers are registered twice: in {@code module-info} for those who embed GenieVM as modules, and in
 * {@code META-INF/services} for those who put it on the class path. Whoever forgets one of them finds out here.
 */
class ProviderRegistrationTest {
    private final GenieModules modules = GenieModules.onClassPath();

    @Test
    void descriptorAndServiceFilesNameTheSameProvidersInTheSameOrder() throws IOException {
        assertThat(modules.names())
                .contains("io.genievm.core", "io.genievm.kvm", "io.genievm.storage", "io.genievm.vmware");
        for (String module : modules.names()) {
            Map<String, List<String>> provided = new TreeMap<>();
            for (ModuleDescriptor.Provides provides : modules.descriptor(module).provides()) {
                provided.put(provides.service(), provides.providers());
            }
            assertThat(serviceFiles(modules.location(module)))
                    .as("META-INF/services of %s, compared with its module-info", module)
                    .isEqualTo(provided);
        }
    }

    @Test
    void providersAreFoundOnTheClassPath() {
        ClassLoader loader = getClass().getClassLoader();

        assertThat(ServiceLoader.load(HypervisorProvider.class, loader))
                .extracting(HypervisorProvider::name)
                .containsExactlyInAnyOrder("images", "kvm", "vmware");
        assertThat(ServiceLoader.load(BlobStoreProvider.class, loader))
                .extracting(BlobStoreProvider::name)
                .doesNotHaveDuplicates()
                .isNotEmpty();
    }

    @Test
    void providersAreFoundOnTheModulePathWhenOnlyCoreIsAskedFor() throws Exception {
        ModuleFinder path = onlyWhatIsRequiredBy(
                List.of("io.genievm.core", "io.genievm.storage", "io.genievm.kvm", "io.genievm.vmware"));
        Configuration configuration =
                ModuleLayer.boot().configuration().resolveAndBind(path, ModuleFinder.of(), Set.of("io.genievm.core"));
        // The application's class loader as parent would lend what a module forgot to require.
        ModuleLayer layer =
                ModuleLayer.boot().defineModulesWithOneLoader(configuration, ClassLoader.getPlatformClassLoader());

        for (Class<?> service : List.of(HypervisorProvider.class, BlobStoreProvider.class)) {
            Class<?> serviceInLayer = layer.findLoader("io.genievm.api").loadClass(service.getName());

            assertThat(serviceInLayer.getModule().getName()).isEqualTo("io.genievm.api");
            assertThat(classNames(ServiceLoader.load(layer, serviceInLayer)))
                    .isNotEmpty()
                    .isEqualTo(classNames(ServiceLoader.load(service, getClass().getClassLoader())));
        }
    }

    /** A test's class path holds more than a module path may: test libraries that share packages. */
    private static ModuleFinder onlyWhatIsRequiredBy(List<String> roots) {
        ModuleFinder everything =
                ModuleFinder.of(Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .map(Path::of)
                        .filter(Files::exists)
                        .toArray(Path[]::new));
        Map<String, Path> found = new TreeMap<>();
        Deque<String> wanted = new ArrayDeque<>(roots);
        while (!wanted.isEmpty()) {
            String name = wanted.remove();
            everything.find(name).filter(module -> !found.containsKey(name)).ifPresent(module -> {
                found.put(name, Path.of(module.location().orElseThrow()));
                module.descriptor().requires().forEach(requires -> wanted.add(requires.name()));
            });
        }
        return ModuleFinder.of(found.values().toArray(Path[]::new));
    }

    private static Set<String> classNames(ServiceLoader<?> providers) {
        return providers.stream().map(provider -> provider.type().getName()).collect(Collectors.toSet());
    }

    private static Map<String, List<String>> serviceFiles(Path module) throws IOException {
        if (Files.isDirectory(module)) {
            return serviceFilesIn(module.resolve("META-INF/services"));
        }
        try (FileSystem jar = FileSystems.newFileSystem(module)) {
            return serviceFilesIn(jar.getPath("META-INF/services"));
        }
    }

    private static Map<String, List<String>> serviceFilesIn(Path folder) throws IOException {
        Map<String, List<String>> services = new TreeMap<>();
        if (Files.isDirectory(folder)) {
            List<Path> files;
            try (Stream<Path> entries = Files.list(folder)) {
                files = entries.toList();
            }
            for (Path file : files) {
                List<String> lines = new ArrayList<>(Files.readAllLines(file));
                lines.removeIf(line -> line.isBlank() || line.startsWith("#"));
                services.put(file.getFileName().toString(), lines);
            }
        }
        return services;
    }
}
