package io.genievm.kvm.internal.guard;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Works at a guest with a guardian, until it is killed: {@code Victim <domain uuid> <freeze limit in ms>}, and then what to
 * tell the guardian and what to run, in order.
 */
final class Victim {
    private Victim() {}

    /** Does as the arguments say. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Guardian guardian =
                Guardian.start("qemu:///system", arguments[0], Duration.ofMillis(Long.parseLong(arguments[1])));
        for (int i = 2; i < arguments.length; i += 2) {
            String what = arguments[i + 1];
            switch (arguments[i]) {
                case "freezing" -> guardian.freezing();
                case "job" -> guardian.job(Path.of(what));
                case "file" -> guardian.file(Path.of(what));
                case "child" -> {
                    Process child = new ProcessBuilder("sh", "-c", "exec " + what).start();
                    guardian.child(child.toHandle());
                    System.out.println("child " + child.pid());
                }
                case "run" -> {
                    int status = new ProcessBuilder("sh", "-c", what)
                            .inheritIO()
                            .start()
                            .waitFor();
                    if (status != 0) {
                        throw new IOException(what + ": " + status);
                    }
                }
                case "begin" -> new ProcessBuilder("sh", "-c", what).start();
                default -> throw new IllegalArgumentException(arguments[i]);
            }
        }
        guardian.awaitReady();
        System.out.println("guardian " + guardian.process().pid());
        Thread.sleep(600_000);
    }
}
