package io.genievm.core.model;

import io.genievm.core.testing.Seeds;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever happens to VMs, hypervisor and processes in whatever order: every point is what its VM was at its moment. */
class BackupHistoryPropertyTest {
    @TempDir
    private Path directory;

    @Test
    @DisplayName("5 histories")
    void histories() {
        Seeds.run(BackupHistoryPropertyTest.class, "histories", 5, this::run);
    }

    @Test
    @Tag("torture")
    @DisplayName("1000 histories")
    void manyHistories() {
        Seeds.torture(BackupHistoryPropertyTest.class, "manyHistories", 1000, this::run);
    }

    private void run(Random random) {
        try (History history = History.random(random, directory, false)) {
            history.run();
        }
    }
}
