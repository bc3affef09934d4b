package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.DriverFact;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What is to be told of a snapshot; nothing twice. Safe for use by several threads. */
final class Facts implements Consumer<DriverFact> {
    private final CopyOnWriteArrayList<DriverFact> facts = new CopyOnWriteArrayList<>();

    @Override
    public void accept(DriverFact fact) {
        facts.addIfAbsent(fact);
    }

    void add(String code, @Nullable DiskId disk, String message) {
        accept(new DriverFact(code, disk, message));
    }

    /** Tells that a token of the parent's is of no use, once for a disk. */
    synchronized void trackingLost(DiskId disk, String why) {
        boolean isTold = facts.stream()
                .anyMatch(fact -> fact.code().equals(DriverFact.TRACKING_LOST) && disk.equals(fact.disk()));
        if (!isTold) {
            add(
                    DriverFact.TRACKING_LOST,
                    disk,
                    "what has changed of disk '" + disk + "' is not known, so all of it is read: " + why);
        }
    }

    List<DriverFact> toList() {
        return List.copyOf(facts);
    }
}
