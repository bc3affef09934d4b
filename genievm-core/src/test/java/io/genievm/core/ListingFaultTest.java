package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.StoreCall.Operation;
import io.genievm.testkit.fault.StoreFault;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Listings that end early without a word, or say that there is nothing: no store may do that, and some have done it. */
class ListingFaultTest {
    private static final VmId WEB = new VmId("web");

    private final Lab lab = new Lab(Lab.SMALL, 1);
    private List<SessionId> points;

    @BeforeEach
    void prepare() {
        lab.addVm("web", 1_200_000);
        points = new java.util.ArrayList<>();
        for (int i = 0; i < 4; i++) {
            lab.change("web", i, 50_000);
            points.add(lab.backup("web").point());
        }
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("one wrong listing never makes points vanish from the list")
    void points() {
        everyListing(() -> lab.repository().points(), what -> {
            RestorePointList list;
            try {
                list = lab.repository().points();
            } catch (GenieVmException e) {
                assertThat(e.code()).as(what).isEqualTo(ErrorCode.STORE_CONTRACT_BROKEN);
                return;
            }
            assertThat(list.points()).as(what).extracting(RestorePoint::id).isEqualTo(points);
            assertThat(list.unreadable()).as(what).isEmpty();
        });
    }

    @Test
    @DisplayName("a listing of points that is wrong for good is refused as long as their witnesses are listed")
    void wrongForGood() {
        for (StoreFault fault : List.of(StoreFault.EMPTY, StoreFault.TRUNCATED)) {
            lab.faulty().script(FaultScript.every(call -> call.key().startsWith("points/"), fault));
            assertThat(catchThrowableOfType(
                                    GenieVmException.class,
                                    () -> lab.repository().points())
                            .code())
                    .isEqualTo(ErrorCode.STORE_CONTRACT_BROKEN);
            assertThat(Lab.failureOf(lab.beginBackup("web")).code()).isEqualTo(ErrorCode.STORE_CONTRACT_BROKEN);
            lab.faulty().script(FaultScript.every(call -> call.key().startsWith("witness/"), fault));
            assertThat(lab.repository().points().points()).hasSize(4);
        }
    }

    @Test
    @DisplayName("a backup with one wrong listing is whole and the latest, or fails and leaves all as it was")
    void backup() {
        Map<String, byte[]> start = lab.store().content();
        everyListing(() -> lab.backup("web"), what -> {
            lab.change("web", what.hashCode(), 20_000);
            Map<DiskId, byte[]> content = lab.contentOf(WEB);
            try {
                BackupReport report = Lab.await(lab.beginBackup("web"));
                lab.faulty().script(FaultScript.NONE);
                lab.remember(report, content);
                lab.assertRestores(report.point());
                assertThat(report.sequence()).as(what).isEqualTo(5);
            } catch (GenieVmException e) {
                lab.faulty().script(FaultScript.NONE);
                assertThat(e.code()).as(what).isEqualTo(ErrorCode.STORE_CONTRACT_BROKEN);
                assertThat(lab.store().content().keySet()).as(what).isEqualTo(start.keySet());
            }
            lab.assertWhole();
            points.forEach(lab::assertRestores);
            lab.store().reset(start);
        });
    }

    @Test
    @DisplayName("a restore with one wrong listing gives the point, or fails")
    void restore() {
        SessionId point = points.get(1);
        everyListing(() -> lab.assertRestores(point), what -> {
            try {
                lab.assertRestores(point);
            } catch (GenieVmException e) {
                assertThat(e.code()).as(what).isEqualTo(ErrorCode.STORE_CONTRACT_BROKEN);
            }
        });
    }

    @Test
    @DisplayName("a deletion with one wrong listing takes just its point, or says that it did not")
    void delete() {
        Map<String, byte[]> start = lab.store().content();
        SessionId point = points.get(1);
        everyListing(() -> lab.repository().delete(point), what -> {
            boolean done = true;
            try {
                lab.repository().delete(point);
            } catch (GenieVmException e) {
                done = false;
            }
            lab.faulty().script(FaultScript.NONE);
            RestorePointList list = lab.repository().points();
            assertThat(list.points())
                    .as(what)
                    .extracting(RestorePoint::id)
                    .containsExactlyElementsOf(points.stream()
                            .filter(each -> !each.equals(point) || list.points().size() == 4)
                            .toList());
            assertThat(list.points()).as(what).hasSize(done ? 3 : 4);
            lab.store().reset(start);
        });
    }

    /** Lets each listing that some work takes come back empty, and broken off, one after the other. */
    private void everyListing(Runnable work, Consumer<String> check) {
        Map<String, byte[]> start = lab.store().content();
        lab.faulty()
                .script(FaultScript.every(call -> call.operation() == Operation.LIST, StoreFault.meanwhile(() -> {})));
        work.run();
        List<Integer> listings = lab.faulty().injected().stream()
                .map(each -> each.call().number())
                .toList();
        assertThat(listings).isNotEmpty();
        for (int listing : listings) {
            for (StoreFault fault : List.of(StoreFault.EMPTY, StoreFault.TRUNCATED)) {
                lab.faulty().script(FaultScript.NONE);
                lab.store().reset(start);
                lab.faulty().script(FaultScript.once(listing, fault));
                check.accept(fault + " at listing " + listing);
            }
        }
        lab.faulty().script(FaultScript.NONE);
        lab.store().reset(start);
    }
}
