package io.genievm.benchmarks;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.testkit.ForwardingBlobStore;
import io.genievm.testkit.InMemoryBlobStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A first backup in its midst, without its beginning and its end: one of a disk that nobody comes to the end of, which goes
 * on by 64 MiB each time that it is let. An operation is 1 MiB.
 *
 * <p>With {@code -prof gc}, {@code gc.alloc.rate.norm} is the bytes of heap that are allocated for a MiB when all buffers are
 * there: what grows with the disk. An index table is published every 2 GiB of new chunks, so a fair share of them takes
 * iterations that read some GiB.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(SteadyCopyBenchmark.MIBS)
@Warmup(iterations = 3, time = 5)
@Measurement(iterations = 5, time = 5)
@Fork(1)
public class SteadyCopyBenchmark {
    static final int MIBS = 64;

    private static final long CAPACITY = 1L << 42;
    private static final int CHUNK = RepositoryOptions.DEFAULT.chunkSize();

    /** How it is compressed. */
    @Param({"lz4"})
    public String codec;

    /** What is read. */
    @Param
    public Content content;

    private final GenieVm genie = GenieVm.builder()
            .blobStoreProvider(new GivenStoreProvider(new Sink()))
            .open();
    private Tap tap;
    private OneDiskConnection connection;
    private Repository repository;
    private TaskHandle<BackupReport> backup;

    /** What is read. */
    public enum Content {
        /** Chunks that are stored nowhere: read, hashed, looked up, compressed, checked and put. */
        NEW,
        /** 64 MiB of chunks over and over: read, hashed and looked up. */
        KNOWN,
        /** Zeroes: read and compared. */
        ZEROES
    }

    /** Begins the backup. */
    @Setup
    public void begin() {
        tap = new Tap(content);
        connection = new OneDiskConnection(CAPACITY, tap, new ArrayDisk(new byte[0]));
        repository = genie.createRepository(GivenStoreProvider.ADDRESS, RepositoryOptions.DEFAULT);
        BackupRequest request = BackupRequest.builder(OneDiskConnection.VM)
                .codec(Codec.parse(codec))
                .audit(AuditMode.NONE)
                .build();
        backup = repository.backup(connection, request);
        // Whatever ends it, nobody has to wait for it any more.
        backup.completion().whenComplete((report, failure) -> tap.close());
    }

    /** Breaks the backup off. */
    @TearDown
    public void end() throws InterruptedException {
        backup.cancel();
        try {
            backup.await();
        } catch (TaskCancelledException e) {
            // As it was told to.
        } finally {
            repository.close();
            connection.close();
            genie.close();
        }
    }

    /** Lets the backup read so much more, and waits until it has. */
    @Benchmark
    public long copy() throws InterruptedException {
        return tap.draw((long) MIBS << 20);
    }

    /** A disk that gives no more bytes than somebody wants to be read. */
    private static final class Tap implements DiskReader {
        private final Content content;
        private final byte[] bytes;
        private long allowed;
        private long begun;
        private long done;
        private boolean closed;

        Tap(Content content) {
            this.content = content;
            this.bytes = content == Content.ZEROES
                    ? new byte[MIBS << 20]
                    : SyntheticData.of(SyntheticData.Kind.BINARY, MIBS << 20);
        }

        /** Waits until so many bytes more are read, and gives how many that are in all. */
        synchronized long draw(long length) throws InterruptedException {
            allowed += length;
            notifyAll();
            while (done < allowed) {
                if (closed) {
                    throw new IllegalStateException("the backup has come to its end");
                }
                wait();
            }
            return done;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            int length = target.remaining();
            begin(length);
            int start = target.position();
            target.put(bytes, (int) (offset % bytes.length), length);
            if (content == Content.NEW) {
                for (int at = 0; at < length; at += CHUNK) {
                    target.putLong(start + at, offset + at);
                }
            }
            end(length);
        }

        private synchronized void begin(int length) {
            boolean interrupted = false;
            while (!closed && begun + length > allowed) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, "the reader is closed");
            }
            begun += length;
        }

        private synchronized void end(int length) {
            done += length;
            if (done == allowed) {
                notifyAll();
            }
        }

        @Override
        public synchronized void close() {
            closed = true;
            notifyAll();
        }
    }

    /** A store that takes packs and index tables and forgets them: a session never reads its own. */
    private static final class Sink extends ForwardingBlobStore {
        Sink() {
            super(new InMemoryBlobStore());
        }

        @Override
        public PutOutcome put(String key, BlobContent content) {
            if (!key.startsWith(ObjectKeys.PACKS) && !key.startsWith(ObjectKeys.INDEX)) {
                return super.put(key, content);
            }
            try {
                content.writeTo(new Drain());
            } catch (IOException e) {
                throw new GenieVmException(
                        ErrorCode.IO_ERROR, Resource.named(key), "can not read what to put: " + e, e);
            }
            return PutOutcome.CREATED;
        }
    }

    private static final class Drain implements WritableByteChannel {
        @Override
        public int write(ByteBuffer source) {
            int length = source.remaining();
            source.position(source.limit());
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
