package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.testkit.InMemoryBlobStore;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A store that takes longer for a pack than the workers for the next one. */
class SlowStoreTest {
    @ParameterizedTest
    @CsvSource({"1, 8, 64", "2, 8, 32", "3, 3, 32", "4, 1, 16"})
    void workersThatWaitForMemoryKeepTheirSegmentsApart(long seed, int parallelism, long mebibytes) throws Exception {
        InMemoryBlobStore objects = new InMemoryBlobStore();
        SlowStore slow = new SlowStore(objects, 60);
        SyntheticHost host = new SyntheticHost(new SyntheticHost.Disk("disk", 120 << 20, Noise.random(seed)));
        try (Site site = Site.create(
                slow,
                RepositoryOptions.DEFAULT,
                host,
                settings -> settings.parallelism(parallelism).memoryBudget(mebibytes << 20))) {
            site.backUp(Codec.NONE);
            slow.millis = 0;
            assertThat(site.verify().checkedBytes()).isGreaterThan(120 << 20);
            assertThat(site.restore().writtenBytes()).isEqualTo(120 << 20);
        }
    }
}
