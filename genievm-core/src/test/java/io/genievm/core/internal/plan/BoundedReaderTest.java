package io.genievm.core.internal.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.core.internal.spi.IoBuffers;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class BoundedReaderTest {
    private static final int REQUEST = 65536;

    private final List<String> requests = new ArrayList<>();

    @Test
    void asksForNoMoreThanTheLimits() {
        ByteBuffer target = IoBuffers.allocate(3 * REQUEST).limit(2 * REQUEST + 100);

        reader(buffer -> buffer.position(buffer.limit())).read(7, target);

        assertThat(requests).containsExactly("7 65536", "65543 65536", "131079 100");
        assertThat(target.position()).isEqualTo(2 * REQUEST + 100);
    }

    @Test
    void whatWasLeftUnreadIsNoticedAlsoWhenTheLimitWasMoved() {
        assertBroken(buffer -> buffer.position(buffer.limit() - 1));
        assertBroken(buffer -> buffer.limit(buffer.limit() - 1).position(buffer.limit()));
        assertBroken(buffer -> buffer.flip());
        assertBroken(ByteBuffer::clear);
    }

    @Test
    void aBufferOfAnySizeBeginsAtAPage() {
        for (int size : new int[] {0, 1, 100, 4095, 4096, 4097, 1 << 20}) {
            ByteBuffer buffer = IoBuffers.allocate(size);
            assertThat(buffer.capacity()).isEqualTo(size);
            assertThat(size == 0 ? 0 : buffer.alignmentOffset(0, 4096)).isZero();
        }
    }

    private void assertBroken(Consumer<ByteBuffer> fill) {
        assertThatThrownBy(() -> reader(fill).read(0, IoBuffers.allocate(2 * REQUEST)))
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.DRIVER_CONTRACT_BROKEN));
    }

    private BoundedReader reader(Consumer<ByteBuffer> fill) {
        DiskReader reader = new DiskReader() {
            @Override
            public void read(long offset, ByteBuffer target) {
                requests.add(offset + " " + target.remaining());
                fill.accept(target);
            }

            @Override
            public void close() {}
        };
        return new BoundedReader(new DiskId("a"), reader, new DiskLimits(1, 1, REQUEST, 1));
    }
}
