package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.storage.internal.file.Failing;
import io.genievm.testkit.ChildJvm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** VMs that are made in a folder of images. */
class NewImagesVmTest {
    private static final DiskId ROOT = new DiskId("root.raw");
    private static final long GIBIBYTE = 1L << 30;

    @TempDir
    private Path directory;

    private HypervisorConnection connection;
    private VmCreation creation;

    @BeforeEach
    void open() {
        connection = ImagesProvider.open(directory, Clock.systemUTC());
        creation = connection.ability(VmCreation.class).orElseThrow();
    }

    @AfterEach
    void close() {
        connection.close();
    }

    @Test
    void aNewVmIsPrivateAndSparse() throws Exception {
        try (NewVm vm = creation.create(request("new", 100 * GIBIBYTE + 1))) {
            try (DiskWriter writer = vm.openWriter(ROOT)) {
                writer.zero(0, 100 * GIBIBYTE + 1);
                writer.write(50 * GIBIBYTE, buffer(1, 2, 3));
                writer.zero(60 * GIBIBYTE, GIBIBYTE);
                writer.flush();
            }
            assertThat(vm.complete()).isEqualTo(new VmId("new"));
        }

        Path disk = directory.resolve("new/root.raw");
        assertThat(disk).hasSize(100 * GIBIBYTE + 1);
        assertThat(allocatedBytes(disk)).isLessThan(1 << 20);
        assertThat(mode(disk)).isEqualTo("rw-------");
        assertThat(mode(Objects.requireNonNull(disk.getParent()))).isEqualTo("rwx------");
        assertThat(entries()).containsExactly("new");
    }

    @Test
    void anyMixtureOfWritesAndZeroesReadsAsWritten() throws IOException {
        int capacity = 5_000_001;
        byte[] expected = new byte[capacity];
        Random random = new Random(4);
        try (NewVm vm = creation.create(request("new", capacity))) {
            try (DiskWriter writer = vm.openWriter(ROOT)) {
                for (int i = 0; i < 300; i++) {
                    int offset = random.nextInt(capacity);
                    int length = 1 + random.nextInt(Math.min(capacity - offset, 300_000));
                    if (i % 3 == 0) {
                        writer.zero(offset, length);
                        Arrays.fill(expected, offset, offset + length, (byte) 0);
                    } else {
                        byte[] bytes = new byte[length];
                        random.nextBytes(bytes);
                        writer.write(offset, ByteBuffer.wrap(bytes));
                        System.arraycopy(bytes, 0, expected, offset, length);
                    }
                }
                writer.flush();
            }
            vm.complete();
        }

        assertThat(directory.resolve("new/root.raw")).hasBinaryContent(expected);
    }

    @Test
    void aNameThatIsTakenInAnyWayIsRefused() throws IOException {
        Files.createDirectory(directory.resolve("folder"));
        Files.createFile(directory.resolve("file"));
        Files.createSymbolicLink(directory.resolve("dangling"), Path.of("nowhere"));

        for (String name : List.of("folder", "file", "dangling")) {
            assertThat(Failing.with(ErrorCode.ALREADY_EXISTS, () -> creation.create(request(name, 10))))
                    .hasMessageContaining(directory.resolve(name).toString());
        }
        assertThat(entries()).containsExactly("dangling", "file", "folder");
    }

    @Test
    void aNameThatIsTakenMeanwhileIsRefusedEvenByAnEmptyFolder() throws IOException {
        for (boolean folder : new boolean[] {true, false}) {
            Path taken = directory.resolve("new");
            try (NewVm vm = creation.create(request("new", 10))) {
                if (folder) {
                    Files.createDirectory(taken);
                } else {
                    Files.createFile(taken);
                }
                Failing.with(ErrorCode.ALREADY_EXISTS, vm::complete);
            }
            assertThat(Files.isDirectory(taken)).isEqualTo(folder);
            assertThat(entries()).containsExactly("new");
            Files.delete(taken);
        }
    }

    @Test
    void aNewImageNeverMeetsAListOfChangesOfAnOldOne() throws IOException {
        Path left = Files.createDirectory(directory.resolve("new")).resolve("root.raw.changes");
        Files.writeString(left, "{\"token\":\"old\"}");
        Failing.with(ErrorCode.ALREADY_EXISTS, () -> creation.create(request("new", 10)));

        Files.move(left, directory.resolve("kept"));
        Files.delete(left.getParent());
        try (NewVm vm = creation.create(request("new", 10))) {
            Files.createDirectory(left.getParent());
            Files.move(directory.resolve("kept"), left);
            Failing.with(ErrorCode.ALREADY_EXISTS, vm::complete);
        }
        assertThat(left).exists();
        assertThat(directory.resolve("new/root.raw")).doesNotExist();
    }

    @Test
    void ofManyThatTakeOneNameOneGetsIt() throws Exception {
        int racers = 8;
        ExecutorService threads = Executors.newFixedThreadPool(racers);
        try {
            for (int round = 0; round < 20; round++) {
                String name = "vm-" + round;
                List<NewVm> vms = new ArrayList<>();
                for (int i = 0; i < racers; i++) {
                    vms.add(creation.create(new NewVmRequest(name, List.of(), Map.of(), Map.of(), Cancellation.NEVER)));
                }
                List<Callable<Boolean>> completing = vms.stream()
                        .<Callable<Boolean>>map(vm -> () -> completes(vm))
                        .toList();
                int winners = 0;
                for (Future<Boolean> won : threads.invokeAll(completing)) {
                    winners += won.get() ? 1 : 0;
                }
                assertThat(winners).as("winners of round %d", round).isEqualTo(1);
                vms.forEach(NewVm::close);
                assertThat(entries()).hasSize(round + 1);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void namesThatWouldNotBeListedAreRefused() {
        for (String name : List.of("", ".", "..", ".hidden", "a/b", "../x", "lost+found", "a\0b", "/abs", "a\nb")) {
            Failing.with(ErrorCode.INVALID_ARGUMENT, () -> creation.create(request(name, 10)));
        }
        for (String disk : List.of(".hidden", "root.raw.changes")) {
            NewVmRequest request = new NewVmRequest(
                    "new",
                    List.of(new VmDescription.Disk(new DiskId(disk), 1)),
                    Map.of(),
                    Map.of(),
                    Cancellation.NEVER);
            Failing.with(ErrorCode.INVALID_ARGUMENT, () -> creation.create(request));
        }
        assertThat(entries()).isEmpty();
    }

    @Test
    void aVmThatIsNotCompletedLeavesNothing() {
        NewVm vm = creation.create(request("new", 100));
        DiskWriter writer = vm.openWriter(ROOT);
        writer.write(0, buffer(1));
        assertThat(entries()).singleElement().satisfies(name -> assertThat(name).startsWith(".genievm-"));

        vm.close();

        assertThat(entries()).isEmpty();
        Failing.with(ErrorCode.CLOSED, () -> writer.write(0, buffer(1)));
        Failing.with(ErrorCode.CLOSED, vm::complete);
        Failing.with(ErrorCode.CLOSED, () -> vm.openWriter(ROOT));
    }

    @Test
    void aClosedConnectionRemovesWhatIsNotComplete() {
        creation.create(request("new", 100)).openWriter(ROOT);

        connection.close();

        assertThat(entries()).isEmpty();
        Failing.with(ErrorCode.CLOSED, () -> creation.create(request("other", 1)));
    }

    @Test
    void whatAKilledProcessLeftGoesWithTheNextVmAndWhatTheLivingMakeStays() throws Exception {
        Path foreign = Files.createDirectory(directory.resolve(".genievm-foreign"));
        try (ChildJvm living = startMaking()) {
            List<String> before = entries();
            try (ChildJvm killed = startMaking()) {
                killed.kill();
            }
            assertThat(entries()).hasSize(3).containsAll(before);

            try (NewVm vm = creation.create(request("new", 10))) {
                assertThat(entries()).hasSize(3).containsAll(before);
                vm.complete();
            }
            assertThat(entries()).hasSize(3).containsAll(before).contains("new");
            living.tell("complete");
            living.awaitLine("completed");
        }
        assertThat(entries()).containsExactly(".genievm-foreign", "made", "new");
        assertThat(directory.resolve("made/root.raw")).hasSize(GIBIBYTE);
        assertThat(foreign).isDirectory();
    }

    private ChildJvm startMaking() throws IOException {
        ChildJvm child = ChildJvm.start(Making.class, List.of(), directory.toString());
        child.awaitLine("making");
        return child;
    }

    /** Makes a VM, and completes it when it is told. */
    static final class Making {
        private Making() {}

        public static void main(String[] arguments) throws IOException {
            try (HypervisorConnection connection = ImagesProvider.open(Path.of(arguments[0]), Clock.systemUTC());
                    NewVm vm =
                            connection.ability(VmCreation.class).orElseThrow().create(request("made", GIBIBYTE))) {
                try (DiskWriter writer = vm.openWriter(ROOT)) {
                    writer.write(0, buffer(1));
                    System.out.println("making");
                    System.in.read();
                }
                vm.complete();
                System.out.println("completed");
            }
        }
    }

    @Test
    void misuseIsToldByTheJavaExceptions() {
        try (NewVm vm = creation.create(request("new", 100))) {
            assertThatThrownBy(() -> vm.openWriter(new DiskId("none"))).isInstanceOf(IllegalArgumentException.class);
            DiskWriter writer = vm.openWriter(ROOT);
            assertThatThrownBy(() -> vm.openWriter(ROOT)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(vm::complete).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> writer.write(99, buffer(1, 2))).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.zero(-1, 2)).isInstanceOf(IllegalArgumentException.class);
            writer.close();
            vm.openWriter(ROOT).close();
            vm.complete();
            assertThatThrownBy(vm::complete).isInstanceOf(IllegalStateException.class);
        }
        assertThat(entries()).containsExactly("new");
    }

    private static boolean completes(NewVm vm) {
        try {
            vm.complete();
            return true;
        } catch (GenieVmException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.ALREADY_EXISTS);
            return false;
        }
    }

    private static NewVmRequest request(String name, long capacity) {
        return new NewVmRequest(
                name, List.of(new VmDescription.Disk(ROOT, capacity)), Map.of(), Map.of(), Cancellation.NEVER);
    }

    private static ByteBuffer buffer(int... values) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(values.length);
        for (int value : values) {
            buffer.put((byte) value);
        }
        return buffer.flip();
    }

    private List<String> entries() {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.map(path -> path.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static long allocatedBytes(Path file) throws Exception {
        Process process = new ProcessBuilder("stat", "-c", "%b", file.toString()).start();
        String blocks = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).trim();
        return 512 * Long.parseLong(blocks);
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }
}
