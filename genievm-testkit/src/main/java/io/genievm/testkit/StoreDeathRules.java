package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;

/** What a store has to keep when a process that uses it dies. For one test. */
final class StoreDeathRules {
    private static final Set<String> WORDS = Set.of("CREATED", "EXISTS", "deleting", "deleted");

    private final BlobStoreProvider provider;
    private final Class<? extends BlobStoreProvider> other;
    private final BlobStoreConfig place;

    StoreDeathRules(BlobStoreProvider provider, Class<? extends BlobStoreProvider> other, BlobStoreConfig place) {
        this.provider = provider;
        this.other = other;
        this.place = place;
    }

    /** A process is killed in the midst of puts and deletes, sooner or later. */
    void dies() throws Exception {
        Random random = new Random(8);
        for (int round = 0; round < 3; round++) {
            dies("death/" + round + "/", 1 + random.nextInt(80));
        }
    }

    private void dies(String folder, int answers) throws Exception {
        Set<String> there = new HashSet<>();
        Set<String> gone = new HashSet<>();
        try (DyingProcess process = DyingProcess.putting(other, place, folder)) {
            int heard = 0;
            for (String line = process.next(WORDS); line != null; line = process.next(WORDS)) {
                String[] words = line.split(" ");
                assertThat(words[0])
                        .as("the answer to a put of %s, which is new", words[1])
                        .isNotEqualTo("EXISTS");
                switch (words[0]) {
                    case "CREATED" -> there.add(words[1]);
                    // From now on it may be there or not.
                    case "deleting" -> there.remove(words[1]);
                    default -> gone.add(words[1]);
                }
                if (++heard == answers) {
                    process.kill();
                }
            }
            assertThat(heard)
                    .as(
                            "answers from a fresh process in which a %s is made by its public constructor, and puts;"
                                    + " if it can not be made so, override providerOfAnotherProcess(). It said:%n%s",
                            other, process.noise())
                    .isGreaterThanOrEqualTo(answers);
        }
        try (BlobStore store = provider.open(place)) {
            assertAsAnswered(store, folder, there, gone);
            assertThat(store.put(folder + "next", BlobContent.of(new byte[9])))
                    .as("a put after the death")
                    .isEqualTo(PutOutcome.CREATED);
        }
    }

    private static void assertAsAnswered(BlobStore store, String folder, Set<String> there, Set<String> gone) {
        Set<String> listed = new HashSet<>();
        try (BlobCursor cursor = store.list(folder)) {
            while (cursor.next()) {
                BlobEntry entry = cursor.entry();
                listed.add(entry.key());
                assertThat(entry.length())
                        .as("length of %s, put by a process that was killed", entry.key())
                        .isEqualTo(StoreBytes.length(entry.key()));
                byte[] expected = StoreBytes.of(entry.key(), (int) entry.length());
                assertThat(Arrays.mismatch(store.getAll(entry.key(), expected.length), expected))
                        .as("the first byte that is wrong of %s, put by a process that was killed", entry.key())
                        .isEqualTo(-1);
            }
        }
        assertThat(listed)
                .as("objects whose put had answered before the process was killed")
                .containsAll(there);
        Set<String> risen = new HashSet<>(gone);
        risen.retainAll(listed);
        assertThat(risen)
                .as("objects whose delete had answered before the process was killed")
                .isEmpty();
    }
}
