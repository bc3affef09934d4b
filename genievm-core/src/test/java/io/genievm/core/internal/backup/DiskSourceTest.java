package io.genievm.core.internal.backup;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DiskSourceTest {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS = 8;

    @ParameterizedTest(name = "requests of {0} bytes")
    @ValueSource(ints = {1 << 16, 1 << 17, 1 << 20})
    @DisplayName(
            "where that is allowed, only the chunks that a disk has lost are taken for zeroes, whatever its limits")
    void readsAroundWhatIsLost(int maxRequest) {
        try (DiskSource source = new DiskSource(new ShrunkDisk(maxRequest, 5 * CHUNK), true)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNKS * CHUNK);
            for (int i = 0; i < buffer.capacity(); i++) {
                buffer.put(i, (byte) 99);
            }

            source.read(0, CHUNKS * CHUNK, CHUNK, buffer);

            assertThat(buffer.remaining()).isEqualTo(CHUNKS * CHUNK);
            for (int at = 0; at < CHUNKS * CHUNK; at += 101) {
                assertThat(buffer.get(at)).as("byte %d", at).isEqualTo((byte) (at < 5 * CHUNK ? 7 : 0));
            }
            assertThat(source.isLost()).isTrue();
        }
    }

    /** A disk that ends before its capacity. */
    private record ShrunkDisk(int maxRequest, int end) implements SnapshotDisk {
        @Override
        public DiskReader openReader() {
            return new DiskReader() {
                @Override
                public void read(long offset, ByteBuffer target) {
                    if (offset + target.remaining() > end) {
                        throw new GenieVmException(ErrorCode.SOURCE_CHANGED, "the disk has become shorter");
                    }
                    while (target.hasRemaining()) {
                        target.put((byte) 7);
                    }
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public DiskId id() {
            return new DiskId("root");
        }

        @Override
        public long capacity() {
            return CHUNKS * CHUNK;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return new DiskLimits(1, 1, maxRequest, 512);
        }

        @Override
        public ExtentCursor allocated() {
            throw new UnsupportedOperationException();
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            throw new UnsupportedOperationException();
        }
    }
}
