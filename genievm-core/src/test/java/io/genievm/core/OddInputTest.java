package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.InMemoryVm;
import java.nio.file.Files;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What a VM may be called and may hold, at the edges of what the API allows, comes back as it was. */
class OddInputTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("ids, names and documents of any characters are kept")
    void oddNames() {
        String id = "\u00e4 \"1\" {}\u2028\ud83d\ude00 " + "x".repeat(200);
        InMemoryVm vm = lab.hypervisor().addVm(id);
        vm.addDisk("\ud83d\ude00.raw", Lab.random(1, 5000));
        vm.addDisk("-", Lab.random(2, 5000));
        vm.addDisk("d" + "\u00e4".repeat(127), Lab.random(3, 5000));
        vm.name("line\nfeed \u0000 and \"quotes\"");
        vm.hardware(Map.of("a.xml", "<x a=\"1\"/>\r\n\u0001", "", ""));

        SessionId point = lab.backup(id).point();

        lab.assertWhole();
        lab.assertRestores(point);
        assertThat(lab.repository().points().points()).singleElement().satisfies(found -> {
            assertThat(found.vm()).isEqualTo(new VmId(id));
            assertThat(found.name()).isEqualTo("line\nfeed \u0000 and \"quotes\"");
        });
    }

    @Test
    @DisplayName("a name that is no Unicode is no reason to fail, and is kept as far as that goes")
    void noUnicode() {
        InMemoryVm vm = lab.hypervisor().addVm("web");
        vm.addDisk("root", Lab.random(1, 5000));
        vm.name("half \ud83d a pair");

        lab.backup("web");

        lab.assertWhole();
        assertThat(lab.repository().points().points().get(0).name())
                .startsWith("half ")
                .endsWith(" a pair");
    }

    @Test
    @DisplayName("a VM without disks, and disks of nothing, one byte and zeroes")
    void nearlyNothing() {
        lab.hypervisor().addVm("none");
        InMemoryVm vm = lab.hypervisor().addVm("little");
        vm.addDisk("nothing", 0);
        vm.addDisk("one", new byte[] {1});
        vm.addDisk("zero", new byte[] {0});
        vm.addDisk("zeroes", new byte[10_000]);
        vm.addDisk("last", 4097).write(4096, new byte[] {1});

        for (String each : new String[] {"none", "little"}) {
            SessionId point = lab.backup(each).point();
            lab.assertRestores(point);
            assertThat(lab.verify(new VerifyRequest(point, false)).isOk()).isTrue();
        }
        lab.assertWhole();
        assertThat(Files.exists(lab.restoreFolder().resolve("nothing"))).isTrue();
    }

    @Test
    @DisplayName("a manifest that would be too long is refused, and the session is given up")
    void hugeManifest() {
        InMemoryVm vm = lab.hypervisor().addVm("web");
        vm.addDisk("root", Lab.random(1, 5000));
        vm.hardware(Map.of("huge", "x".repeat(17 << 20)));

        GenieVmException failure = Lab.failureOf(lab.beginBackup("web"));

        assertThat(failure.code()).isEqualTo(ErrorCode.LIMIT_EXCEEDED);
        assertThat(store.keys("points/")).isEmpty();
        assertThat(store.keys("sessions/")).isEmpty();
        lab.assertWhole();
    }

    @Test
    @DisplayName("disks that come, go, grow and shrink")
    void changingDisks() {
        InMemoryVm vm = lab.addVm("web", 5_000_000);
        lab.backup("web");
        vm.disk("root").resize(4_100_001);
        vm.addDisk("new", Lab.random(5, 70_000));
        lab.backup("web");
        vm.disk("root").resize(9_000_000);
        vm.disk("root").write(8_500_000, Lab.random(6, 500_000));
        vm.removeDisk("new");
        lab.backup("web");
        vm.disk("root").resize(0);
        BackupReport last = lab.backup("web");

        assertThat(last.sequence()).isEqualTo(4);
        lab.points().forEach(lab::assertRestores);
        lab.assertWhole();
    }
}
