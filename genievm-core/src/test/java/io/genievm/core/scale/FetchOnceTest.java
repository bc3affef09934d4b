package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.store.BlobCursor;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.VerifyRequest;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.PackFooters;
import io.genievm.testkit.CountingBlobStore;
import io.genievm.testkit.InMemoryBlobStore;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Whoever needs a point gets each segment from the store once, several at a time. */
class FetchOnceTest {
    private static final int CHUNK = 4096;
    private static final RepositoryOptions OPTIONS = new RepositoryOptions(CHUNK, 16 * CHUNK, 1 << 20);
    private static final long CAPACITY = 40 << 20;

    private final InMemoryBlobStore objects = new InMemoryBlobStore();
    private final CountingBlobStore store = new CountingBlobStore(new SlowStore(objects, 1));
    private Site site;

    private record Place(String key, long offset) {}

    /** Three points whose chunks are scattered over each other's segments, some of them used by several disks. */
    @BeforeEach
    void backUp() throws InterruptedException {
        // Pages in many segments, each needed from several places: ten thousand chunks make ten pages a disk.
        SyntheticHost host = new SyntheticHost(
                new SyntheticHost.Disk("a", CAPACITY, changing()),
                new SyntheticHost.Disk("b", CAPACITY, Noise.repeating(CHUNK, 3000)),
                new SyntheticHost.Disk("c", CAPACITY - 1234, Noise.random(7)));
        site = Site.create(store, OPTIONS, host, settings -> settings.parallelism(4));
        for (age = 0; age < 3; age++) {
            site.backUp(Codec.LZ4);
        }
        age--;
        store.reset();
    }

    private volatile int age;

    /** A disk of which every third chunk is another in each point. */
    private SyntheticHost.Content changing() {
        return (offset, target, length) -> {
            for (int at = 0; at < length; at += CHUNK) {
                byte[] chunk = new byte[Math.min(CHUNK, length - at)];
                long position = offset + at;
                Noise.random(position / CHUNK % 3 == age ? 100 + age : 99).fill(position, chunk, chunk.length);
                System.arraycopy(chunk, 0, target, at, chunk.length);
            }
        };
    }

    @AfterEach
    void close() {
        site.close();
    }

    @Test
    void aRestoreFetchesEachSegmentOnce() throws InterruptedException {
        site.restore();
        assertFetchedOnce();
    }

    @Test
    void aCheckOfOnePointFetchesEachSegmentOnce() throws InterruptedException {
        var point = site.repository.points().points().get(2).id();
        store.reset();
        assertThat(site.repository
                        .verify(new VerifyRequest(point, false))
                        .await()
                        .damage())
                .isEmpty();
        assertFetchedOnce();
    }

    @Test
    void aCheckOfAllFetchesEachSegmentOfChunksOnce() throws InterruptedException {
        Map<Place, PackFormat.SegmentEntry> segments = segments();
        site.verify();
        Map<Place, Integer> fetched = fetched(segments);
        // Pages are read to follow the map of a point and that of the one before, and with all that is in the packs.
        segments.forEach((place, segment) -> assertThat(fetched.getOrDefault(place, 0))
                .as("fetches of the segment of %s at %s", segment.type(), place)
                .isBetween(1, segment.type() == SegmentType.PAGES ? 3 : 1));
        assertThat(store.maxGetsInFlight()).isGreaterThanOrEqualTo(4);
    }

    private void assertFetchedOnce() {
        Map<Place, PackFormat.SegmentEntry> segments = segments();
        Map<Place, Integer> fetched = fetched(segments);
        assertThat(fetched.values()).containsOnly(1);
        Set<SegmentType> types = new HashSet<>();
        fetched.keySet().forEach(place -> types.add(segments.get(place).type()));
        assertThat(types).containsExactlyInAnyOrder(SegmentType.CHUNKS, SegmentType.PAGES);
        assertThat(fetched.size()).isGreaterThan(1000);
        assertThat(store.maxGetsInFlight()).isGreaterThanOrEqualTo(4);
    }

    /** How often each segment was fetched; every fetch from a pack has to be of one whole segment. */
    private Map<Place, Integer> fetched(Map<Place, PackFormat.SegmentEntry> segments) {
        Map<Place, Integer> fetched = new HashMap<>();
        for (CountingBlobStore.Get get : List.copyOf(store.gets())) {
            Place place = new Place(get.key(), get.offset());
            PackFormat.SegmentEntry segment = segments.get(place);
            if (segment != null && segment.length() == get.length()) {
                fetched.merge(place, 1, Integer::sum);
            } else if (PackName.ofKey(get.key()) != null) {
                // A check of all reads headers and footers as well; both are short here.
                assertThat(get.length()).as("length of %s", get).isLessThanOrEqualTo(1 << 16);
            }
        }
        return fetched;
    }

    private Map<Place, PackFormat.SegmentEntry> segments() {
        Map<Place, PackFormat.SegmentEntry> segments = new HashMap<>();
        try (InMemoryBlobStore again = objects.reopen();
                BlobCursor packs = again.list("packs/")) {
            while (packs.next()) {
                String key = packs.entry().key();
                for (PackFormat.SegmentEntry segment : new PackFooters(again)
                        .footer(PackName.ofKey(key), packs.entry().length())) {
                    segments.put(new Place(key, segment.offset()), segment);
                }
            }
        }
        return segments;
    }
}
