package io.genievm.core.internal.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ReaderPoolTest {
    @Test
    @DisplayName("while a reader that has failed is being closed, nobody opens another in its place")
    void countsReadersUntilTheyAreClosed() throws InterruptedException {
        FailingOnce disk = new FailingOnce();
        try (ReaderPool pool = new ReaderPool(disk)) {
            disk.meanwhile = new Thread(() -> pool.read(0, ByteBuffer.allocate(8)));

            pool.read(0, ByteBuffer.allocate(8));

            disk.meanwhile.join();
        }
        assertThat(disk.opened).hasValue(2);
        assertThat(disk.mostOpen).hasValue(1);
        assertThat(disk.open).hasValue(0);
    }

    @Test
    @DisplayName("all readers are closed, also when one of them can not be; what went wrong is told")
    void closesAllReaders() throws InterruptedException {
        List<String> closed = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch bothRead = new CountDownLatch(2);
        AtomicInteger opened = new AtomicInteger();
        ReaderPool pool = new ReaderPool(new TwoReaders(() -> {
            String name = "reader " + opened.incrementAndGet();
            return new DiskReader() {
                @Override
                public void read(long offset, ByteBuffer target) {
                    bothRead.countDown();
                    awaitQuietly(bothRead);
                    target.position(target.limit());
                }

                @Override
                public void close() {
                    closed.add(name);
                    throw new GenieVmException(ErrorCode.IO_ERROR, name);
                }
            };
        }));
        Thread other = new Thread(() -> pool.read(0, ByteBuffer.allocate(8)));
        other.start();
        pool.read(0, ByteBuffer.allocate(8));
        other.join();

        assertThatThrownBy(pool::close)
                .hasMessage("reader 1")
                .satisfies(failure -> assertThat(failure.getSuppressed())
                        .singleElement()
                        .satisfies(suppressed -> assertThat(suppressed).hasMessage("reader 2")));
        assertThat(closed).containsExactly("reader 1", "reader 2");
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** A disk for two readers with one call at a time. */
    private record TwoReaders(Supplier<DiskReader> readers) implements SnapshotDisk {
        @Override
        public DiskReader openReader() {
            return readers.get();
        }

        @Override
        public DiskId id() {
            return new DiskId("root");
        }

        @Override
        public long capacity() {
            return 8;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return new DiskLimits(2, 1, 1 << 16, 1);
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

    /** A disk for one reader with two calls at a time. The first call fails, and the reader's end takes its time. */
    private static final class FailingOnce implements SnapshotDisk {
        private final AtomicInteger opened = new AtomicInteger();
        private final AtomicInteger open = new AtomicInteger();
        private final AtomicInteger mostOpen = new AtomicInteger();
        private Thread meanwhile = new Thread();

        @Override
        public DiskReader openReader() {
            boolean first = opened.incrementAndGet() == 1;
            mostOpen.accumulateAndGet(open.incrementAndGet(), Math::max);
            return new DiskReader() {
                private boolean closed;

                @Override
                public void read(long offset, ByteBuffer target) {
                    if (first) {
                        throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "a read that fails");
                    }
                    target.position(target.limit());
                }

                @Override
                public void close() {
                    if (closed) {
                        return;
                    }
                    closed = true;
                    if (first) {
                        meanwhile.start();
                        // Until the other thread has opened a reader, or waits as it should.
                        while (opened.get() == 1 && meanwhile.getState() != Thread.State.TIMED_WAITING) {
                            Thread.onSpinWait();
                        }
                    }
                    open.decrementAndGet();
                }
            };
        }

        @Override
        public DiskId id() {
            return new DiskId("root");
        }

        @Override
        public long capacity() {
            return 8;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return new DiskLimits(1, 2, 1 << 16, 1);
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
