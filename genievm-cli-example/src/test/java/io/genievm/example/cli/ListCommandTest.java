package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.DiskPlan;
import io.genievm.core.RestorePoint;
import io.genievm.core.Trust;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class ListCommandTest {
    @Test
    void vmsAreMixedByTimeButAClockThatRanBackwardsDoesNotReorderTheirPoints() {
        RestorePoint db1 = point("db", 1, 300);
        RestorePoint db2 = point("db", 2, 100);
        RestorePoint db3 = point("db", 3, 400);
        RestorePoint web1 = point("web", 1, 200);
        RestorePoint web2 = point("web", 2, 350);

        assertThat(ListCommand.oldestFirst(List.of(db1, db2, db3, web1, web2)))
                .containsExactly(web1, db1, db2, web2, db3);
    }

    @Test
    void trustIsToldOnceWhereItIsThatOfAllDisks() {
        assertThat(trust()).isEqualTo("-");
        assertThat(trust(disk("a", Trust.PROVEN, 1), disk("b", Trust.PROVEN, 1)))
                .isEqualTo("proven");
        assertThat(trust(disk("a", Trust.SAMPLED, 0.129), disk("b", Trust.SAMPLED, 0.125)))
                .isEqualTo("sampled 12 %");
        assertThat(trust(disk("a", Trust.SUSPECT, 0.5), disk("b", Trust.SUSPECT, 0.6)))
                .isEqualTo("suspect");
    }

    @Test
    void trustIsToldDiskByDiskWhereItDiffers() {
        assertThat(trust(disk("a", Trust.PROVEN, 1), disk("b", Trust.SUSPECT, 0), disk("c", Trust.SAMPLED, 0.999)))
                .isEqualTo("a proven, b suspect, c sampled 99 %");
    }

    @Test
    void someIsNotNothing() {
        assertThat(trust(disk("a", Trust.SAMPLED, 0))).isEqualTo("sampled 0 %");
        assertThat(trust(disk("a", Trust.SAMPLED, 0.001))).isEqualTo("sampled <1 %");
        assertThat(trust(disk("a", Trust.SAMPLED, 1))).isEqualTo("sampled 100 %");
    }

    private static String trust(RestorePoint.Disk... disks) {
        return ListCommand.trust(point("web", 1, 0, disks));
    }

    private static RestorePoint.Disk disk(String id, Trust trust, double coveredShare) {
        return new RestorePoint.Disk(new DiskId(id), 1, DiskPlan.CHANGED, null, trust, coveredShare, null, true);
    }

    private static RestorePoint point(String vm, long sequence, long second, RestorePoint.Disk... disks) {
        return new RestorePoint(
                new SessionId("%032x".formatted(vm.hashCode() * 31L + sequence)),
                new VmId(vm),
                vm,
                sequence,
                null,
                Instant.ofEpochSecond(second),
                "images",
                List.of(disks),
                List.of());
    }
}
