package io.genievm.core.internal.copy;

import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.task.ProgressMeter;
import java.util.concurrent.atomic.LongAdder;

/** One disk while it is copied. */
final class DiskCopy implements AutoCloseable {
    final int number;
    final SnapshotDisk disk;
    final long capacity;
    final ChunkBitmap planned;
    final MapWriter map;
    final ReaderPool readers;
    final ProgressMeter.Disk meter;
    final LongAdder storedBytes = new LongAdder();

    /** Whether what can not be read any more, because the disk has changed, is taken for zeroes. */
    final boolean lenient;

    /** Whether that has happened. */
    volatile boolean lost;

    DiskCopy(
            int number,
            SnapshotDisk disk,
            ChunkBitmap planned,
            MapWriter map,
            ProgressMeter.Disk meter,
            boolean lenient) {
        this.lenient = lenient;
        this.number = number;
        this.disk = disk;
        this.capacity = disk.capacity();
        this.planned = planned;
        this.map = map;
        this.readers = new ReaderPool(disk);
        this.meter = meter;
    }

    @Override
    public void close() {
        readers.close();
    }
}
