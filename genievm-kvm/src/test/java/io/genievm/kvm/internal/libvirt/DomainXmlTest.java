package io.genievm.kvm.internal.libvirt;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DomainXmlTest {
    /** As libvirt 9.0 writes it of a domain that runs, shortened where nothing is read. */
    private static final String RUNNING = """
            <domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
              <name>web &amp; co</name>
              <uuid>0d001520-4072-4f77-bef6-aa9fab0734a3</uuid>
              <metadata><app:disk xmlns:app='urn:app'><name>not this one</name></app:disk></metadata>
              <os firmware='efi'>
                <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
                <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
                <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>
              </os>
              <devices>
                <emulator>/usr/bin/qemu-system-x86_64</emulator>
                <disk type='file' device='disk'>
                  <driver name='qemu' type='qcow2' discard='unmap'/>
                  <source file='/images/b &amp; c.qcow2' index='2'/>
                  <backingStore type='file' index='4'>
                    <format type='qcow2'/><source file='/images/base.qcow2'/><backingStore/>
                  </backingStore>
                  <target dev='vdb' bus='virtio'/>
                  <shareable/>
                  <alias name='virtio-disk1'/>
                </disk>
                <disk type='block' device='disk'>
                  <driver name='qemu' type='raw'/>
                  <source dev='/dev/vg/root' index='3'/>
                  <target dev='vda' bus='virtio'/>
                </disk>
                <disk type='file' device='cdrom'>
                  <driver name='qemu'/>
                  <target dev='sda' bus='sata'/>
                  <readonly/>
                </disk>
                <disk type='network' device='disk'>
                  <driver name='qemu' type='raw'/>
                  <source protocol='rbd' name='pool/image'><host name='mon' port='6789'/></source>
                  <target dev='vdc' bus='virtio'/>
                  <transient/>
                </disk>
                <disk type='block' device='lun'><source dev='/dev/sdx'/><target dev='sdb' bus='scsi'/></disk>
                <disk type='file' device='floppy'><source file='/f.img'/><target dev='fda' bus='fdc'/></disk>
                <disk><source file='/plain'/><target dev='vdd'/></disk>
                <channel type='unix'>
                  <source mode='bind' path='/run/x'/>
                  <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
                </channel>
                <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
                <of-the-future disk='1'/>
              </devices>
            </domain>
            """;

    private static String domain(String devices) {
        return "<domain><name>d</name><devices>" + devices + "</devices></domain>";
    }

    @Test
    void readsWhatLibvirtWrites() {
        DomainXml xml = DomainXml.parse(RUNNING);

        assertThat(xml.name()).isEqualTo("web & co");
        assertThat(xml.uuid()).isEqualTo("0d001520-4072-4f77-bef6-aa9fab0734a3");
        assertThat(xml.nvram()).contains("/var/lib/libvirt/qemu/nvram/web_VARS.fd");
        assertThat(xml.hasTpm()).isTrue();
        assertThat(xml.hasAgentChannel()).isTrue();
        assertThat(xml.disks())
                .containsExactly(
                        disk("fda", DomainXml.Device.FLOPPY, "file", "/f.img", "raw"),
                        new DomainXml.Disk(
                                "sda", DomainXml.Device.CDROM, "file", null, false, "raw", true, false, false),
                        disk("sdb", DomainXml.Device.LUN, "block", "/dev/sdx", "raw"),
                        disk("vda", DomainXml.Device.DISK, "block", "/dev/vg/root", "raw"),
                        new DomainXml.Disk(
                                "vdb",
                                DomainXml.Device.DISK,
                                "file",
                                "/images/b & c.qcow2",
                                true,
                                "qcow2",
                                false,
                                true,
                                false),
                        new DomainXml.Disk(
                                "vdc", DomainXml.Device.DISK, "network", null, true, "raw", false, false, true),
                        disk("vdd", DomainXml.Device.DISK, "file", "/plain", "raw"));
    }

    private static DomainXml.Disk disk(
            String target, DomainXml.Device device, String type, String source, String format) {
        return new DomainXml.Disk(target, device, type, source, true, format, false, false, false);
    }

    @Test
    void whatIsNotThereIsNot() {
        DomainXml xml = DomainXml.parse("<domain><name> d </name></domain>");

        assertThat(xml.name()).isEqualTo("d");
        assertThat(xml.uuid()).isEmpty();
        assertThat(xml.disks()).isEmpty();
        assertThat(xml.nvram()).isEmpty();
        assertThat(xml.hasTpm()).isFalse();
        assertThat(xml.hasAgentChannel()).isFalse();
    }

    @Test
    void aPartOfAFileIsNoImageThatCanBeOpenedByItsPath() {
        DomainXml.Disk disk = DomainXml.parse(
                        domain(
                                "<disk type='file'><source file='/f'><slices>"
                                        + "<slice type='storage' offset='4096' size='8192'/></slices></source><target dev='vda'/></disk>"))
                .disks()
                .get(0);
        assertThat(disk.source()).isNull();
        assertThat(disk.hasSource()).isTrue();
    }

    @Test
    void firmwareVariablesAreInASourceSince85() {
        assertThat(DomainXml.parse("<domain><name>d</name><os><nvram type='file' format='qcow2'><source file='/v'/>"
                                + "</nvram></os></domain>")
                        .nvram())
                .contains("/v");
        assertThat(DomainXml.parse("<domain><name>d</name><os><nvram type='network'><source protocol='iscsi'/>"
                                + "</nvram></os></domain>")
                        .nvram())
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "<source/>", "<source file=''/>", "<source startupPolicy='optional' index='1'/>"})
    void aDriveWithoutMediumHasNoSource(String source) {
        DomainXml.Disk disk = DomainXml.parse(
                        domain("<disk type='file' device='cdrom'>" + source + "<target dev='sda'/></disk>"))
                .disks()
                .get(0);

        assertThat(disk.hasSource()).isFalse();
        assertThat(disk.source()).isNull();
    }

    @Test
    void findsTheDiskOfANode() {
        assertThat(DomainXml.targetOfNode(RUNNING, "libvirt-2-format")).isEqualTo("vdb");
        assertThat(DomainXml.targetOfNode(RUNNING, "libvirt-3-storage")).isEqualTo("vda");
        assertThat(DomainXml.targetOfNode(RUNNING, "libvirt-9-format")).isNull();
        assertThat(DomainXml.targetOfNode(RUNNING, "#block123")).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "text",
                "<domain>",
                "<domain/>",
                "<domain><name/></domain>",
                "<network><name>d</name></network>",
                "<domain><name>d</name><devices><disk/></devices></domain>",
                "<domain><name>d</name><devices><disk><target/></disk></devices></domain>",
                "<domain><name>d</name><devices><disk device='drum'><target dev='a'/></disk></devices></domain>",
                "<!DOCTYPE domain><domain><name>d</name></domain>",
                "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain><name>d</name></domain>",
                "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><domain><name>&x;</name></domain>",
                "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><domain><name>&b;</name></domain>",
                "<domain><name>&unknown;</name></domain>",
                "<domain><name>\u0001</name></domain>"
            })
    void refusesWhatIsNone(String xml) {
        PrintStream stderr = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setErr(new PrintStream(printed, true));
        try {
            assertThatThrownBy(() -> DomainXml.parse(xml))
                    .isInstanceOfSatisfying(
                            GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.IO_ERROR));
        } finally {
            System.setErr(stderr);
        }
        assertThat(printed.toString(UTF_8)).isEmpty();
    }

    @Test
    void refusesWhatIsTooLong() {
        String xml = domain("<!--" + "x".repeat(17 << 20) + "-->");

        assertThatThrownBy(() -> DomainXml.parse(xml)).isInstanceOf(GenieVmException.class);
    }

    @Test
    void readsWhatIsDeep() {
        String xml = domain("<a>".repeat(100_000) + "</a>".repeat(100_000));

        assertThat(DomainXml.parse(xml).disks()).isEmpty();
    }
}
