package io.genievm.storage.internal.images;

import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ExtentCursor;
import java.io.IOException;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.Nullable;

/** The ranges of a list of changes, as they are written there: whether they keep the rules is for the core to judge. */
final class ChangedExtents implements ExtentCursor, Scope.Part {
    private final ChangeList list;
    private final FileChannel file;
    private final ChangeListReader reader;
    private final Scope scope;
    private boolean standsOnExtent;
    private @Nullable GenieVmException failure;
    private volatile boolean closed;

    /** Takes over the file. */
    ChangedExtents(ChangeList list, FileChannel file, Scope scope) {
        this.list = list;
        this.file = file;
        this.reader = new ChangeListReader(file);
        this.scope = scope;
    }

    /** Reads past the first line, and makes sure that the open file is the one whose tokens are known. */
    void begin() {
        read(() -> {
            reader.tokens();
            list.confirmUnchanged();
            return true;
        });
    }

    @Override
    public boolean next() {
        standsOnExtent = false;
        standsOnExtent = read(() -> {
            boolean found = reader.next();
            if (!found) {
                // Lines that were cut off, or came too late, are found here and not only when the disk was read.
                list.confirmUnchanged();
            }
            return found;
        });
        return standsOnExtent;
    }

    @Override
    public long offset() {
        requireExtent();
        return reader.offset();
    }

    @Override
    public long length() {
        requireExtent();
        return reader.length();
    }

    @Override
    public void close() {
        closed = true;
        scope.remove(this);
        try {
            file.close();
        } catch (IOException e) {
            // Of a file that was only read there is nothing to lose.
            return;
        }
    }

    private interface Step {
        boolean run() throws IOException, MalformedChangeListException;
    }

    private boolean read(Step step) {
        if (closed) {
            throw list.closed(null);
        }
        if (failure != null) {
            // What comes behind a bad line is not to be taken for the whole.
            throw failure;
        }
        try {
            return run(step);
        } catch (GenieVmException e) {
            failure = e;
            throw e;
        }
    }

    private boolean run(Step step) {
        try {
            return step.run();
        } catch (IOException e) {
            throw closed ? list.closed(e) : list.unusable(e);
        } catch (MalformedChangeListException e) {
            throw list.unusable(e);
        }
    }

    private void requireExtent() {
        if (!standsOnExtent) {
            throw new IllegalStateException("the cursor stands on no extent");
        }
    }
}
