package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** What a store has to keep when puts, gets, deletes and listings meet, from two connections. For one test. */
final class StoreRaceRules {
    private static final int LENGTH = 20_000;

    private final BlobStore store;
    private final BlobStore other;

    StoreRaceRules(BlobStore store, BlobStore other) {
        this.store = store;
        this.other = other;
    }

    /** Objects that come and go all the time: whoever sees one sees all of one. */
    void comeAndGo() throws Exception {
        int racers = 6;
        List<String> keys = List.of("come/and/go", "come/and/stay", "come");
        Race.of(racers, racer -> () -> {
            BlobStore own = racer % 2 == 0 ? store : other;
            Random random = new Random(racer);
            for (int i = 0; i < 80; i++) {
                String key = keys.get(random.nextInt(2));
                switch (random.nextInt(4)) {
                    case 0 -> own.delete(key);
                    case 1 -> own.put(key, BlobContent.of(StoreBytes.of("racer " + racer, LENGTH)));
                    case 2 ->
                        own.stat(key)
                                .ifPresent(entry -> assertThat(entry.length())
                                        .as("length of %s, of which all objects have %d", key, LENGTH)
                                        .isEqualTo(LENGTH));
                    default -> assertIsOneOf(own, key, racers);
                }
            }
            return racer;
        });
        for (String key : keys) {
            store.delete(key);
            assertThat(other.stat(key)).as("%s, which was deleted", key).isEmpty();
            assertThat(store.put(key + "-again", BlobContent.of(new byte[1]))).isEqualTo(PutOutcome.CREATED);
        }
    }

    private static void assertIsOneOf(BlobStore store, String key, int racers) {
        ByteBuffer target = ByteBuffer.allocate(LENGTH);
        try {
            store.get(key, 0, target);
        } catch (GenieVmException e) {
            assertThat(e.code())
                    .as("a get of %s, which comes and goes, failed with: %s", key, e.getMessage())
                    .isEqualTo(ErrorCode.NOT_FOUND);
            return;
        }
        for (int racer = 0; racer < racers; racer++) {
            if (java.util.Arrays.equals(target.array(), StoreBytes.of("racer " + racer, LENGTH))) {
                return;
            }
        }
        throw new AssertionError("what was got of " + key + " is what none of the " + racers + " racers has put");
    }

    /** What has answered before a listing begins is in it, whatever goes on meanwhile. */
    void listingsSeeWhatHasAnswered() throws Exception {
        Set<String> there = ConcurrentHashMap.newKeySet();
        Set<String> gone = ConcurrentHashMap.newKeySet();
        AtomicInteger writing = new AtomicInteger(3);
        Race.of(5, runner -> () -> {
            if (runner < 3) {
                try {
                    for (int i = 0; i < 150; i++) {
                        String key = "answered/" + i % 7 + "/" + runner + "-" + i;
                        store.put(key, BlobContent.of(new byte[i]));
                        there.add(key);
                        if (i % 3 == 2) {
                            there.remove(key);
                            store.delete(key);
                            gone.add(key);
                        }
                    }
                } finally {
                    writing.decrementAndGet();
                }
                return runner;
            }
            BlobStore own = runner == 3 ? store : other;
            do {
                Set<String> before = Set.copyOf(there);
                Set<String> goneBefore = Set.copyOf(gone);
                Set<String> deleting = new TreeSet<>(before);
                Set<String> listed = new TreeSet<>(BlobStoreContract.keys(own, "answered/"));
                deleting.removeAll(there);
                Set<String> missing = new TreeSet<>(before);
                missing.removeAll(listed);
                missing.removeAll(deleting);
                assertThat(missing)
                        .as("objects whose put had answered before a listing began, and that are not in it")
                        .isEmpty();
                assertThat(listed)
                        .as("a listing that began when the deletes of these had answered")
                        .doesNotContainAnyElementsOf(goneBefore.isEmpty() ? Set.of("none") : goneBefore);
            } while (writing.get() > 0);
            return runner;
        });
    }

    /** Several listings are open at a time, while the thread that reads them puts and deletes. */
    void listingsDoNotDisturbEachOther() {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            keys.add("open/%02d".formatted(i));
            store.put(keys.get(i), BlobContent.of(new byte[i]));
        }
        List<String> first = new ArrayList<>();
        List<String> second = new ArrayList<>();
        try (BlobCursor one = store.list("open/");
                BlobCursor two = store.list("open/")) {
            for (int i = 0; one.next(); i++) {
                first.add(one.entry().key());
                store.put("beside/" + i, BlobContent.of(new byte[1]));
                if (i % 2 == 1) {
                    assertThat(two.next())
                            .as("whether the second of two listings has %d objects", 1 + i / 2)
                            .isTrue();
                    second.add(two.entry().key());
                    store.delete("beside/" + i);
                }
            }
            while (two.next()) {
                second.add(two.entry().key());
            }
        }
        assertThat(first)
                .as("the first of two listings that are open at a time")
                .isEqualTo(keys);
        assertThat(second)
                .as("the second of two listings that are open at a time")
                .isEqualTo(keys);
    }
}
