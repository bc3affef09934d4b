package io.genievm.kvm.internal.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class ClaimTest {
    private static final String DOMAIN = "d1d67198-4717-422c-8e75-1f79d539de41";
    private static final String OTHER = "d1d67198-4717-422c-8e75-1f79d539de42";

    private final Owner self = Owner.self();
    private final Owner dead = new Owner("another-boot", self.pidNamespace(), self.pid(), self.startTime());
    private final Owner elsewhere = new Owner(self.bootId(), "pid:[1]", self.pid(), self.startTime());

    @TempDir
    private Path folder;

    @Test
    void oneHoldsItUntilItIsGivenBack() throws IOException {
        Claim.Content content = content("one", self);
        Claim first = Claim.take(folder, DOMAIN, content).claim().orElseThrow();
        assertThat(Claim.take(folder, DOMAIN, content("two", self)))
                .isEqualTo(new Claim.Attempt(java.util.Optional.empty(), java.util.Optional.of(content)));
        try (Claim other = Claim.take(folder, OTHER, content).claim().orElseThrow()) {
            assertThat(other).isNotNull();
        }
        first.close();
        first.close();
        Claim.Attempt second = Claim.take(folder, DOMAIN, content("two", self));
        assertThat(second.holder()).isEmpty();
        // A second close of the first does not give back what is another's.
        first.close();
        assertThat(Claim.take(folder, DOMAIN, content).claim()).isEmpty();
        Thread.currentThread().interrupt();
        second.claim().orElseThrow().close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(folder.toFile().list()).containsExactly("lock");
        // Another user who could read it could lock it, and keep everybody out.
        assertThat(Files.getPosixFilePermissions(folder.resolve("lock")))
                .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    }

    @Test
    void oneWhoseFileCouldNotBeRemovedKeepsNobodyInThisProcessAway() throws IOException {
        Claim claim = Claim.take(folder, DOMAIN, content("one", self)).claim().orElseThrow();
        Path lock = folder.resolve("lock");
        Files.delete(lock);
        Files.createDirectory(lock);
        claim.close();
        Files.delete(lock);
        assertThat(folder.resolve("genievm-" + DOMAIN + ".claim")).exists();
        Claim.Attempt next = Claim.take(folder, DOMAIN, content("one", self));
        // It was given back: nothing of it is left that somebody would have to clear.
        assertThat(next.holder()).isEmpty();
        assertThat(next.claim()).isPresent();
        // The next one may say the same, and is held.
        assertThat(Claim.take(folder, DOMAIN, content("two", self)).claim()).isEmpty();
        next.claim().orElseThrow().close();
        assertThat(folder.toFile().list()).containsExactly("lock");
    }

    @Test
    void whatADeadOneHasLeftIsTold() {
        Claim.Content left = new Claim.Content(
                "genievm-a b\n%-c", dead, List.of(Path.of("/a file"), Path.of("/b\nc"), Path.of("/größe+%")));
        Claim lost = Claim.take(folder, DOMAIN, left).claim().orElseThrow();
        Claim.Attempt attempt = Claim.take(folder, DOMAIN, content("next", self));
        assertThat(attempt.holder()).contains(left);
        // Should the dead come back, it finds that it is not its own any more.
        lost.close();
        assertThat(Claim.take(folder, DOMAIN, left).claim()).isEmpty();
        attempt.claim().orElseThrow().close();
    }

    @Test
    void oneThatCanNotBeSeenMayLive() {
        assertThat(Claim.take(folder, DOMAIN, content("one", elsewhere)).claim())
                .isPresent();
        assertThat(Claim.take(folder, DOMAIN, content("two", self)).holder()).contains(content("one", elsewhere));
    }

    @Test
    void whatIsNotUnderstoodDoesNotBlockUnlessItsOwnerMayLive() throws IOException {
        Path file = folder.resolve("genievm-" + DOMAIN + ".claim");
        for (String garbage : List.of(
                "",
                "\n\n\n",
                "genievm-claim 1\n",
                "genievm-claim 1\nx\ny\n",
                "genievm-claim 1\n" + dead + "\n%zz\n",
                "genievm-claim 1\n" + dead + "\nm\n%00\n",
                "genievm-claim 2\n" + dead + "\nwhatever\n",
                "x".repeat(2 << 20))) {
            Files.writeString(file, garbage);
            Claim.Attempt attempt = Claim.take(folder, DOMAIN, content("next", self));
            assertThat(attempt.holder()).isEmpty();
            attempt.claim().orElseThrow().close();
        }
        Files.writeString(file, "genievm-claim 2\n" + self + "\nwhatever\n");
        Claim.Attempt attempt = Claim.take(folder, DOMAIN, content("next", self));
        assertThat(attempt.claim()).isEmpty();
        assertThat(attempt.holder().orElseThrow().owner()).isEqualTo(self);
        Files.delete(file);
        Path target = Files.writeString(folder.resolve("target"), "genievm-claim 1\n" + self + "\nm\n");
        Files.createSymbolicLink(file, target);
        Claim.take(folder, DOMAIN, content("next", self)).claim().orElseThrow().close();
        assertThat(target).exists();
        assertThat(file).doesNotExist();
    }

    @Test
    void aFolderThatOthersCanWriteToIsNotUsed() throws IOException {
        int user = (int) Files.getAttribute(folder, "unix:uid");
        assertThat(Claim.made(folder.resolve("new"), user)).isDirectory();
        assertThat(Claim.made(folder.resolve("new"), user)).isDirectory();
        assertThatThrownBy(() -> Claim.made(folder.resolve("new"), user + 1)).isInstanceOf(AccessDeniedException.class);
        Path open = Files.createDirectory(folder.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThatThrownBy(() -> Claim.made(open, user)).isInstanceOf(AccessDeniedException.class);
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("new"));
        assertThatThrownBy(() -> Claim.made(link, user)).isInstanceOf(AccessDeniedException.class);
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> Claim.made(file, user)).isInstanceOf(AccessDeniedException.class);
    }

    @Test
    void oneOfManyThreadsAndClassLoadersTakesOver() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(12);
        List<URLClassLoader> loaders = new ArrayList<>();
        try {
            for (int round = 0; round < 50; round++) {
                assertThat(Claim.take(folder, DOMAIN, content("dead", dead)).claim())
                        .isPresent();
                CyclicBarrier barrier = new CyclicBarrier(12);
                List<Future<Integer>> takers = new ArrayList<>();
                for (int i = 0; i < 12; i++) {
                    Callable<Integer> taker = taker(i % 3, loaders);
                    takers.add(threads.submit(() -> {
                        barrier.await();
                        return taker.call();
                    }));
                }
                int taken = 0;
                for (Future<Integer> taker : takers) {
                    taken += taker.get();
                }
                assertThat(taken).isEqualTo(1);
                Files.delete(folder.resolve("genievm-" + DOMAIN + ".claim"));
            }
        } finally {
            threads.shutdownNow();
            for (URLClassLoader loader : loaders) {
                loader.close();
            }
        }
    }

    /** Takes the claim by a class of another class loader, as when an embedder has the library twice. */
    private Callable<Integer> taker(int loader, List<URLClassLoader> loaders) throws Exception {
        if (loader == 0) {
            return () ->
                    Claim.take(folder, DOMAIN, content("next", self)).claim().isPresent() ? 1 : 0;
        }
        if (loaders.size() < loader) {
            List<URL> places = new ArrayList<>();
            for (String place : Child.places(Taker.class)) {
                places.add(Path.of(place).toUri().toURL());
            }
            loaders.add(new URLClassLoader(places.toArray(URL[]::new), ClassLoader.getPlatformClassLoader()));
        }
        Method method =
                loaders.get(loader - 1).loadClass(Taker.class.getName()).getMethod("take", String.class, String.class);
        return () -> (int) method.invoke(null, folder.toString(), DOMAIN);
    }

    @Test
    void oneOfManyProcessesTakesOverFromOneThatWasKilled() throws Exception {
        List<Child> children = new ArrayList<>();
        try {
            Child holder = Child.start(Taker.class, folder.toString(), DOMAIN);
            children.add(holder);
            holder.await("waiting");
            holder.process().outputWriter().append("go\n").flush();
            assertThat(holder.await("taken ")).isEqualTo("1 after none");
            for (int i = 0; i < 4; i++) {
                children.add(Child.start(Taker.class, folder.toString(), DOMAIN));
            }
            for (Child child : children.subList(1, 5)) {
                child.await("waiting");
            }
            // The living one keeps it.
            assertThat(Claim.take(folder, DOMAIN, content("me", self)).claim()).isEmpty();
            holder.kill();
            for (Child child : children.subList(1, 5)) {
                child.process().outputWriter().append("go\n").flush();
            }
            List<String> answers = new ArrayList<>();
            for (Child child : children.subList(1, 5)) {
                answers.add(child.await("taken "));
            }
            assertThat(answers)
                    .containsExactlyInAnyOrder(
                            "1 after " + holder.process().pid(), "0 after alive", "0 after alive", "0 after alive");
        } finally {
            for (Child child : children) {
                child.close();
            }
        }
    }

    private static Claim.Content content(String marker, Owner owner) {
        return new Claim.Content(marker, owner, List.of());
    }
}
