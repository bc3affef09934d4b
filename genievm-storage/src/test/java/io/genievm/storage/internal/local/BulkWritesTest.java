package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.internal.UncachedChannel;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.PutOutcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes past the page cache as far as it is aligned, and through it where not. */
class BulkWritesTest {
    private static final int BLOCK = UncachedChannel.BLOCK;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    @DisplayName("an object has the bytes that were put, however they lie in memory")
    void anyShape(long seed) throws IOException {
        Random random = new Random(seed);
        byte[] expected = new byte[(2 << 20) + random.nextInt(1 << 20)];
        random.nextBytes(expected);
        List<ByteBuffer> pieces = new ArrayList<>();
        for (int at = 0; at < expected.length; ) {
            int length = Math.min(
                    expected.length - at,
                    random.nextInt(3) == 0 ? 1 + random.nextInt(100_000) : BLOCK * (1 + random.nextInt(100)));
            ByteBuffer piece = random.nextInt(4) == 0 ? ByteBuffer.allocate(length) : aligned(length);
            pieces.add(piece.put(expected, at, length).flip());
            at += length;
        }

        try (BlobStore store = new LocalBlobStoreProvider()
                .create(BlobStoreConfig.of(folder.resolve("store").toString()))) {
            assertThat(store.put("packs/x", BlobContent.of(pieces))).isEqualTo(PutOutcome.CREATED);
            ByteBuffer read = ByteBuffer.allocate(expected.length);
            store.get("packs/x", 0, read);
            assertThat(read.array()).as("seed %s", seed).isEqualTo(expected);
            assertThat(Files.size(folder.resolve("store/packs/x"))).isEqualTo(expected.length);
        }
    }

    @Test
    @DisplayName("what is aligned goes past the cache where the file system can do that, and nothing else does")
    void whatGoesPast() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        boolean able = Set.of("ext4", "ext2/ext3", "xfs", "btrfs")
                .contains(Files.getFileStore(file).type());
        byte[] bytes = new byte[3 * BLOCK];
        new Random(7).nextBytes(bytes);
        try (UncachedChannel channel = UncachedChannel.open(file)) {
            ByteBuffer source =
                    aligned(bytes.length + 10).put(bytes).put(new byte[10]).flip();

            int written = channel.write(source, 0);

            assertThat(written).isIn(able ? Set.of(bytes.length) : Set.of(0, bytes.length));
            assertThat(source.position()).isEqualTo(written);
            assertThat(source.limit()).isEqualTo(bytes.length + 10);
            assertThat(Files.readAllBytes(file)).startsWith(written == 0 ? new byte[0] : bytes);
            assertThat(channel.write(source, written)).as("less than a block").isZero();
            assertThat(channel.write(source.rewind(), 512)).as("another place").isZero();
            assertThat(channel.write(source.position(16), 0))
                    .as("not aligned in memory")
                    .isZero();
            assertThat(channel.write(ByteBuffer.allocate(BLOCK), 0))
                    .as("on the heap")
                    .isZero();
        }
        try (UncachedChannel none = UncachedChannel.none()) {
            assertThat(none.write(aligned(BLOCK), 0)).isZero();
        }
        assertThat(Files.size(file)).isIn(0L, (long) bytes.length);
    }

    private static ByteBuffer aligned(int length) {
        return ByteBuffer.allocateDirect(length + 2 * BLOCK).alignedSlice(BLOCK).limit(length);
    }
}
