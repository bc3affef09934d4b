package io.genievm.kvm.internal.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.ptr.LongByReference;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Connections that break, are closed and are used by many, against a daemon that is none. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class LibvirtConnectionTest {
    private final FakeLibvirt libvirt = new FakeLibvirt();
    private final LibvirtConnection connection = LibvirtConnection.open("qemu:///system", libvirt);
    private final LibvirtDomain domain = connection.domain("web");

    @AfterEach
    void nothingIsLeft() {
        connection.close();
        assertThat(libvirt.open).isEmpty();
        assertThat(libvirt.domainsInUse).hasValue(0);
    }

    private static void assertFailsWith(ErrorCode code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    @Test
    void oneConnectionServesCallsThatFollowEachOther() {
        for (int i = 0; i < 10; i++) {
            assertThat(domain.name()).isEqualTo("web");
        }
        assertThat(domain.uuid()).isEqualTo(FakeLibvirt.UUID);
        assertThat(libvirt.connections).hasValue(1);
    }

    @Test
    void callsAtTheSameTimeHaveConnectionsOfTheirOwn() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        libvirt.functions.put("virDomainBackupBegin", arguments -> {
            begun.countDown();
            mayEnd.await();
            return 0;
        });
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Future<?> backup = executor.submit(() -> domain.beginBackup("<domainbackup/>", null));
            begun.await();
            domain.thaw();
            assertThat(libvirt.connections).hasValue(2);
            mayEnd.countDown();
            backup.get();
        } finally {
            mayEnd.countDown();
            executor.shutdownNow();
        }
    }

    @Test
    void afterARestartOfTheDaemonCallsGoOn() {
        libvirt.restart();
        assertThat(domain.name()).isEqualTo("web");
        libvirt.restart();
        assertThat(connection.domain("web").uuid()).isEqualTo(FakeLibvirt.UUID);
        libvirt.restart();
        domain.freeze();
        assertThat(libvirt.connections).hasValue(4);
        assertThat(libvirt.open).hasSize(1);
    }

    @Test
    void whatWasAskedForIsNotAskedForTwice() {
        AtomicInteger begun = new AtomicInteger();
        libvirt.functions.put("virDomainBackupBegin", arguments -> {
            begun.incrementAndGet();
            libvirt.restart();
            return libvirt.fail(LibvirtError.SYSTEM_ERROR, "End of file while reading data: Input/output error");
        });

        assertThatThrownBy(() -> domain.beginBackup("<domainbackup/>", null))
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR))
                .hasMessageContaining("the connection to libvirt was lost")
                .hasMessageContaining("End of file");
        assertThat(begun).hasValue(1);
        assertThat(domain.name()).isEqualTo("web");
    }

    @Test
    void aDaemonThatStaysAwayIsWaitedForByTheCaller() {
        libvirt.restart();
        libvirt.down = true;
        assertFailsWith(ErrorCode.TRANSIENT_IO_ERROR, domain::name);
        assertFailsWith(ErrorCode.TRANSIENT_IO_ERROR, () -> connection.domain("web"));
        assertThat(libvirt.open).isEmpty();
        libvirt.down = false;
        assertThat(domain.name()).isEqualTo("web");
    }

    @Test
    void manyThreadsAndManyRestartsLeakNothing() throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(8);
        List<Future<?>> calls = new ArrayList<>();
        for (int thread = 0; thread < 8; thread++) {
            calls.add(executor.submit(() -> {
                for (int i = 0; i < 2_000; i++) {
                    try {
                        domain.state();
                    } catch (GenieVmException e) {
                        // Two restarts during one call.
                        assertThat(e.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
                    }
                }
            }));
        }
        while (!calls.stream().allMatch(Future::isDone)) {
            libvirt.restart();
            Thread.sleep(1);
        }
        executor.shutdown();
        for (Future<?> call : calls) {
            call.get();
        }
        assertThat(libvirt.open).hasSizeLessThanOrEqualTo(4);
    }

    @Test
    void closingDoesNotTakeTheConnectionFromACallThatIsUnderWay() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        libvirt.functions.put("virDomainFSThaw", arguments -> {
            begun.countDown();
            mayEnd.await();
            return 2;
        });
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Future<?> thaw = executor.submit(domain::thaw);
            begun.await();
            connection.close();
            assertFailsWith(ErrorCode.CLOSED, domain::name);
            assertFailsWith(ErrorCode.CLOSED, connection::domains);
            assertThat(libvirt.open).hasSize(1);
            mayEnd.countDown();
            thaw.get();
            assertThat(libvirt.open).isEmpty();
        } finally {
            mayEnd.countDown();
            executor.shutdownNow();
        }
        connection.close();
    }

    @Test
    void theDomainIsNotFoundWhenItIsGone() {
        libvirt.functions.put("virDomainLookupByUUIDString", arguments -> {
            libvirt.fail(LibvirtError.NO_DOMAIN, "Domain not found");
            return null;
        });
        assertFailsWith(ErrorCode.NOT_FOUND, domain::state);
        assertFailsWith(ErrorCode.NOT_FOUND, domain::freeze);
    }

    @Test
    void anOldDaemonIsRefused() {
        libvirt.functions.put("virConnectGetLibVersion", arguments -> {
            ((LongByReference) arguments[1]).setValue(7_006_000);
            return 0;
        });
        assertThatThrownBy(() -> LibvirtConnection.open("qemu:///system", libvirt))
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.UNSUPPORTED))
                .hasMessageContaining("7.6.0")
                .hasMessageContaining("8.0.0");
    }

    @Test
    void noDaemonIsNotFound() {
        libvirt.down = true;
        assertFailsWith(ErrorCode.NOT_FOUND, () -> LibvirtConnection.open("qemu:///system", libvirt));
    }

    @Test
    void aGuestThatIsOffIsThawed() {
        libvirt.functions.put(
                "virDomainFSThaw", arguments -> libvirt.fail(LibvirtError.OPERATION_INVALID, "not running"));
        libvirt.functions.put("virDomainIsActive", arguments -> 0);
        domain.thaw();
        libvirt.functions.put("virDomainIsActive", arguments -> 1);
        assertFailsWith(ErrorCode.IO_ERROR, domain::thaw);
    }

    @Test
    void noAgentMeansThatFreezingIsNotSupported() {
        libvirt.functions.put(
                "virDomainFSFreeze",
                arguments -> libvirt.fail(LibvirtError.AGENT_UNRESPONSIVE, "QEMU guest agent is not connected"));
        assertFailsWith(ErrorCode.UNSUPPORTED, domain::freeze);
    }

    @Test
    void aNewDomainHasNoUuid() {
        assertThatThrownBy(() ->
                        connection.define("<domain><name>web</name><uuid>" + FakeLibvirt.UUID + "</uuid></domain>"))
                .isInstanceOf(IllegalArgumentException.class);
        assertFailsWith(ErrorCode.ALREADY_EXISTS, () -> connection.define("<domain><name>web</name></domain>"));
    }
}
