package io.genievm.kvm.internal.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BackupXmlTest {
    private static final Path HARD = Path.of("/run/a & <b> 'c' \"d\"\tä\uD83D\uDE00/s");

    @Test
    void aJobOfAllKindsOfDisks() {
        String xml = BackupXml.backup(
                Path.of("/run/s.sock"),
                List.of(
                        new BackupXml.BackupDisk("vda", Path.of("/tmp/a"), null, "ignored"),
                        new BackupXml.BackupDisk("vdb", Path.of("/tmp/b"), "cp1", "changes")),
                List.of("sda"));

        assertThat(xml).isEqualTo("""
                        <domainbackup mode='pull'>
                          <server transport='unix' socket='/run/s.sock'/>
                          <disks>
                            <disk name='vda' backup='yes' type='file' backupmode='full' exportname='vda'>
                              <driver type='qcow2'/>
                              <scratch file='/tmp/a'/>
                            </disk>
                            <disk name='vdb' backup='yes' type='file' backupmode='incremental' incremental='cp1' \
                        exportname='vdb' exportbitmap='changes'>
                              <driver type='qcow2'/>
                              <scratch file='/tmp/b'/>
                            </disk>
                            <disk name='sda' backup='no'/>
                          </disks>
                        </domainbackup>
                        """);
        assertThat(BackupXml.socketOf(xml)).isEqualTo(Path.of("/run/s.sock"));
        assertThat(BackupXml.scratchFilesOf(xml)).containsExactly(Path.of("/tmp/a"), Path.of("/tmp/b"));
        assertThat(BackupXml.targetsOf(xml, null)).containsExactly("sda", "vda", "vdb");
    }

    @Test
    void whatHasAMeaningInXmlComesBackAsItWas() {
        String xml = BackupXml.backup(
                HARD, List.of(new BackupXml.BackupDisk("vda", HARD.resolve("x"), "cp & 'é'", "b<")), List.of());

        assertThat(BackupXml.socketOf(xml)).isEqualTo(HARD);
        assertThat(BackupXml.scratchFilesOf(xml)).containsExactly(HARD.resolve("x"));
        assertThat(xml).contains("incremental='cp &amp; &apos;é&apos;'").contains("exportbitmap='b&lt;'");
    }

    @Test
    void aCheckpointComesBackAsItWas() {
        String xml = BackupXml.checkpoint(
                "cp-1", "of <session> & 'more'", 1_700_000_000L, List.of("vda", "vdb"), List.of("sda"));

        assertThat(BackupXml.checkpointOf(xml, Resource.NONE))
                .isEqualTo(new LibvirtDomain.Checkpoint(
                        "cp-1", "of <session> & 'more'", 1_700_000_000L, Map.of("vda", "cp-1", "vdb", "cp-1")));
        assertThat(xml).contains("<disk name='sda' checkpoint='no'/>");
        assertThat(BackupXml.checkpoint("cp", "", null, List.of("vda"), List.of()))
                .doesNotContain("creationTime");
    }

    @Test
    void aCheckpointAsLibvirtWritesIt() {
        assertThat(BackupXml.checkpointOf("""
                        <domaincheckpoint>
                          <name>1525889631</name>
                          <parent><name>1525111885</name></parent>
                          <creationTime>1525889631</creationTime>
                          <disks>
                            <disk name='vda' checkpoint='bitmap' bitmap='1525889631'/>
                            <disk name='vdb' checkpoint='no'/>
                            <disk name='vdc' checkpoint='bitmap' bitmap='other'/>
                          </disks>
                        </domaincheckpoint>
                        """, Resource.NONE))
                .isEqualTo(new LibvirtDomain.Checkpoint(
                        "1525889631", "", 1_525_889_631L, Map.of("vda", "1525889631", "vdc", "other")));
    }

    @Test
    void aJobOfSomebodyElseHasNoSocketOfOurs() {
        assertThat(BackupXml.socketOf(
                        "<domainbackup mode='push'><disks><disk name='vda' backup='yes' type='file'><driver"
                                + " type='qcow2'/><target file='/b.qcow2'/></disk></disks></domainbackup>"))
                .isNull();
        String tcp = "<domainbackup mode='pull'><server transport='tcp' name='localhost' port='10809'/><disks><disk"
                + " name='vda' backup='yes' type='block'><scratch dev='/dev/x'/></disk></disks></domainbackup>";
        assertThat(BackupXml.socketOf(tcp)).isNull();
        assertThat(BackupXml.scratchFilesOf(tcp)).isEmpty();
        assertThat(BackupXml.socketOf("<domainbackup mode='pull'/>")).isNull();
    }

    @Test
    void refusesWhatXmlCanNotHoldAndWhatIsNone() {
        assertThatThrownBy(() -> BackupXml.checkpoint("a\u0000b", "", null, List.of(), List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("U+0000");
        assertThatThrownBy(() -> BackupXml.checkpoint("a", "\uD800", null, List.of(), List.of()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> BackupXml.socketOf("<domainbackup")).isInstanceOf(GenieVmException.class);
        assertThatThrownBy(() -> BackupXml.scratchFilesOf("<domain/>")).isInstanceOf(GenieVmException.class);
        assertThatThrownBy(() -> BackupXml.checkpointOf("<domaincheckpoint/>", Resource.NONE))
                .isInstanceOf(GenieVmException.class);
        assertThatThrownBy(() -> BackupXml.checkpointOf(
                        "<domaincheckpoint><name>a</name><creationTime>soon</creationTime></domaincheckpoint>",
                        Resource.NONE))
                .isInstanceOf(GenieVmException.class);
    }
}
