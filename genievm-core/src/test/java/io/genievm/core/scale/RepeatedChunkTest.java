package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.store.BlobCursor;
import io.genievm.core.BackupReport;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.PackFooters;
import io.genievm.testkit.InMemoryBlobStore;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Workers that meet the same new chunk at the same time store it once. */
class RepeatedChunkTest {
    private static final int CHUNK = RepositoryOptions.DEFAULT.chunkSize();

    @Test
    @Tag("torture")
    void aGibibyteOfOneChunkStoresOneChunk() throws InterruptedException {
        assertThat(storedChunks(1 << 14, 1)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 63})
    void fewChunksInTurnAreStoredOnceEach(int distinct) throws InterruptedException {
        assertThat(storedChunks(2048, distinct)).hasSize(distinct);
    }

    /** Backs up, verifies and restores a disk of so many chunks, and gives the ids of the chunks in all packs. */
    private static List<ByteBuffer> storedChunks(int chunks, int distinct) throws InterruptedException {
        InMemoryBlobStore store = new InMemoryBlobStore();
        SyntheticHost host = new SyntheticHost(
                new SyntheticHost.Disk("disk", (long) chunks * CHUNK, Noise.repeating(CHUNK, distinct)));
        try (Site site = Site.create(store, RepositoryOptions.DEFAULT, host, settings -> settings.parallelism(8))) {
            BackupReport report = site.backUp(Codec.DEFAULT);
            assertThat(report.disks().get(0).readBytes()).isEqualTo((long) chunks * CHUNK);
            site.verify();
            site.restore();
            List<ByteBuffer> ids = chunkIds(store);
            assertThat(new HashSet<>(ids)).hasSameSizeAs(ids);
            return ids;
        }
    }

    private static List<ByteBuffer> chunkIds(InMemoryBlobStore opened) {
        List<ByteBuffer> ids = new ArrayList<>();
        try (InMemoryBlobStore store = opened.reopen();
                BlobCursor packs = store.list("packs/")) {
            while (packs.next()) {
                PackName name = PackName.ofKey(packs.entry().key());
                for (PackFormat.SegmentEntry segment :
                        new PackFooters(store).footer(name, packs.entry().length())) {
                    if (segment.type() == SegmentType.CHUNKS) {
                        for (int i = 0; i < segment.count(); i++) {
                            ids.add(ByteBuffer.wrap(segment.ids(), i * IdHasher.ID_BYTES, IdHasher.ID_BYTES));
                        }
                    }
                }
            }
        }
        return ids;
    }
}
