package io.genievm.example.cli;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** A clock that goes on when it is told to. */
final class FakeTime implements LongSupplier {
    /** Close to where such a clock turns negative. */
    private long nanos = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(3);

    @Override
    public long getAsLong() {
        return nanos;
    }

    void pass(long milliseconds) {
        nanos += TimeUnit.MILLISECONDS.toNanos(milliseconds);
    }
}
