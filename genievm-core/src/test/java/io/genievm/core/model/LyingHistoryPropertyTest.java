package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.Extent;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import io.genievm.core.testing.Seeds;
import io.genievm.testkit.DriverLie;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A hypervisor that lies about what has changed: what it says is believed as far as it was not compared, no proof is ever
 * wrong, and audits find every lie in time.
 */
class LyingHistoryPropertyTest {
    private static final int RUN = 1 << 20;
    private static final Trouble.Kind[] ENDS = {
        Trouble.Kind.DEATH_BEFORE, Trouble.Kind.DEATH_BEFORE, Trouble.Kind.DEATH_AFTER, Trouble.Kind.CANCEL
    };
    private static final int ALLOCATION = GuestDisk.ALLOCATION;

    @TempDir
    private Path directory;

    @Test
    @DisplayName("5 histories full of lies")
    void histories() {
        Seeds.run(LyingHistoryPropertyTest.class, "histories", 5, this::run);
    }

    @Test
    @Tag("torture")
    @DisplayName("600 histories full of lies")
    void manyHistories() {
        Seeds.torture(LyingHistoryPropertyTest.class, "manyHistories", 600, this::run);
    }

    @Test
    @DisplayName("3 lies by omission are found in time")
    void omissions() {
        Seeds.run(LyingHistoryPropertyTest.class, "omissions", 3, random -> new Omission(random).run());
    }

    @Test
    @Tag("torture")
    @DisplayName("100 lies by omission are found in time")
    void manyOmissions() {
        Seeds.torture(LyingHistoryPropertyTest.class, "manyOmissions", 100, random -> new Omission(random).run());
    }

    @Test
    @DisplayName("data that seems to be a hole is read when an audit comes to it, and nothing becomes suspect")
    void hiddenData() {
        Random random = new Random(1);
        try (History history = History.directed(random, directory)) {
            Guest guest = history.addGuest("vm");
            GuestDisk disk = guest.addDisk("disk", 900_000);
            byte[] bytes = new byte[500_000];
            random.nextBytes(bytes);
            disk.write(0, bytes);
            BackupRequest.Builder request = BackupRequest.builder(guest.id());
            history.backup(guest, request.build(), Trouble.Kind.NONE, Trouble.When.number(0));
            disk.write(300_000, new byte[] {1});
            history.backup(guest, request.audit(AuditMode.NONE).build(), Trouble.Kind.NONE, Trouble.When.number(0));
            disk.lie(List.of(new DriverLie.HiddenAllocation(new Extent(ALLOCATION, 2 * ALLOCATION))));

            ModelPoint point = history.backup(
                    guest, request.audit(AuditMode.FULL).build(), Trouble.Kind.NONE, Trouble.When.number(0));

            assertThat(point.disks().get("disk").reason()).isEqualTo("AUDIT_MISMATCH");
            assertThat(point.manifest().get("warnings").get(0).get("code").textValue())
                    .isEqualTo("AUDIT_MISMATCH");
            assertThat(history.repository().store().keys("incidents/")).isEmpty();
            history.checkAll();
        }
    }

    private void run(Random random) {
        try (History history = History.random(random, directory, true)) {
            history.run();
        }
    }

    /** One lie, and all that comes of it. */
    private final class Omission {
        private final Random random;
        private final int stripes;
        private final BackupRequest sample;
        private final History history;
        private final Guest guest;
        private final GuestDisk disk;
        private final GuestDisk quiet;
        private final long chunk;
        // Whether what the driver hides is that there is nothing any more, not even allocated.
        private final boolean isDiscarded;
        // Whether it was overwritten with zeroes.
        private final boolean isZeroed;

        Omission(Random random) {
            this.random = random;
            this.history = History.directed(random, directory);
            this.guest = history.addGuest("vm");
            this.stripes = new int[] {1, 2, 2, 2, 5, 5, 5, 5, 5, 64}[random.nextInt(10)];
            this.sample = request(AuditMode.SAMPLE).auditShare(1.0 / stripes).build();
            this.disk = guest.addDisk("disk", 1 + random.nextInt(stripes > 5 ? 2 << 20 : 7 << 20));
            this.quiet = guest.addDisk("quiet", 100_000);
            write(disk, 0, (int) (random.nextDouble() * disk.capacity()));
            long chunks = (disk.capacity() + PlainBytes.BLOCK - 1) / PlainBytes.BLOCK;
            this.chunk = switch (random.nextInt(4)) {
                case 0 -> 0;
                case 1 -> chunks - 1;
                default -> random.nextInt((int) chunks);
            };
            long block = chunk * PlainBytes.BLOCK / ALLOCATION * ALLOCATION;
            this.isDiscarded = random.nextInt(3) == 0 && block + ALLOCATION <= disk.capacity();
            this.isZeroed = !isDiscarded && random.nextInt(3) == 0;
            if (isDiscarded || isZeroed) {
                write(disk, block, (int) Math.min(ALLOCATION, disk.capacity() - block));
            }
        }

        void run() {
            try (history) {
                List<ModelPoint> doubtful = prepare();
                ModelPoint liar = lie();
                if (random.nextInt(3) == 0) {
                    dieAtTheManifest(doubtful, liar);
                } else {
                    findIn(liar, doubtful);
                }
                checkSome();
                goOn();
                checkSome();
            }
        }

        /** Of 64 stripes come too many points to restore them all. */
        private void checkSome() {
            List<ModelPoint> points = history.repository().points();
            points.stream()
                    .filter(point -> points.indexOf(point) > points.size() - 4 || random.nextInt(points.size()) < 5)
                    .forEach(history.repository()::checkContent);
            history.repository().checkList();
            history.repository().checkWhole();
        }

        /** A proven point and some that go on from it, without a lie; gives the latter. */
        private List<ModelPoint> prepare() {
            List<ModelPoint> sampled = new ArrayList<>();
            backup(sample);
            for (int i = random.nextInt(4); i > 0; i--) {
                writeElsewhere();
                ModelPoint point = backup(sample);
                if (trust(point) == Trust.SAMPLED) {
                    sampled.add(point);
                } else {
                    sampled.clear();
                }
            }
            return sampled;
        }

        /** A backup, without an audit, of a disk that has changed more than its driver says. */
        private ModelPoint lie() {
            long offset = chunk * PlainBytes.BLOCK;
            int length = (int) Math.min(PlainBytes.BLOCK, disk.capacity() - offset);
            Extent place =
                    isDiscarded ? new Extent(offset / ALLOCATION * ALLOCATION, ALLOCATION) : new Extent(offset, length);
            int kind = random.nextInt(5);
            switch (kind) {
                case 0 -> disk.lie(List.of(new DriverLie.MissingChanges(place)));
                case 1 -> disk.lie(List.of(new DriverLie.NoChanges()));
                case 2 -> disk.lie(List.of(new DriverLie.UnrecordedWrites(new Extent(0, disk.capacity()))));
                case 3 -> disk.lie(List.of(new DriverLie.OtherDisk(quiet.real())));
                default -> {}
            }
            if (isDiscarded) {
                disk.zero(offset / ALLOCATION * ALLOCATION, ALLOCATION);
            } else if (isZeroed) {
                disk.write(offset, new byte[length]);
            } else {
                write(disk, offset, length);
            }
            if (kind == 4) {
                disk.lie(List.of(new DriverLie.StaleToken()));
            }
            ModelPoint point = backup(request(AuditMode.NONE).build());
            assertThat(point.disks()
                            .get("disk")
                            .content()
                            .firstDifference(point.moment().get("disk").content()))
                    .as("what the lie has hidden")
                    .isNotNull();
            assertThat(trust(point)).isEqualTo(Trust.SAMPLED);
            disk.lie(List.of());
            return point;
        }

        private void findIn(ModelPoint liar, List<ModelPoint> before) {
            List<ModelPoint> doubtful = new ArrayList<>(before);
            doubtful.add(liar);
            boolean wholly = random.nextInt(4) == 0;
            int most = wholly ? 1 : stripes;
            ModelPoint last;
            do {
                assertThat(most--).as("audits left to find the lie").isPositive();
                writeElsewhere();
                last = backup(wholly ? request(AuditMode.FULL).build() : sample);
                if (last.disks().get("disk").plan() == DiskPlan.CHANGED) {
                    doubtful.add(last);
                }
            } while (last.disks().get("disk").plan() == DiskPlan.CHANGED);
            assertThat(last.disks().get("disk").reason()).isEqualTo("AUDIT_MISMATCH");
            assertThat(trust(last)).isEqualTo(Trust.PROVEN);
            assertSuspects(doubtful);
        }

        /** What was found out is known even if its backup comes to nothing, and the next one mends it. */
        private void dieAtTheManifest(List<ModelPoint> before, ModelPoint liar) {
            ModelPoint none = history.backup(
                    guest,
                    request(AuditMode.FULL).build(),
                    ENDS[random.nextInt(ENDS.length)],
                    (number, call) -> call.startsWith("put points/"));
            if (none == null) {
                List<ModelPoint> doubtful = new ArrayList<>(before);
                doubtful.add(liar);
                assertSuspects(doubtful);
                ModelPoint next = backup(request(AuditMode.NONE).build());
                assertThat(next.disks().get("disk").reason()).isEqualTo("PARENT_SUSPECT");
                assertThat(trust(next)).isEqualTo(Trust.PROVEN);
            }
        }

        /** Everything is as it was, and the audits of as many backups as there are stripes compare the whole disk. */
        private void goOn() {
            writeElsewhere();
            assertThat(backup(sample).disks().get("disk").plan()).isEqualTo(DiskPlan.CHANGED);
            long runs = (disk.capacity() + RUN - 1) / RUN;
            long sum = 0;
            for (int stripe = 0; stripe < stripes; stripe++) {
                long compared = comparedBytes(backup(sample));
                sum += compared;
                assertThat(compared)
                        .isBetween(runs / stripes * RUN - RUN + 1, (runs + stripes - 1) / stripes * RUN)
                        .isBetween(0L, disk.capacity());
            }
            assertThat(sum).as("compared bytes of all stripes").isEqualTo(disk.capacity());
        }

        private void assertSuspects(List<ModelPoint> expected) {
            assertThat(history.repository().points())
                    .filteredOn(point -> history.repository().suspects(point).contains("disk"))
                    .containsExactlyElementsOf(expected);
        }

        private long comparedBytes(ModelPoint point) {
            for (JsonNode each : point.manifest().get("disks")) {
                if (each.get("id").textValue().equals("disk")) {
                    return each.get("audit").get("comparedBytes").longValue();
                }
            }
            throw new AssertionError("no disk");
        }

        private Trust trust(ModelPoint point) {
            return point.disks().get("disk").trust();
        }

        private ModelPoint backup(BackupRequest request) {
            return history.backup(guest, request, Trouble.Kind.NONE, Trouble.When.number(0));
        }

        private BackupRequest.Builder request(AuditMode audit) {
            return BackupRequest.builder(guest.id()).codec(Codec.NONE).audit(audit);
        }

        /** Changes the disk, or leaves it; the place of the lie stays as it is. */
        private void writeElsewhere() {
            long offset = random.nextInt((int) disk.capacity());
            int length = (int) Math.min(disk.capacity() - offset, random.nextInt(10_000));
            long first = offset / PlainBytes.BLOCK;
            if (random.nextBoolean()
                    && length > 0
                    && (chunk < first || chunk > (offset + length - 1) / PlainBytes.BLOCK)) {
                write(disk, offset, length);
            }
        }

        private void write(GuestDisk to, long offset, int length) {
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            to.write(offset, bytes);
        }
    }
}
