package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What a driver has to keep when several threads, snapshots and ends meet. For one test. */
final class ConcurrencyRules {
    private final DriverUnderTest driver;

    ConcurrencyRules(DriverUnderTest driver) {
        this.driver = driver;
    }

    /** All disks are read at a time while others look at the VMs. */
    void servesManyAtATime() throws Exception {
        try (VmSnapshot snapshot = driver.begin()) {
            List<SnapshotDisk> disks = snapshot.disks();
            Race.of(Math.min(8, disks.size()) + 2, runner -> () -> {
                if (runner < 2) {
                    for (int i = 0; i < 3; i++) {
                        assertThat(driver.connection().vms().vms())
                                .extracting(vm -> vm.id())
                                .contains(driver.known().id());
                        assertThat(driver.connection()
                                        .describe(driver.known().id())
                                        .disks())
                                .hasSize(driver.known().disks().size());
                    }
                } else {
                    for (int i = runner - 2; i < disks.size(); i += 8) {
                        SnapshotDisk disk = disks.get(i);
                        List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                        assertThat(Disks.read(disk, extents))
                                .as("disk '%s', read while others are", disk.id())
                                .isEqualTo(driver.bytes(disk));
                    }
                }
                return runner;
            });
            snapshot.abandoned();
        }
    }

    /** The end of the connection ends whatever is under way of it. */
    void endOfTheConnectionBreaksOff() throws Exception {
        for (int round = 0; round < 2; round++) {
            VmSnapshot snapshot = driver.begin();
            SnapshotDisk disk = Disks.largest(snapshot);
            DiskReader reader = disk.openReader();
            CountDownLatch reading = new CountDownLatch(1);
            List<ErrorCode> ends = Race.of(3, runner -> () -> {
                if (runner == 0) {
                    assertThat(reading.await(1, TimeUnit.MINUTES)).isTrue();
                    driver.connection().close();
                } else if (runner == 1) {
                    return endOf(() -> {
                        Disks.read(
                                reader,
                                disk.limits(),
                                new Extent(0, disk.capacity()),
                                driver.bytes(disk).clone());
                        reading.countDown();
                    });
                } else {
                    return endOf(() -> Disks.extents(disk.allocated(), disk.capacity()));
                }
                return ErrorCode.CLOSED;
            });
            assertThat(ends)
                    .as("how calls end that are under way when their connection is closed")
                    .containsOnly(ErrorCode.CLOSED);
            reader.close();
            snapshot.close();
            driver.reconnect();
        }
        driver.assertIsWhole();
    }

    /** Several threads end the same things at the same time. */
    void closesAtTheSameTime() throws Exception {
        VmSnapshot snapshot = driver.begin();
        DiskReader reader = Disks.largest(snapshot).openReader();
        Race.of(6, runner -> () -> {
            if (runner < 2) {
                reader.close();
            } else if (runner < 4) {
                snapshot.close();
            } else {
                driver.connection().close();
            }
            return runner;
        });
        driver.reconnect();
        driver.assertIsWhole();
    }

    /** A second snapshot of the same VM works, or is BUSY; the first knows nothing of it. */
    void secondSnapshotHarmsNobody() {
        for (RepositoryId owner : List.of(driver.repository(), DriverUnderTest.newRepository())) {
            try (VmSnapshot first = driver.begin()) {
                SnapshotRequest request = driver.request(owner, java.util.Map.of())
                        .endedSessions(session -> false)
                        .build();
                try (VmSnapshot second =
                        driver.connection().beginSnapshot(driver.known().id(), request)) {
                    assertAreWhole(second);
                    second.abandoned();
                } catch (GenieVmException e) {
                    assertThat(e.code())
                            .as("a second snapshot of the VM failed with: %s", e.getMessage())
                            .isEqualTo(ErrorCode.BUSY);
                }
                assertAreWhole(first);
                first.committed();
            }
        }
        driver.assertIsWhole();
    }

    /** A snapshot is cancelled while it is being taken, sooner or later. */
    void cancelsWhileItBegins() throws Exception {
        for (int millis : new int[] {0, 2, 20}) {
            Trigger trigger = new Trigger();
            SnapshotRequest request = driver.request().cancellation(trigger).build();
            Race.of(2, runner -> () -> {
                if (runner == 0) {
                    Thread.sleep(millis);
                    trigger.cancel();
                } else {
                    try (VmSnapshot snapshot =
                            driver.connection().beginSnapshot(driver.known().id(), request)) {
                        snapshot.abandoned();
                    } catch (GenieVmException e) {
                        assertThat(e.code())
                                .as("a snapshot that was cancelled failed with: %s", e.getMessage())
                                .isEqualTo(ErrorCode.CANCELLED);
                    }
                }
                return runner;
            });
        }
        driver.assertIsWhole();
    }

    private void assertAreWhole(VmSnapshot snapshot) {
        for (SnapshotDisk disk : snapshot.disks()) {
            DiskId id = disk.id();
            assertThat(Disks.read(disk))
                    .as("disk '%s' of one of two snapshots that are open at a time", id)
                    .isEqualTo(driver.bytes(disk));
        }
    }

    private static ErrorCode endOf(Runnable call) {
        try {
            while (true) {
                call.run();
            }
        } catch (GenieVmException e) {
            return e.code();
        }
    }

    /** Cancelled by a test, in the middle. */
    private static final class Trigger implements Cancellation {
        private final List<Runnable> actions = new ArrayList<>();
        private boolean cancelled;

        synchronized void cancel() {
            cancelled = true;
            actions.forEach(Runnable::run);
        }

        @Override
        public synchronized boolean isCancelled() {
            return cancelled;
        }

        @Override
        public synchronized void onCancel(Runnable action) {
            if (cancelled) {
                action.run();
            } else {
                actions.add(action);
            }
        }
    }
}
