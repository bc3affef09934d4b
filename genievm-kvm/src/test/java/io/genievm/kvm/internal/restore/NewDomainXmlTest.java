package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathExpressionException;
import javax.xml.xpath.XPathFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

class NewDomainXmlTest {
    /** As libvirt prints it of a desktop with UEFI that runs, with more of everything than any has. */
    static final String DESKTOP = """
            <domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
              <name>desktop</name>
              <uuid>3fb5ab77-3e0c-4c4d-9b5e-0d9d0a8b7b10</uuid>
              <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
              <title>A &lt;desktop&gt; &amp; more</title>
              <metadata>
                <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
                  <libosinfo:os id="http://microsoft.com/win/11"/>
                </libosinfo:libosinfo>
              </metadata>
              <memory unit='KiB'>4194304</memory>
              <vcpu placement='static' cpuset='0'>2</vcpu>
              <sysinfo type='smbios'>
                <system>
                  <entry name='manufacturer'>somebody</entry>
                  <entry name='serial'>4711</entry>
                  <entry name='uuid'>3fb5ab77-3e0c-4c4d-9b5e-0d9d0a8b7b10</entry>
                </system>
              </sysinfo>
              <os>
                <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
                <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>
                <nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'>/var/lib/libvirt/qemu/nvram/desktop_VARS.fd</nvram>
                <smbios mode='sysinfo'/>
              </os>
              <features><acpi/><apic/><smm state='on'/></features>
              <cpu mode='host-passthrough' check='none' migratable='on'/>
              <on_poweroff>destroy</on_poweroff>
              <on_reboot>restart</on_reboot>
              <on_crash>preserve</on_crash>
              <devices>
                <emulator>/usr/bin/qemu-system-x86_64</emulator>
                <disk type='block' device='disk' snapshot='no'>
                  <driver name='qemu' type='raw' cache='none' io='native' discard='unmap'/>
                  <source dev='/dev/vg/desktop' index='3'><seclabel model='dac' relabel='no'/></source>
                  <backingStore/>
                  <target dev='sda' bus='scsi'/>
                  <iotune><total_iops_sec>1000</total_iops_sec></iotune>
                  <serial>WD-4711</serial>
                  <wwn>5000c50015ea71ad</wwn>
                  <boot order='2'/>
                  <alias name='scsi0-0-0-0'/>
                  <address type='drive' controller='0' bus='0' target='0' unit='0'/>
                </disk>
                <disk type='file' device='disk'>
                  <driver name='qemu' type='qcow2' queues='2'><metadata_cache><max_size unit='bytes'>1048576</max_size></metadata_cache></driver>
                  <source file='/srv/top.qcow2' index='1'><encryption format='luks'><secret type='passphrase' uuid='f52a81b2-424e-490c-823d-6bd4235bc572'/></encryption></source>
                  <backingStore type='file' index='4'>
                    <format type='qcow2'/><source file='/srv/base.qcow2'/><backingStore/>
                  </backingStore>
                  <mirror type='file' job='copy'><source file='/srv/copy'/></mirror>
                  <target dev='vda' bus='virtio'/>
                  <shareable/>
                  <alias name='ua-first'/>
                  <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
                </disk>
                <disk type='network' device='disk'>
                  <driver name='qemu' type='raw'/>
                  <auth username='admin'><secret type='ceph' usage='x'/></auth>
                  <source protocol='rbd' name='pool/left-out'><host name='h' port='6789'/></source>
                  <target dev='vdb' bus='virtio'/>
                </disk>
                <disk type='network' device='cdrom'>
                  <driver name='qemu' type='raw'/>
                  <source protocol='https' name='install.iso'><host name='h' port='443'/></source>
                  <target dev='sdb' bus='sata' tray='open'/>
                  <readonly/>
                  <boot order='1'/>
                </disk>
                <disk type='file' device='floppy'>
                  <source file='/srv/floppy.img'/>
                  <target dev='fda' bus='fdc'/>
                </disk>
                <controller type='scsi' index='0' model='virtio-scsi'><alias name='scsi0'/></controller>
                <interface type='bridge'>
                  <mac address='52:54:00:12:34:56'/>
                  <source bridge='br0' portid='7c1cbb4b-5d5a-4d8b-a2f9-1e34e3d7c7f0'/>
                  <virtualport type='openvswitch'>
                    <parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='web'/>
                  </virtualport>
                  <target dev='tap-desktop'/>
                  <model type='virtio'/>
                  <boot order='3'/>
                </interface>
                <interface type='ethernet'>
                  <mac address='52:54:00:12:34:57'/>
                  <target dev='given' managed='no'/>
                </interface>
                <serial type='file'>
                  <source path='/var/log/desktop.log' append='on'/>
                  <log file='/var/log/desktop.copy' append='on'/>
                  <target type='isa-serial' port='0'/>
                </serial>
                <serial type='tcp'>
                  <source mode='bind' host='127.0.0.1' service='4555'/><protocol type='telnet'/>
                  <target type='isa-serial' port='1'/>
                </serial>
                <serial type='tcp'>
                  <source mode='connect' host='collector' service='4555'/><protocol type='raw'/>
                  <target type='isa-serial' port='2'/>
                </serial>
                <console type='file' tty='/dev/pts/3'>
                  <source path='/var/log/desktop.log' append='on'/>
                  <target type='serial' port='0'/>
                </console>
                <channel type='unix'>
                  <source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-7-desktop/org.qemu.guest_agent.0'/>
                  <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
                </channel>
                <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
                <graphics type='spice' port='5901' tlsPort='5902' autoport='no' listen='0.0.0.0' passwd='*****'>
                  <listen type='address' address='0.0.0.0'/>
                </graphics>
                <graphics type='vnc' port='5903' autoport='no' websocket='5704'/>
                <graphics type='vnc' socket='/run/desktop.vnc'><listen type='socket' socket='/run/desktop.vnc'/></graphics>
                <hostdev mode='subsystem' type='pci' managed='yes'>
                  <source><address domain='0x0000' bus='0x06' slot='0x00' function='0x0'/></source>
                </hostdev>
                <memory model='nvdimm'>
                  <source><path>/srv/nvdimm</path></source><target><size unit='MiB'>128</size><node>0</node></target>
                </memory>
                <vsock model='virtio'><cid auto='no' address='3'/></vsock>
              </devices>
              <seclabel type='static' model='selinux' relabel='yes'><label>system_u:system_r:svirt_t:s0:c1,c2</label></seclabel>
              <seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+64055</label><imagelabel>+64055:+64055</imagelabel></seclabel>
              <seclabel type='none' model='apparmor'/>
              <qemu:commandline><qemu:arg value='-no-user-config'/></qemu:commandline>
            </domain>
            """;

    private static final Path NVRAM = Path.of("/d/new_VARS.fd");

    @Test
    void whatIsDrawnAnew() {
        Document xml = make(DESKTOP, "qcow2", NVRAM, "sda", "vda");

        assertThat(text(xml, "/domain/name")).containsExactly("new");
        assertThat(text(xml, "//uuid")).isEmpty();
        assertThat(text(xml, "/domain/@id")).isEmpty();
        assertThat(text(xml, "/domain/genid")).containsExactly("");
        assertThat(text(xml, "//sysinfo//entry/@name")).containsExactly("manufacturer", "serial");
        assertThat(text(xml, "//mac")).isEmpty();
        assertThat(text(xml, "//interface/target/@dev")).containsExactly("given");
        assertThat(text(xml, "//@portid | //@interfaceid")).isEmpty();
        assertThat(text(xml, "//vsock/cid/@auto")).containsExactly("yes");
        assertThat(text(xml, "//vsock/cid/@address")).isEmpty();
        assertThat(text(xml, "//seclabel/@type")).containsExactly("dynamic", "none");
        assertThat(text(xml, "//seclabel/label | //seclabel/imagelabel")).isEmpty();
        assertThat(text(xml, "//alias/@name")).containsExactly("ua-first");
    }

    @Test
    void whatStays() {
        Document xml = make(DESKTOP, "qcow2", NVRAM, "sda", "vda");

        assertThat(text(xml, "/domain/@type")).containsExactly("kvm");
        assertThat(text(xml, "/domain/title")).containsExactly("A <desktop> & more");
        assertThat(text(xml, "/domain/metadata//@id")).containsExactly("http://microsoft.com/win/11");
        assertThat(text(xml, "//*[local-name() = 'arg']/@value")).containsExactly("-no-user-config");
        assertThat(text(xml, "/domain/os/loader/@secure")).containsExactly("yes");
        assertThat(text(xml, "/domain/cpu/@mode")).containsExactly("host-passthrough");
        assertThat(text(xml, "/domain/on_crash")).containsExactly("preserve");
        assertThat(text(xml, "//emulator")).containsExactly("/usr/bin/qemu-system-x86_64");
        assertThat(text(xml, "//hostdev/@type")).containsExactly("pci");
        assertThat(text(xml, "//interface/source/@bridge")).containsExactly("br0");
        assertThat(text(xml, "//parameters/@profileid")).containsExactly("web");
        assertThat(text(xml, "//boot/@order")).containsExactly("2", "1", "3");
        assertThat(text(xml, "//controller/@model")).containsExactly("virtio-scsi");
    }

    @Test
    void whatReachesForTheHost() {
        assertThat(NewDomainXml.hostAccessOf(NewDomainXml.PLAIN)).isEmpty();
        assertThat(NewDomainXml.hostAccessOf(DESKTOP)).containsExactly("hostdev", "qemu:commandline");
        String other = NewDomainXml.PLAIN.replace("</devices>", """
                <interface type='ethernet'><script path='/tmp/up'/><downscript path='/tmp/down'/></interface>
                <interface type='hostdev'><source><address type='pci' bus='0x06'/></source></interface>
                <filesystem type='mount'><source dir='/'/><target dir='root'/></filesystem>
                <redirdev bus='usb' type='spicevmc'/>
                </devices>
                """);
        assertThat(NewDomainXml.hostAccessOf(other))
                .containsExactly("downscript", "filesystem", "interface type='hostdev'", "script");
    }

    @Test
    void disksAreThoseOfTheRequestWithTheirNewFiles() {
        Document xml = make(DESKTOP, "raw", null, "sda", "vda");

        assertThat(text(xml, "//disk/target/@dev")).containsExactly("sda", "vda", "sdb", "fda");
        assertThat(text(xml, "//disk/@type")).containsOnly("file");
        assertThat(text(xml, "//disk[@device = 'disk']/source/@*")).containsExactly("/d/sda", "/d/vda");
        assertThat(text(xml, "//disk[@device = 'disk']/source/*")).isEmpty();
        assertThat(text(xml, "//disk[@device = 'disk']/driver/@type")).containsExactly("raw", "raw");
        assertThat(text(xml, "//disk[1]/driver/@*"))
                .containsExactlyInAnyOrder("qemu", "raw", "none", "native", "unmap");
        assertThat(text(xml, "//disk[2]/driver/@queues")).containsExactly("2");
        assertThat(text(xml, "//metadata_cache | //backingStore | //mirror | //auth | //encryption | //shareable"))
                .isEmpty();
        assertThat(text(xml, "//disk/serial")).containsExactly("WD-4711");
        assertThat(text(xml, "//disk/wwn")).containsExactly("5000c50015ea71ad");
        assertThat(text(xml, "//disk/iotune/*")).containsExactly("1000");
        assertThat(text(xml, "//disk[1]/address/@type")).containsExactly("drive");
        assertThat(children(xml, "//disk[1]"))
                .containsExactly("driver", "source", "target", "iotune", "serial", "wwn", "boot", "address");
    }

    @Test
    void qcow2KeepsWhatIsOfQcow2() {
        Document xml = make(DESKTOP, "qcow2", null, "vda");

        assertThat(text(xml, "//disk[@device = 'disk']/target/@dev")).containsExactly("vda");
        assertThat(text(xml, "//metadata_cache/max_size")).containsExactly("1048576");
    }

    @Test
    void drivesAreEmpty() {
        Document xml = make(DESKTOP, "qcow2", null, "sda");

        assertThat(text(xml, "//disk[@device != 'disk']/target/@dev")).containsExactly("sdb", "fda");
        assertThat(text(xml, "//disk[@device != 'disk']/source")).isEmpty();
        assertThat(text(xml, "//@tray")).isEmpty();
        assertThat(text(xml, "//disk[@device = 'cdrom']/readonly")).hasSize(1);
    }

    @Test
    void aLunBecomesADiskOfAFile() {
        String lun = DESKTOP.replace(
                "<disk type='block' device='disk' snapshot='no'>",
                "<disk type='block' device='lun' rawio='yes' sgio='unfiltered'>");
        Document xml = make(lun, "qcow2", null, "sda");

        assertThat(text(xml, "//disk[target/@dev = 'sda']/@device")).containsExactly("disk");
        assertThat(text(xml, "//disk/@rawio | //disk/@sgio")).isEmpty();
    }

    @Test
    void aDiskThatTheDefinitionDoesNotHaveIsAdded() {
        // sdb is the target of the CD-ROM drive.
        Document xml = make(DESKTOP, "qcow2", null, "disk.raw", "sda", "sdb", "sdz", "vda", "vdc");

        assertThat(text(xml, "//disk[@device = 'disk']/target/@dev"))
                .containsExactlyInAnyOrder("sda", "vda", "vdb", "vdd", "sdz", "vdc");
        assertThat(text(xml, "//disk[source/@file = '/d/disk.raw']/target/@dev"))
                .containsExactly("vdb");
        assertThat(text(xml, "//disk[source/@file = '/d/sdb']/target/@dev")).containsExactly("vdd");
        assertThat(text(xml, "//disk[source/@file = '/d/sdz']/target/@bus")).containsExactly("sata");
        assertThat(text(xml, "//disk[source/@file = '/d/vdc']/target/@bus")).containsExactly("virtio");
    }

    @Test
    void firmwareVariables() {
        Document with = make(DESKTOP, "qcow2", NVRAM, "sda");
        assertThat(text(with, "/domain/os/nvram")).containsExactly("/d/new_VARS.fd");
        assertThat(text(with, "/domain/os/nvram/@*")).isEmpty();

        Document without = make(DESKTOP, "qcow2", null, "sda");
        assertThat(text(without, "/domain/os/nvram")).containsExactly("");
        assertThat(text(without, "/domain/os/nvram/@template")).containsExactly("/usr/share/OVMF/OVMF_VARS_4M.ms.fd");

        String bySource = DESKTOP.replaceFirst(
                "<nvram.*</nvram>", "<nvram type='file' format='qcow2'><source file='/old.qcow2'/></nvram>");
        assertThat(text(make(bySource, "qcow2", NVRAM, "sda"), "/domain/os/nvram"))
                .containsExactly("/d/new_VARS.fd");
        assertThat(text(make(bySource, "qcow2", NVRAM, "sda"), "/domain/os/nvram/@*"))
                .containsExactly("qcow2");
        assertThat(text(make(bySource, "qcow2", null, "sda"), "/domain/os/nvram"))
                .isEmpty();
    }

    @Test
    void whatOneDomainAloneCanListenOn() {
        Document xml = make(DESKTOP, "qcow2", null, "sda");

        assertThat(text(xml, "//serial/@type")).containsExactly("pty", "pty", "tcp");
        assertThat(text(xml, "//console/@type")).containsExactly("pty");
        assertThat(text(xml, "//console/@tty | //serial/log")).isEmpty();
        assertThat(text(xml, "//serial/source/@host")).containsExactly("collector");
        assertThat(text(xml, "//channel/@type")).containsExactly("unix", "spicevmc");
        assertThat(text(xml, "//channel/source")).isEmpty();
        assertThat(text(xml, "//graphics[1]/@port | //graphics[1]/@tlsPort")).containsExactly("-1", "-1");
        assertThat(text(xml, "//graphics[1]/@passwdValidTo")).containsExactly("1970-01-01T00:00:01");
        assertThat(text(xml, "//graphics[2]/@port | //graphics[2]/@websocket | //graphics[2]/@autoport"))
                .containsExactlyInAnyOrder("-1", "-1", "yes");
        assertThat(text(xml, "//graphics/@socket | //listen/@socket")).isEmpty();
        assertThat(text(xml, "//graphics[3]/listen/@type")).containsExactly("socket");
        assertThat(text(xml, "//graphics[3]/@autoport")).isEmpty();
        assertThat(text(xml, "//memory[@model]")).isEmpty();
    }

    @Test
    void anotherType() {
        Document xml = parse(NewDomainXml.of(DESKTOP, parts("qemu", "qcow2", null, program -> false, "sda")));

        assertThat(text(xml, "/domain/@type")).containsExactly("qemu");
        assertThat(text(xml, "/domain/cpu/@mode")).containsExactly("maximum");
        assertThat(text(xml, "/domain/cpu/@migratable")).isEmpty();
        assertThat(text(xml, "//emulator")).isEmpty();
    }

    @Test
    void aPlainDomain() {
        Document xml = make(NewDomainXml.PLAIN, "raw", null, "a disk.img", "vda", "vdz");

        assertThat(text(xml, "//disk/target/@dev")).containsExactly("vdb", "vda", "vdz");
        assertThat(text(xml, "//disk/target/@bus")).containsOnly("virtio");
        assertThat(text(xml, "//disk/source/@file")).containsExactly("/d/a disk.img", "/d/vda", "/d/vdz");
        assertThat(text(xml, "//interface")).isEmpty();
        assertThat(text(xml, "//channel/target/@name")).containsExactly("org.qemu.guest_agent.0");
    }

    @Test
    void moreDisksThanLetters() {
        String[] ids = new String[30];
        Arrays.setAll(ids, "disk %02d"::formatted);
        Document xml = make(NewDomainXml.PLAIN, "raw", null, ids);

        assertThat(text(xml, "//disk/target/@dev"))
                .hasSize(30)
                .doesNotHaveDuplicates()
                .contains("vdz", "vdaa", "vdad");
    }

    @Test
    void namesAndPathsAreNoMarkup() {
        String name = "a<b>&'\"]]> \u00e4\ud83d\ude00";
        SortedMap<DiskId, Path> disks = new TreeMap<>();
        disks.put(new DiskId("vda"), Path.of("/d/" + name + ".qcow2"));
        Document xml = parse(NewDomainXml.of(
                NewDomainXml.PLAIN,
                new NewDomainXml.Parts(name, null, "qcow2", disks, Path.of("/d/" + name), program -> true)));

        assertThat(text(xml, "/domain/name")).containsExactly(name);
        assertThat(text(xml, "//disk/source/@file")).containsExactly("/d/" + name + ".qcow2");
        assertThat(text(xml, "//nvram")).containsExactly("/d/" + name);
        assertThat(text(xml, "/domain/*")).hasSize(7);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "no xml",
                "<domain type='kvm'><name>a</name>",
                "<domainsnapshot/>",
                "<domain type='kvm'><name>a</name></domain>",
                "<domain type='kvm'><devices/></domain>",
                "<domain type='xen'><name>a</name><devices/></domain>",
                "<domain><name>a</name><devices/></domain>",
                "<domain type='kvm' xmlns='urn:x'><name>a</name><devices/></domain>",
                "<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain type='kvm'><name>&e;</name>"
                        + "<devices/></domain>"
            })
    void whatIsNoDefinition(String text) {
        assertIsRefused(text);
    }

    @Test
    void whatIsTooDeep() {
        int depth = 100_000;
        assertIsRefused("<domain type='kvm'><name>a</name><devices/>" + "<a>".repeat(depth) + "</a>".repeat(depth)
                + "</domain>");
    }

    private static void assertIsRefused(String text) {
        Throwable failure = catchThrowable(() -> make(text, "qcow2", null, "vda"));
        assertThat(failure).isInstanceOf(GenieVmException.class);
        assertThat(((GenieVmException) failure).code()).isEqualTo(ErrorCode.IO_ERROR);
        assertThat(failure).hasMessageContaining("domain.xml");
    }

    private static Document make(String original, String format, @Nullable Path nvram, String... disks) {
        return parse(NewDomainXml.of(original, parts(null, format, nvram, program -> true, disks)));
    }

    private static NewDomainXml.Parts parts(
            @Nullable String type, String format, @Nullable Path nvram, Predicate<String> isProgram, String... disks) {
        SortedMap<DiskId, Path> files = new TreeMap<>();
        for (String disk : disks) {
            files.put(new DiskId(disk), Path.of("/d/" + disk));
        }
        return new NewDomainXml.Parts("new", type, format, files, nvram, isProgram);
    }

    static Document parse(String text) {
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultInstance();
            factory.setNamespaceAware(true);
            return factory.newDocumentBuilder().parse(new InputSource(new StringReader(text)));
        } catch (SAXException | IOException | ParserConfigurationException e) {
            throw new AssertionError(text, e);
        }
    }

    static List<String> text(Document document, String path) {
        return nodes(document, path).stream().map(Node::getTextContent).toList();
    }

    private static List<String> children(Document document, String path) {
        List<String> names = new ArrayList<>();
        for (Node parent : nodes(document, path)) {
            for (Node child = parent.getFirstChild(); child != null; child = child.getNextSibling()) {
                if (child.getNodeType() == Node.ELEMENT_NODE) {
                    names.add(child.getLocalName());
                }
            }
        }
        return names;
    }

    private static List<Node> nodes(Document document, String path) {
        try {
            NodeList list = (NodeList)
                    XPathFactory.newDefaultInstance().newXPath().evaluate(path, document, XPathConstants.NODESET);
            List<Node> nodes = new ArrayList<>();
            for (int i = 0; i < list.getLength(); i++) {
                nodes.add(list.item(i));
            }
            return nodes;
        } catch (XPathExpressionException e) {
            throw new AssertionError(path, e);
        }
    }
}
