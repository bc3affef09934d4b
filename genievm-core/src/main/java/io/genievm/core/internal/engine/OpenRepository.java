package io.genievm.core.internal.engine;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStore;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.PointDiff;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.core.internal.backup.BackupTask;
import io.genievm.core.internal.diff.MapComparison;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.PointDeletion;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.restore.RestoreTask;
import io.genievm.core.internal.store.RetryBudget;
import io.genievm.core.internal.store.RetryingStore;
import io.genievm.core.internal.task.RunningTask;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.TaskWaiter;
import io.genievm.core.internal.verify.VerifyTask;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Stream;

/** The one kind of repository. */
final class OpenRepository implements Repository {
    private static final int SHORTEST_PREFIX = 8;

    private final Engine engine;
    private final BlobStore store;
    private final RetryBudget budget;
    private final RepositoryAccess access;
    private final List<RunningTask<?>> tasks = new ArrayList<>();
    private final Set<PointDiff> comparisons = new HashSet<>();
    private boolean closed;

    /** Makes one; {@code access} goes by way of the store, which is closed with this. */
    OpenRepository(Engine engine, BlobStore store, RetryBudget budget, RepositoryAccess access) {
        this.engine = engine;
        this.store = store;
        this.budget = budget;
        this.access = access.by(new RetryingStore(store, budget, this::await, (failure, pause) -> {}));
    }

    @Override
    public RepositoryId id() {
        return access.id();
    }

    @Override
    public RepositoryOptions options() {
        return access.options();
    }

    @Override
    public RestorePointList points() {
        PointCatalog catalog = PointCatalog.read(access);
        return new RestorePointList(
                catalog.points().stream().map(catalog::toRestorePoint).toList(),
                Stream.concat(
                                catalog.lost().stream().map(PointCatalog.LostPoint::toDamage),
                                catalog.unreadableIncidents().stream().map(PointCatalog.UnreadableIncident::toDamage))
                        .toList());
    }

    @Override
    public RestorePoint point(String prefix) {
        if (!prefix.matches("[0-9a-f]{" + SHORTEST_PREFIX + ",32}")) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(prefix),
                    "'" + prefix + "' names no point: give " + SHORTEST_PREFIX
                            + " to 32 lower-case hexadecimal digits of its id");
        }
        PointCatalog catalog = PointCatalog.read(access);
        List<Manifest> found = catalog.points().stream()
                .filter(manifest -> manifest.point().value().startsWith(prefix))
                .toList();
        List<PointCatalog.LostPoint> lost = catalog.lost().stream()
                .filter(point -> point.session().value().startsWith(prefix))
                .toList();
        if (found.size() + lost.size() > 1) {
            throw new GenieVmException(
                    ErrorCode.AMBIGUOUS, Resource.named(prefix), "several points begin with '" + prefix + "'");
        }
        if (!lost.isEmpty()) {
            throw lost.get(0).cause();
        }
        if (found.isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND, Resource.named(prefix), "no restore point begins with '" + prefix + "'");
        }
        return catalog.toRestorePoint(found.get(0));
    }

    @Override
    public TaskHandle<BackupReport> backup(HypervisorConnection connection, BackupRequest request) {
        return start(
                "backup of '" + request.vm() + "'",
                control -> new BackupTask(accessOf(control), connection, request, control).run());
    }

    @Override
    public TaskHandle<RestoreReport> restore(RestoreRequest request) {
        return start(
                "restore of '" + request.vm() + "'",
                control -> new RestoreTask(accessOf(control), request, control).run());
    }

    @Override
    public TaskHandle<VerifyReport> verify(VerifyRequest request) {
        return start("verification", control -> new VerifyTask(accessOf(control), request, control).run());
    }

    @Override
    public PointDiff diff(SessionId from, SessionId to) {
        requireOpen();
        PointDiff diff = MapComparison.open(access.checkedBy(this::requireOpen), from, to, this::forget);
        synchronized (this) {
            if (!closed) {
                comparisons.add(diff);
                return diff;
            }
        }
        diff.close();
        throw closed();
    }

    @Override
    public void delete(SessionId point) {
        requireOpen();
        new PointDeletion(access, point).run();
    }

    @Override
    public void close() {
        List<RunningTask<?>> running;
        List<PointDiff> open;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            notifyAll();
            running = List.copyOf(tasks);
            open = List.copyOf(comparisons);
        }
        running.forEach(RunningTask::cancel);
        running.forEach(RunningTask::awaitEnd);
        open.forEach(PointDiff::close);
        store.close();
        engine.forget(this);
    }

    private synchronized void requireOpen() {
        if (closed) {
            throw closed();
        }
    }

    /** What a task works with: its calls wait for the store only as long as nobody cancels it. */
    private RepositoryAccess accessOf(TaskControl control) {
        return access.by(new RetryingStore(
                store, budget, new TaskWaiter(control, budget.cleaningPatience()), control.meter()::retry));
    }

    /** Waits in a caller's own thread, which is not kept when the repository is closed. */
    private synchronized boolean await(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long rest = nanos; rest > 0 && !closed; rest = end - System.nanoTime()) {
            try {
                TimeUnit.NANOSECONDS.timedWait(this, rest);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return !closed;
    }

    private static GenieVmException closed() {
        return new GenieVmException(ErrorCode.CLOSED, "the repository is closed");
    }

    private synchronized void forget(PointDiff diff) {
        comparisons.remove(diff);
    }

    private synchronized <T> TaskHandle<T> start(String name, Function<TaskControl, T> body) {
        requireOpen();
        tasks.removeIf(task -> task.state().isFinal());
        RunningTask<T> task = RunningTask.start(name, access.executor(), body);
        tasks.add(task);
        return task;
    }
}
