package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.testing.Interposed;
import io.genievm.core.testing.Lab;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** How far guests are brought to rest. */
class QuiesceTest {
    private static final VmId WEB = new VmId("web");

    private final Lab lab = new Lab();
    private final List<QuiesceMode> asked = new ArrayList<>();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("without a wish file systems are frozen where that may work, and nothing is asked where it can not")
    void automatic() {
        lab.addVm("web", 10_000);

        assertThat(backup(Set.of(), BackupRequest.builder(WEB))).isEmpty();
        assertThat(backup(Set.of(Capability.QUIESCE_APPLICATION), BackupRequest.builder(WEB)))
                .isEmpty();
        // Which this driver can not, and says so.
        assertThat(backup(Set.of(Capability.QUIESCE_FILE_SYSTEM), BackupRequest.builder(WEB)))
                .containsExactly("QUIESCE_REFUSED");
        assertThat(asked).containsExactly(QuiesceMode.NONE, QuiesceMode.NONE, QuiesceMode.FILE_SYSTEM);
    }

    @Test
    @DisplayName("a wish is passed on, also where it can not be met, which is a warning")
    void wished() {
        lab.addVm("web", 10_000);

        Set<Capability> may = Set.of(Capability.QUIESCE_FILE_SYSTEM);
        assertThat(backup(may, BackupRequest.builder(WEB).quiesce(QuiesceMode.NONE)))
                .isEmpty();
        assertThat(backup(may, BackupRequest.builder(WEB).quiesce(QuiesceMode.APPLICATION)))
                .containsExactly("QUIESCE_REFUSED");
        assertThat(backup(Set.of(), BackupRequest.builder(WEB).quiesce(QuiesceMode.FILE_SYSTEM)))
                .containsExactly("QUIESCE_REFUSED");
        assertThat(asked).containsExactly(QuiesceMode.NONE, QuiesceMode.APPLICATION, QuiesceMode.FILE_SYSTEM);
    }

    private List<String> backup(Set<Capability> claimed, BackupRequest.Builder request) {
        BackupReport report = Lab.await(lab.repository()
                .backup(
                        Interposed.claiming(lab.connection(), claimed, snapshot -> asked.add(snapshot.quiesce())),
                        request.build()));
        return report.warnings().stream().map(Warning::code).toList();
    }
}
