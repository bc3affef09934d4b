package io.genievm.core.model;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.testkit.InMemoryHypervisor;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;

/**
 * Counts the calls of one process, to its store and to the hypervisor alike, and lets one of them go wrong. A process that
 * has died makes no call that has any effect, not even to clear up. Safe for use by several threads.
 */
final class Trouble implements InterceptedStore.Interceptor, InMemoryHypervisor.Hook {
    /** What goes wrong. */
    enum Kind {
        /** Nothing. */
        NONE,
        /** The process dies before the call is carried out. */
        DEATH_BEFORE,
        /** The process dies when the call was carried out, before it has the answer. */
        DEATH_AFTER,
        /** The call fails, without an effect. */
        REFUSAL,
        /** The call is carried out and fails. */
        LOST_ANSWER,
        /** A user cancels the task. */
        CANCEL;

        boolean isDeath() {
            return this == DEATH_BEFORE || this == DEATH_AFTER;
        }

        static Kind any(Random random) {
            return values()[1 + random.nextInt(values().length - 1)];
        }
    }

    /** Chooses a call. */
    interface When {
        /** Whether it is this one, given its number from 0 and its name. */
        boolean isNow(int number, String call);

        static When number(int wanted) {
            return (number, call) -> number == wanted;
        }
    }

    private final Kind kind;
    private final When when;
    private final Runnable cancel;
    private final InMemoryHypervisor.Hook guest;
    private int calls;
    private boolean dead;
    private String where = "";

    /**
     * Sets the trap.
     *
     * @param kind what goes wrong
     * @param when at which call
     * @param cancel cancels the task
     * @param guest what the guest does at calls of the hypervisor
     */
    Trouble(Kind kind, When when, Runnable cancel, InMemoryHypervisor.Hook guest) {
        this.kind = kind;
        this.when = when;
        this.cancel = cancel;
        this.guest = guest;
    }

    Kind kind() {
        return kind;
    }

    /** The call that went wrong; empty while none has. */
    synchronized String where() {
        return where;
    }

    synchronized int calls() {
        return calls;
    }

    private <T> T call(String what, Supplier<T> effect) {
        boolean now;
        synchronized (this) {
            requireAlive();
            now = where.isEmpty() && when.isNow(calls, what) && kind != Kind.NONE;
            calls++;
            if (now) {
                where = what;
                dead = kind.isDeath();
            }
        }
        if (!now) {
            return effect.get();
        }
        if (kind == Kind.CANCEL) {
            cancel.run();
            return effect.get();
        }
        if (kind == Kind.DEATH_AFTER || kind == Kind.LOST_ANSWER) {
            Object unused = effect.get();
        }
        throw new GenieVmException(ErrorCode.IO_ERROR, kind + " at " + what);
    }

    private void requireAlive() {
        if (dead) {
            throw new GenieVmException(ErrorCode.IO_ERROR, "the process is dead since " + where);
        }
    }

    @Override
    public void before(InMemoryHypervisor.Event event) {
        call(event.call() + (event.disk() == null ? "" : " " + event.disk()), () -> {
            guest.before(event);
            return "";
        });
    }

    @Override
    public PutOutcome put(BlobStore store, String key, BlobContent content) {
        return call("put " + key, () -> store.put(key, content));
    }

    @Override
    public void get(BlobStore store, String key, long offset, ByteBuffer target) {
        call("get " + key, () -> {
            store.get(key, offset, target);
            return "";
        });
    }

    @Override
    public BlobCursor list(BlobStore store, String prefix) {
        return call("list " + prefix, () -> store.list(prefix));
    }

    @Override
    public void delete(BlobStore store, String key) {
        call("delete " + key, () -> {
            store.delete(key);
            return "";
        });
    }

    @Override
    public Optional<BlobEntry> stat(BlobStore store, String key) {
        return call("stat " + key, () -> store.stat(key));
    }
}
