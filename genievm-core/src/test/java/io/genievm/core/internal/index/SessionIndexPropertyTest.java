package io.genievm.core.internal.index;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.testkit.InMemoryBlobStore;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Claims, places, publishes and takes back at random, and knows at each moment what a set would know. */
class SessionIndexPropertyTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("0".repeat(32));
    private static final SessionId SESSION = new SessionId("1".repeat(32));
    private static final int PACK_BYTES = 1024;

    private final InMemoryBlobStore store = new InMemoryBlobStore();
    private final WorkFiles workFiles = new WorkFiles(null);
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void knowsWhatASetKnows(long seed) {
        Random random = new Random(seed);
        IndexPublisher publisher = new IndexPublisher(store, REPOSITORY, workFiles, SESSION);
        Set<Integer> claimed = new HashSet<>();
        Set<Integer> stored = new HashSet<>();
        Map<Integer, List<Integer>> unpublished = new HashMap<>();
        int pack = 0;
        try (SessionIndex index = new SessionIndex(
                IndexView.load(store, REPOSITORY, workFiles, List.of(), IndexView.Adoption.ALL, () -> {}), workFiles)) {
            for (int step = 0; step < 400; step++) {
                List<Integer> segment = new ArrayList<>();
                for (int i = random.nextInt(40); i >= 0; i--) {
                    int number = random.nextInt(20_000);
                    boolean known = claimed.contains(number) || stored.contains(number);
                    assertThat(index.claim(id(number), 0, scratch, location)).isEqualTo(!known);
                    if (!known) {
                        claimed.add(number);
                        segment.add(number);
                    }
                }
                if (random.nextInt(50) == 0) {
                    // A reading was broken off: what is in no pack has to be claimed again.
                    index.forgetClaims();
                    claimed.clear();
                } else if (!segment.isEmpty()) {
                    ByteBuffer ids = ByteBuffer.allocate(segment.size() * IdHasher.ID_BYTES);
                    segment.forEach(number -> ids.put(id(number)));
                    index.located(ids.array(), segment.size(), pack, 56, 100, SegmentType.CHUNKS);
                    unpublished.computeIfAbsent(pack, p -> new ArrayList<>()).addAll(segment);
                    segment.forEach(claimed::remove);
                    stored.addAll(segment);
                }
                assertThat(index.isComplete()).isEqualTo(claimed.isEmpty());
                if (random.nextInt(4) == 0) {
                    pack++;
                }
                if (random.nextInt(40) == 0) {
                    publishSome(random, publisher, index, unpublished);
                }
            }
            for (int number = 0; number < 20_000; number++) {
                boolean known = claimed.contains(number) || stored.contains(number);
                assertThat(index.claim(id(number), 0, scratch, location)).isEqualTo(!known);
            }
        }
    }

    /** Packs become durable in any order, and so they are published. */
    private void publishSome(
            Random random, IndexPublisher publisher, SessionIndex index, Map<Integer, List<Integer>> unpublished) {
        Map<Integer, Integer> lengths = new HashMap<>();
        int entries = 0;
        for (int pack : List.copyOf(unpublished.keySet())) {
            if (random.nextBoolean()) {
                store.put(PackName.of(SESSION, pack).key(), BlobContent.of(new byte[PACK_BYTES]));
                lengths.put(pack, PACK_BYTES);
                entries += Objects.requireNonNull(unpublished.remove(pack)).size();
            }
        }
        if (!lengths.isEmpty()) {
            assertThat(publisher.publish(index, lengths)).isEqualTo(entries);
        }
    }

    /** Half of the ids begin their search at one of few places, so that they get in each other's way. */
    private static byte[] id(int number) {
        Random random = new Random(number);
        ByteBuffer id = ByteBuffer.allocate(IdHasher.ID_BYTES);
        id.putLong(random.nextLong()).putLong(random.nextLong());
        id.putLong(number % 2 == 0 ? random.nextLong() : random.nextInt(8) - 4)
                .putInt(number)
                .putInt(number);
        return id.array();
    }
}
