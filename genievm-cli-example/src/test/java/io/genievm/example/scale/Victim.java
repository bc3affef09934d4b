package io.genievm.example.scale;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RestoreRequest;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A process that does one thing when it is told, says all the while where it is, and is killed meanwhile. */
final class Victim {
    static final VmId VM = new VmId("vm");

    private final AtomicReference<@Nullable TaskHandle<?>> task = new AtomicReference<>();
    private final Path root;

    private Victim(Path root) {
        this.root = root;
    }

    public static void main(String[] arguments) throws Exception {
        Victim victim = new Victim(Path.of(arguments[0]));
        try (GenieVm genie = GenieVm.builder()
                        .blobStoreProvider(new ToldStore.Provider(victim::tell, Long.parseLong(arguments[1])))
                        .workDirectory(victim.root.resolve("work"))
                        .parallelism(2)
                        .open();
                HypervisorConnection host =
                        genie.connect(HypervisorConfig.of("images:" + victim.root.resolve("vms")))) {
            // What takes long in a young JVM is done before the clock runs.
            host.vms();
            say("ready");
            String[] words = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
                    .readLine()
                    .split(" ");
            say("begun");
            try (Repository repository =
                    genie.openRepository(BlobStoreConfig.of("told:" + victim.root.resolve("repository")))) {
                say("opened");
                say("done " + victim.run(repository, host, words));
            }
        }
        say("closed");
    }

    private String run(Repository repository, HypervisorConnection host, String[] words) throws Exception {
        switch (words[0]) {
            case "backup":
                return awaited(repository.backup(
                                host, BackupRequest.builder(VM).codec(Codec.LZ4).build()))
                        .point()
                        .value();
            case "restore":
                RestoreRequest.Builder request = RestoreRequest.builder(VM).point(new SessionId(words[1]));
                return awaited(repository.restore(
                                request.toFolder(root.resolve("target")).build()))
                        .point()
                        .value();
            case "create":
                return awaited(repository.restore(RestoreRequest.builder(VM)
                                .point(new SessionId(words[1]))
                                .toNewVm(host, "new")
                                .build()))
                        .point()
                        .value();
            case "delete":
                repository.delete(new SessionId(words[1]));
                return words[1];
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private <T> T awaited(TaskHandle<T> handle) throws InterruptedException {
        task.set(handle);
        handle.addListener(event -> {
            if (event instanceof TaskEvent.PhaseStarted started) {
                say("phase " + started.phase());
            }
        });
        return handle.await();
    }

    private void tell(String call) {
        TaskHandle<?> running = task.get();
        TaskPhase phase = running == null ? null : running.progress().phase();
        say(call + " " + (phase == null ? "OPEN" : phase));
    }

    private static synchronized void say(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
