package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What is left of a store after a power cut, and of one whose processes were killed before: what was answered is as it was
 * answered, what was not is whole or not there, and the store works on.
 */
class LocalBlobStoreCrashTest {
    private static final int HISTORIES = 600;
    private static final int FEW = 10;
    private static final int STATES = 50;
    private static final List<String> KEYS = List.of("a", "b/one", "b/two", "c/d/e", "c/d/f", "c/g/h/i");

    @Test
    @DisplayName("power cuts, on a disk that keeps to the rules")
    void fewPowerCuts() {
        CrashSeeds.run(getClass(), "fewPowerCuts", FEW, STATES, seed -> new History(seed, false).check());
    }

    @Test
    @DisplayName("power cuts, where a folder can not be forced and only files can")
    void fewPowerCutsWithoutFolderForce() {
        CrashSeeds.run(
                getClass(), "fewPowerCutsWithoutFolderForce", FEW, STATES, seed -> new History(seed, true).check());
    }

    @Test
    @Tag("torture")
    @DisplayName("many power cuts, on a disk that keeps to the rules")
    void powerCuts() {
        CrashSeeds.torture(getClass(), "powerCuts", HISTORIES, STATES, seed -> new History(seed, false).check());
    }

    @Test
    @Tag("torture")
    @DisplayName("many power cuts, where a folder can not be forced and only files can")
    void powerCutsWithoutFolderForce() {
        CrashSeeds.torture(
                getClass(),
                "powerCutsWithoutFolderForce",
                HISTORIES / 3,
                STATES,
                seed -> new History(seed, true).check());
    }

    /**
     * What was asked for.
     *
     * @param begun when
     * @param ended when it was answered; a power cut later than this must not undo it
     * @param key the object; {@code null} for the store itself
     * @param content what it was to hold from then on; {@code null} for nothing
     */
    private record Step(int begun, int ended, @Nullable String key, byte @Nullable [] content) {}

    private static final class History {
        private final Random random;
        private final boolean filesOnly;
        private final CrashFileSystem disk;
        private final CrashPlace place;
        private final List<Step> steps = new ArrayList<>();

        History(long seed, boolean filesOnly) {
            this.random = new Random(seed * 0x9E3779B97F4A7C15L);
            this.filesOnly = filesOnly;
            this.disk = CrashFileSystem.create(seed);
            this.place = new CrashPlace(disk);
        }

        int check() throws IOException {
            disk.ignoreFolderForce(filesOnly);
            disk.shortTransfers(random.nextBoolean());
            record();
            for (int state = 0; state < STATES; state++) {
                int moment = chooseMoment();
                long seed = random.nextLong();
                CrashFileSystem left = disk.crash(moment, seed);
                try {
                    check(left, moment);
                } catch (RuntimeException | AssertionError e) {
                    throw new AssertionError("state " + state + ": " + left, e);
                }
            }
            return STATES;
        }

        /** Often just when something was answered: later changes make more of what was before durable. */
        private int chooseMoment() {
            int answered = steps.get(random.nextInt(steps.size())).ended();
            return random.nextBoolean() && answered != Integer.MAX_VALUE ? answered : random.nextInt(disk.moment() + 1);
        }

        private void record() throws IOException {
            while (!create()) {
                place.makeOwnersOthers();
            }
            BlobStore store = place.open(CrashPlace.CONFIG);
            int count = 5 + random.nextInt(20);
            for (int i = 0; i < count; i++) {
                int trouble = random.nextInt(5);
                if (trouble == 0) {
                    disk.hook(new DyingProcess(random.nextInt(1 + random.nextInt(40))));
                } else if (trouble == 1) {
                    disk.hook(new FailingForce(random.nextInt(1 + random.nextInt(6)), random.nextBoolean()));
                }
                change(store);
                disk.removeHook();
                if (trouble == 0) {
                    place.makeOwnersOthers();
                    store = place.open(CrashPlace.CONFIG);
                }
            }
            store.close();
        }

        private boolean create() {
            int begun = disk.moment();
            if (random.nextInt(4) == 0) {
                disk.hook(new DyingProcess(random.nextInt(60)));
            }
            try {
                place.create(CrashPlace.CONFIG).close();
                steps.add(new Step(begun, disk.moment(), null, null));
                return true;
            } catch (GenieVmException e) {
                return false;
            } finally {
                disk.removeHook();
            }
        }

        private void change(BlobStore store) {
            Step last = steps.get(steps.size() - 1);
            // Who was not answered asks again, and is to be told only what stays.
            boolean again = last.ended() == Integer.MAX_VALUE && random.nextBoolean();
            String key = again ? Objects.requireNonNull(last.key()) : KEYS.get(random.nextInt(KEYS.size()));
            boolean delete = again ? last.content() == null : random.nextInt(3) == 0;
            byte @Nullable [] content = delete ? null : new byte[random.nextInt(4) * random.nextInt(9000)];
            int begun = disk.moment();
            int ended = Integer.MAX_VALUE;
            try {
                if (content == null) {
                    store.delete(key);
                    ended = filesOnly ? ended : disk.moment();
                } else {
                    random.nextBytes(content);
                    if (store.put(key, BlobContent.of(content)) == PutOutcome.EXISTS) {
                        // Then what is there is there for good.
                        content = store.getAll(key, 1 << 20);
                    }
                    ended = disk.moment();
                }
            } catch (GenieVmException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.IO_ERROR);
            }
            steps.add(new Step(begun, ended, key, content));
        }

        private void check(CrashFileSystem left, int moment) throws IOException {
            CrashPlace after = new CrashPlace(left);
            after.makeOwnersOthers();
            boolean created = steps.get(0).ended() <= moment;
            if (!created && !Files.exists(after.root())) {
                after.create(CrashPlace.CONFIG).close();
            }
            try (BlobStore store = after.open(CrashPlace.CONFIG)) {
                Map<String, Long> listed = list(store);
                for (String key : KEYS) {
                    byte[] found = store.stat(key).isPresent() ? store.getAll(key, 1 << 20) : null;
                    assertThat(listed.get(key))
                            .as("length of %s in the listing", key)
                            .isEqualTo(found == null ? null : Long.valueOf(found.length));
                    assertThat(allowed(key, moment))
                            .as("%s: %s bytes", key, found == null ? "no" : found.length)
                            .anySatisfy(each -> assertThat(found).isEqualTo(each));
                }
                assertThat(KEYS).containsAll(listed.keySet());
                for (String key : KEYS) {
                    assertThat(store.put(key, BlobContent.of(new byte[7])))
                            .isEqualTo(listed.containsKey(key) ? PutOutcome.EXISTS : PutOutcome.CREATED);
                    store.delete(key);
                }
                assertThat(list(store)).isEmpty();
            }
            assertThat(after.root().resolve(Staging.NAME)).as("leftovers").doesNotExist();
        }

        /** What an object may be: as the last answer said, or as anything asked for since would have made it. */
        private List<byte @Nullable []> allowed(String key, int moment) {
            List<byte @Nullable []> allowed = new ArrayList<>();
            allowed.add(null);
            for (Step step : steps) {
                if (key.equals(step.key()) && step.begun() < moment) {
                    if (step.ended() <= moment) {
                        allowed.clear();
                    }
                    allowed.add(step.content());
                }
            }
            return allowed;
        }

        private static Map<String, Long> list(BlobStore store) {
            Map<String, Long> found = new TreeMap<>();
            try (BlobCursor cursor = store.list("")) {
                while (cursor.next()) {
                    found.put(cursor.entry().key(), cursor.entry().length());
                }
            }
            return found;
        }
    }
}
