package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.storage.internal.file.Failing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Which folders are VMs and which files are disks. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class FolderOfVmsTest {
    @TempDir
    private Path directory;

    private Path web;

    @BeforeEach
    void makeVm() throws IOException {
        web = Files.createDirectories(directory.resolve("vms/web"));
        Files.write(web.resolve("root.raw"), new byte[513]);
    }

    @Test
    void everyFolderIsAVmAndNothingElse() throws IOException {
        Path vms = Objects.requireNonNull(web.getParent());
        Files.createDirectory(vms.resolve("empty"));
        Files.createDirectory(vms.resolve(Images.foreignName()));
        Files.createDirectory(vms.resolve("lost+found"));
        Files.createDirectory(vms.resolve(".genievm-left-behind"));
        Files.createDirectory(vms.resolve("back\\slash"));
        Files.write(vms.resolve("lying-beside.raw"), new byte[512]);
        Files.createSymbolicLink(vms.resolve("web-link"), Path.of("web"));
        Files.createSymbolicLink(vms.resolve("self"), Path.of("."));
        Files.createSymbolicLink(vms.resolve("outside"), Files.createDirectory(directory.resolve("outside")));

        assertThat(ids(vms)).isSorted().containsExactlyInAnyOrder("empty", "web", "web-link", Images.foreignName());

        try (HypervisorConnection connection = open(vms)) {
            for (String none : List.of("lying-beside.raw", "lost+found", ".genievm-left-behind", "self", "outside")) {
                assertThat(Failing.with(ErrorCode.NOT_FOUND, () -> connection.describe(new VmId(none))))
                        .hasMessageContaining(none);
            }
            assertThat(connection.describe(new VmId("empty")).disks()).isEmpty();
        }
    }

    @Test
    void everyRegularFileIsADiskOfAnySize() throws IOException {
        for (int size : new int[] {0, 1, 511, 512, 65_535, 65_536, 65_537}) {
            Files.write(web.resolve("size-" + size), new byte[size]);
        }
        Files.createSymbolicLink(web.resolve("link"), Path.of("root.raw"));
        Path other = Files.createDirectory(directory.resolve("vms/other"));
        Files.write(other.resolve("shared"), new byte[7]);
        Files.createSymbolicLink(web.resolve("link-to-other"), Path.of("../other/shared"));

        Map<String, Long> disks = describe().disks().stream()
                .collect(Collectors.toMap(disk -> disk.id().value(), VmDescription.Disk::capacity));

        assertThat(disks)
                .contains(entry("size-0", 0L), entry("size-1", 1L), entry("size-65537", 65_537L))
                .contains(entry("root.raw", 513L), entry("link", 513L), entry("link-to-other", 7L))
                .hasSize(10);
        assertThat(describe().facts()).isEmpty();
    }

    @Test
    void whatIsNoDiskIsIgnoredAndSaidSo() throws Exception {
        Files.write(web.resolve(".hidden"), new byte[1]);
        Files.createDirectory(web.resolve("subfolder"));
        Files.write(web.resolve("subfolder/inner.raw"), new byte[1]);
        Files.createSymbolicLink(web.resolve("leaves"), Files.write(directory.resolve("secret"), new byte[1]));
        Files.createSymbolicLink(web.resolve("dangling"), Path.of("nowhere"));
        Files.createSymbolicLink(web.resolve("loop"), Path.of("loop"));
        Files.createSymbolicLink(web.resolve("to-folder"), Path.of("subfolder"));
        Files.createSymbolicLink(web.resolve("to-pipe"), Path.of("pipe"));
        Files.write(web.resolve("bad\nname"), new byte[1]);
        shell("mkfifo pipe");

        VmDescription vm = describe();

        assertThat(vm.disks()).containsExactly(new VmDescription.Disk(new DiskId("root.raw"), 513));
        assertThat(vm.facts()).extracting(DriverFact::code).containsOnly(DriverFact.FILE_IGNORED);
        assertThat(vm.facts()).extracting(DriverFact::disk).containsOnlyNulls();
        assertThat(vm.facts().stream().map(DriverFact::message).map(this::shortened))
                .containsExactlyInAnyOrder(
                        ".hidden: it is hidden",
                        "subfolder: it is a folder",
                        "leaves: it is a link that leaves VMS",
                        "dangling: it is a link that leads nowhere",
                        "loop: it is a link that leads nowhere",
                        "to-folder: it is a folder",
                        "to-pipe: it is not a file",
                        "pipe: it is not a file",
                        vm.facts().stream()
                                .map(DriverFact::message)
                                .map(this::shortened)
                                .filter(message -> message.startsWith("bad\nname: a disk id must be"))
                                .findFirst()
                                .orElse("a fact about the bad name"));
    }

    @Test
    void aNameThatIsNoTextIsIgnoredAndSaidSo() throws Exception {
        shell("printf 'x' > \"$(printf 'latin1-\\344')\"");
        try (var files = Files.list(web)) {
            assumeTrue(files.count() == 2, "the file system takes any bytes as names");
        }

        assertThat(describe().disks()).hasSize(1);
        assertThat(describe().facts()).singleElement().satisfies(fact -> {
            assertThat(fact.code()).isEqualTo(DriverFact.FILE_IGNORED);
            assertThat(fact.message()).contains("latin1-").contains("character set");
        });
    }

    @Test
    void listsOfChangesAreNoDisks() throws IOException {
        Files.writeString(web.resolve("root.raw.changes"), "{}");
        assertThat(describe().disks()).hasSize(1);
        assertThat(describe().facts()).isEmpty();

        Files.writeString(web.resolve("gone.raw.changes"), "{}");
        assertThat(describe().disks()).hasSize(1);
        assertThat(describe().facts())
                .extracting(DriverFact::message)
                .singleElement()
                .satisfies(message -> assertThat(message).contains("gone.raw.changes"));
    }

    @Test
    void oneImageIsAVm() throws IOException {
        try (HypervisorConnection connection = open(web.resolve("root.raw"))) {
            assertThat(connection.vms().vms()).containsExactly(new VmSummary(new VmId("root.raw"), "root.raw"));
            assertThat(connection.describe(new VmId("root.raw")).disks())
                    .containsExactly(new VmDescription.Disk(new DiskId("root.raw"), 513));
            Files.delete(web.resolve("root.raw"));
            Failing.with(ErrorCode.NOT_FOUND, () -> connection.describe(new VmId("root.raw")));
        }
    }

    @Test
    void anImageThatIsNamedByALinkKeepsTheNameOfTheLink() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("current"), web.resolve("root.raw"));
        try (HypervisorConnection connection = open(link)) {
            assertThat(connection.vms().vms()).extracting(VmSummary::name).containsExactly("current");
            assertThat(connection.describe(new VmId("current")).disks().get(0).capacity())
                    .isEqualTo(513);
        }
    }

    @Test
    void refusesWhatIsNoAddressOfImages() throws Exception {
        shell("mkfifo pipe");
        Files.writeString(web.resolve("root.raw.changes"), "{}");

        Failing.with(ErrorCode.NOT_FOUND, () -> open(directory.resolve("missing")));
        Failing.with(ErrorCode.NOT_FOUND, () -> open(web.resolve("root.raw/below")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> open(web.resolve("pipe")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> open(Path.of("/dev/null")));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> open(web.resolve("root.raw.changes")));
        for (String address : List.of("images:", "images:a\0b", "other:" + web)) {
            Failing.with(ErrorCode.INVALID_ARGUMENT, () -> new ImagesProvider().open(HypervisorConfig.of(address)));
        }
    }

    @Test
    void aSourceIsKnownByItsPlaceHoweverItIsReached() throws IOException {
        Path vms = Objects.requireNonNull(web.getParent());
        Path link = Files.createSymbolicLink(directory.resolve("link"), vms);
        Path above = Files.createDirectories(vms.resolve("x".repeat(100)).resolve("x".repeat(100)));
        Path deep = Files.createDirectory(above.resolve("x".repeat(100)));

        assertThat(sourceId(link)).isEqualTo(sourceId(vms)).isNotEqualTo(sourceId(web));
        assertThat(sourceId(deep)).hasSizeLessThanOrEqualTo(255).isNotEqualTo(sourceId(above));
    }

    private VmDescription describe() {
        try (HypervisorConnection connection = open(Objects.requireNonNull(web.getParent()))) {
            return connection.describe(new VmId("web"));
        }
    }

    private static List<String> ids(Path place) {
        try (HypervisorConnection connection = open(place)) {
            return connection.vms().vms().stream().map(vm -> vm.id().value()).toList();
        }
    }

    private static String sourceId(Path place) {
        try (HypervisorConnection connection = open(place)) {
            return connection.sourceId();
        }
    }

    private static HypervisorConnection open(Path place) {
        return new ImagesProvider().open(HypervisorConfig.of("images:" + place));
    }

    private String shortened(String message) {
        return message.replace(web + "/", "")
                .replace(Objects.requireNonNull(web.getParent()).toString(), "VMS")
                .replace(" is ignored", "");
    }

    private void shell(String command) throws Exception {
        assertThat(new ProcessBuilder("sh", "-c", command)
                        .directory(web.toFile())
                        .start()
                        .waitFor())
                .isZero();
    }
}
