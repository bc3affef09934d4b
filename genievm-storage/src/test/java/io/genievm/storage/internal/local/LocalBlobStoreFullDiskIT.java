package io.genievm.storage.internal.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.storage.internal.file.Failing;
import io.genievm.storage.internal.file.Tmpfs;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk that is really full. */
class LocalBlobStoreFullDiskIT {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir
    private Path directory;

    private Tmpfs disk;

    @BeforeEach
    void mount() throws IOException {
        disk = Tmpfs.mount(directory, "size=4m,nr_inodes=64");
    }

    @AfterEach
    void unmount() throws IOException {
        disk.close();
    }

    @Test
    void aFullDiskTakesNoHalfObjectAndGivesItsSpaceBack() {
        try (BlobStore store = LocalBlobStoreProvider.create(disk.folder())) {
            store.put("first", BlobContent.of(new byte[2 * MEBIBYTE]));

            assertThat(Failing.with(
                            ErrorCode.NO_SPACE, () -> store.put("b/second", BlobContent.of(new byte[3 * MEBIBYTE]))))
                    .hasMessageContaining("b/second");

            assertThat(store.stat("b/second")).isEmpty();
            assertThat(store.put("b/second", BlobContent.of(new byte[MEBIBYTE])))
                    .isEqualTo(PutOutcome.CREATED);
            assertThat(store.getAll("first", 2 * MEBIBYTE)).hasSize(2 * MEBIBYTE);
        }
    }

    @Test
    void aDiskWithoutInodesIsFullAsWell() {
        try (BlobStore store = LocalBlobStoreProvider.create(disk.folder())) {
            Failing.with(ErrorCode.NO_SPACE, () -> {
                for (int i = 0; i < 100; i++) {
                    store.put("folder-" + i + "/object", BlobContent.of(new byte[1]));
                }
            });
            store.delete("folder-1/object");

            assertThat(store.put("again", BlobContent.of(new byte[1]))).isEqualTo(PutOutcome.CREATED);
        }
    }

    @Test
    void aFullDiskIsNoPlaceForAStore() throws IOException {
        try (BlobStore store = LocalBlobStoreProvider.create(disk.folder().resolve("other"))) {
            Failing.with(ErrorCode.NO_SPACE, () -> {
                for (int i = 0; i < 100; i++) {
                    store.put("object-" + i, BlobContent.of(new byte[1]));
                }
            });
        }
        for (String part : new String[] {"a", "a/b", "a/b/c/d"}) {
            Failing.with(
                    ErrorCode.NO_SPACE,
                    () -> LocalBlobStoreProvider.create(disk.folder().resolve(part)));
            assertThat(disk.folder().resolve("a")).doesNotExist();
        }
    }
}
