package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStore;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Bits that flip on their way from the store, anew at each reading: what is read is what was checked, so that no wrong
 * byte is restored, and no backup makes a point that is not whole.
 */
class FlakyReadsTest {
    @Test
    @DisplayName("bits that flip on the way, a few times")
    void flaky() {
        Seeds.run(FlakyReadsTest.class, "flaky", 6, this::run);
    }

    @Test
    @Tag("torture")
    @DisplayName("bits that flip on the way, 100 times")
    void veryFlaky() {
        Seeds.torture(FlakyReadsTest.class, "veryFlaky", 100, this::run);
    }

    private void run(Random random) {
        try (Lab lab = new Lab()) {
            lab.addVm("web", 1_200_000);
            SessionId first = lab.backup("web").point();
            lab.change("web", 1, 300_000);
            SessionId second = lab.backup("web").point();
            int oneIn = 2 + random.nextInt(60);
            lab.store().intercept(new Flipping(new Random(random.nextLong()), oneIn));

            for (SessionId point : new SessionId[] {first, second}) {
                restore(lab, point);
            }
            try {
                lab.verify();
            } catch (GenieVmException e) {
                assertThat(e.code().category()).isEqualTo(ErrorCategory.INTEGRITY);
            }
            lab.change("web", 2, 100_000);
            Map<DiskId, byte[]> content = lab.contentOf(new VmId("web"));
            try {
                lab.remember(Lab.await(lab.beginBackup("web")), content);
            } catch (GenieVmException e) {
                assertThat(e.code().category()).as(e.toString()).isEqualTo(ErrorCategory.INTEGRITY);
            }

            lab.store().stopIntercepting();
            lab.assertWhole();
            lab.points().forEach(lab::assertRestores);
        }
    }

    private static void restore(Lab lab, SessionId point) {
        Lab.Restored restored;
        try {
            restored = lab.restore(point);
        } catch (GenieVmException e) {
            assertThat(e.code().category()).as(e.toString()).isEqualTo(ErrorCategory.INTEGRITY);
            return;
        }
        lab.truth(point).forEach((disk, bytes) -> {
            byte[] whole = restored.whole().get(disk);
            byte[] expected = bytes.clone();
            if (whole == null) {
                for (Damage damage : restored.failure().damage()) {
                    Arrays.fill(
                            expected,
                            (int) Objects.requireNonNull(damage.extent()).offset(),
                            (int) damage.extent().end(),
                            (byte) 0);
                }
                whole = restored.incomplete().get(disk);
            }
            assertThat(Arrays.mismatch(whole, expected)).as("wrong byte").isEqualTo(-1);
        });
    }

    /** Flips one bit of one in so many readings. */
    private static final class Flipping implements InterceptedStore.Interceptor {
        private final Random random;
        private final int oneIn;

        Flipping(Random random, int oneIn) {
            this.random = random;
            this.oneIn = oneIn;
        }

        @Override
        public void get(BlobStore store, String key, long offset, ByteBuffer target) {
            int start = target.position();
            store.get(key, offset, target);
            synchronized (random) {
                if (target.position() > start && random.nextInt(oneIn) == 0) {
                    int at = start + random.nextInt(target.position() - start);
                    target.put(at, (byte) (target.get(at) ^ 1 << random.nextInt(8)));
                }
            }
        }
    }
}
