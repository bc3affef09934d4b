package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.RestorePoint;
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

    private static RestorePoint point(String vm, long sequence, long second) {
        return new RestorePoint(
                new SessionId("%032x".formatted(vm.hashCode() * 31L + sequence)),
                new VmId(vm),
                vm,
                sequence,
                null,
                Instant.ofEpochSecond(second),
                "images",
                List.of(),
                List.of());
    }
}
