package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Another process that works with a driver or a store until it is killed, as kill -9 does it. For one thread. */
final class DyingProcess implements AutoCloseable {
    private final Process process;
    private final BufferedReader output;
    private final List<String> noise = new ArrayList<>();

    private DyingProcess(Class<?> provider, Telling telling) throws IOException {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classPath(provider),
                DyingMain.class.getName());
        process = new ProcessBuilder(command).redirectErrorStream(true).start();
        output = process.inputReader(StandardCharsets.UTF_8);
        // Not closed: the end of its input is the end of the process.
        DataOutputStream input = new DataOutputStream(process.getOutputStream());
        telling.tell(input);
        input.flush();
    }

    private interface Telling {
        void tell(DataOutputStream input) throws IOException;
    }

    /** Opens a place and puts and deletes objects below a folder, several at a time. */
    static DyingProcess putting(Class<? extends BlobStoreProvider> provider, BlobStoreConfig place, String folder)
            throws IOException {
        return new DyingProcess(provider, input -> {
            input.writeUTF("put");
            input.writeUTF(provider.getName());
            input.writeUTF(place.address());
            write(input, place.options());
            input.writeUTF(folder);
        });
    }

    /** Connects and begins a snapshot, of which it reads a little. */
    static DyingProcess freezing(
            Class<? extends HypervisorProvider> provider,
            HypervisorConfig config,
            VmId vm,
            RepositoryId repository,
            SessionId session,
            Map<DiskId, ChangeToken> parents)
            throws IOException {
        Map<String, String> tokens = new HashMap<>();
        parents.forEach((disk, token) -> tokens.put(disk.value(), token.value()));
        return new DyingProcess(provider, input -> {
            input.writeUTF("freeze");
            input.writeUTF(provider.getName());
            input.writeUTF(config.address());
            write(input, config.options());
            input.writeUTF(vm.value());
            input.writeUTF(repository.value());
            input.writeUTF(session.value());
            write(input, tokens);
        });
    }

    private static void write(DataOutputStream input, Map<String, String> map) throws IOException {
        input.writeInt(map.size());
        for (Map.Entry<String, String> entry : map.entrySet()) {
            input.writeUTF(entry.getKey());
            input.writeUTF(entry.getValue());
        }
    }

    /** The next thing that it says, one of the given words first; {@code null} when it is dead. */
    @Nullable
    String next(Set<String> words) throws IOException {
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (words.contains(line.split(" ")[0])) {
                return line;
            }
            noise.add(line);
        }
        return null;
    }

    /** What it has printed besides, such as why it could not work. */
    String noise() {
        return String.join("\n", noise);
    }

    /** Kills it; what it has said before can still be heard. */
    void kill() {
        // Not Process.destroyForcibly, which closes the output before it has been heard.
        process.toHandle().destroyForcibly();
        try {
            if (!process.waitFor(1, TimeUnit.MINUTES)) {
                throw new AssertionError("process " + process.pid() + " can not be killed");
            }
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while process " + process.pid() + " was being killed", e);
        }
    }

    @Override
    public void close() throws IOException {
        kill();
        output.close();
    }

    /** Where this process finds its classes, be it on the class path or on the module path. */
    private static String classPath(Class<?> provider) {
        Set<String> places = new LinkedHashSet<>();
        places.add(place(provider));
        places.add(place(DyingMain.class));
        for (String property : List.of("java.class.path", "jdk.module.path")) {
            String path = System.getProperty(property, "");
            if (!path.isEmpty()) {
                places.addAll(List.of(path.split(File.pathSeparator)));
            }
        }
        return String.join(File.pathSeparator, places);
    }

    /** Not the code source, which for the tests of a module is the module itself. */
    private static String place(Class<?> type) {
        String file = "/" + type.getName().replace('.', '/') + ".class";
        String text = String.valueOf(type.getResource(file));
        String place = text.substring(0, text.length() - file.length());
        if (place.startsWith("jar:")) {
            place = place.substring("jar:".length(), place.length() - 1);
        }
        return Path.of(URI.create(place)).toString();
    }
}
