package io.genievm.storage.internal.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A small file system in memory, which fills up. Needs root. */
public final class Tmpfs implements AutoCloseable {
    private final Path folder;

    private Tmpfs(Path folder) {
        this.folder = folder;
    }

    /** Mounts one over an existing folder, or skips the test where that is not allowed. */
    public static Tmpfs mount(Path folder, String options) throws IOException {
        boolean mounted = run(List.of("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder.toString()));
        assumeTrue(mounted, "a file system can be mounted, as by root");
        return new Tmpfs(folder);
    }

    public Path folder() {
        return folder;
    }

    @Override
    public void close() throws IOException {
        assertThat(run(List.of("umount", "--lazy", folder.toString()))).isTrue();
    }

    private static boolean run(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            return process.waitFor(1, TimeUnit.MINUTES) && process.exitValue() == 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
