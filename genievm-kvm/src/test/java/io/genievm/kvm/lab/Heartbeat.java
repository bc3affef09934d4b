package io.genievm.kvm.lab;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Shows for how long a guest stood still: it writes to one of its file systems all the time, and tells of every write that
 * is durable. Neither a frozen file system nor a paused guest goes on.
 */
public final class Heartbeat implements AutoCloseable {
    private final GuestPort port;
    private final Thread thread;
    private final AtomicLong beats = new AtomicLong();
    private final AtomicLong last = new AtomicLong(System.nanoTime());
    private final AtomicLong longest = new AtomicLong();
    private volatile boolean closed;

    Heartbeat(GuestPort port) {
        this.port = port;
        thread = new Thread(this::listen, "heartbeat of a guest");
        thread.setDaemon(true);
    }

    void begin() {
        thread.start();
    }

    private void listen() {
        try {
            while (!closed) {
                port.readLine(Duration.ofHours(1));
                long now = System.nanoTime();
                longest.accumulateAndGet(now - last.getAndSet(now), Math::max);
                beats.incrementAndGet();
            }
        } catch (IOException e) {
            // The guest was stopped, or this was closed.
        }
    }

    /** How many writes were told. */
    public long beats() {
        return beats.get();
    }

    /** The longest time between two, or from the last one until now. */
    public Duration longestGap() {
        return Duration.ofNanos(Math.max(longest.get(), System.nanoTime() - last.get()));
    }

    /** Forgets the gaps so far. */
    public void restart() {
        last.set(System.nanoTime());
        longest.set(0);
    }

    /** Waits until the guest has written once more; fails if it does not. */
    public void awaitBeat(Duration limit) throws InterruptedException {
        // One that was on its way may be told of a write before.
        long wanted = beats.get() + 2;
        long end = System.nanoTime() + limit.toNanos();
        while (beats.get() < wanted) {
            if (System.nanoTime() > end) {
                throw new AssertionError("the guest has not written anything for " + limit);
            }
            Thread.sleep(20);
        }
    }

    @Override
    public void close() {
        closed = true;
        port.close();
    }
}
