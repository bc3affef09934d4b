package io.genievm.core.internal.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What becomes of a pack that could not be filled. */
class PackWriterTest {
    private static final int LENGTH = 1000;

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();
    private int placed;
    private int durable;

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    void aPackThatFailedHalfWayIsNeverPut() {
        PackWriter writer = writer(2);
        append(writer);

        assertThatThrownBy(() -> append(writer)).isInstanceOf(OutOfMemoryError.class);

        // Not even by somebody who does not know, and not when the memory is back.
        assertRefused(() -> append(writer));
        assertRefused(writer::finish);
        assertThat(store.keys(ObjectKeys.PACKS)).isEmpty();
        assertThat(durable).isZero();
    }

    @Test
    void aPackThatDidNotFailIsPut() {
        PackWriter writer = writer(Integer.MAX_VALUE);
        append(writer);
        append(writer);
        writer.finish();

        assertThat(store.keys(ObjectKeys.PACKS)).hasSize(1);
        assertThat(durable).isEqualTo(2);
    }

    private static void assertRefused(Runnable call) {
        assertThatThrownBy(call::run).isInstanceOfSatisfying(GenieVmException.class, e -> {
            assertThat(e.code()).isEqualTo(ErrorCode.INTERNAL_ERROR);
            assertThat(e).hasRootCauseInstanceOf(OutOfMemoryError.class);
        });
    }

    private static void append(PackWriter writer) {
        writer.append(new byte[LENGTH], LENGTH, SegmentType.CHUNKS, new byte[32], 1);
    }

    /** One whose index runs out of memory at a segment. */
    private PackWriter writer(int failing) {
        RepositoryParameters parameters =
                RepositoryParameters.decode(ObjectKeys.REPOSITORY, store.bytes(ObjectKeys.REPOSITORY));
        RepositoryAccess access = new RepositoryAccess(
                store, parameters, new WorkFiles(null), Runnable::run, Clock.systemUTC(), 1 << 20, 1, Compressor::of);
        return new PackWriter(access, new SessionId("5e".repeat(16)), 16 << 20, 1 << 20, new PackWriter.Listener() {
            @Override
            public void placed(int pack, int offset, int length, SegmentType type, byte[] ids, int count) {
                if (++placed == failing) {
                    throw new OutOfMemoryError("made up");
                }
            }

            @Override
            public void durable(int pack, int length, int entries) {
                durable += entries;
            }
        });
    }
}
