package io.genievm.kvm.internal.guard;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.List;

/** Takes a claim when it is told to, and keeps it until it is killed. */
public final class Taker {
    private Taker() {}

    /** Waits for a line before it tries. */
    public static void main(String[] arguments) throws IOException {
        System.out.println("waiting");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        input.readLine();
        Claim.Attempt attempt = attempt(arguments[0], arguments[1]);
        if (attempt.claim().isPresent()) {
            System.out.println("taken 1 after "
                    + attempt.holder()
                            .map(content -> "" + content.owner().pid())
                            .orElse("none"));
        } else {
            System.out.println("taken 0 after "
                    + (attempt.holder().orElseThrow().owner().life() == Owner.Life.ALIVE ? "alive" : "dead"));
        }
        input.readLine();
    }

    /** Gives 1 when it was taken. */
    public static int take(String folder, String domain) {
        return attempt(folder, domain).claim().isPresent() ? 1 : 0;
    }

    private static Claim.Attempt attempt(String folder, String domain) {
        return Claim.take(
                Path.of(folder), domain, new Claim.Content("taker", Owner.self(), List.of(Path.of("/nothing"))));
    }
}
