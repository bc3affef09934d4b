package io.genievm.core.testing;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** Writes down when calls begin and when they have answered, as lines such as {@code "< put index/..."}. */
public final class Events implements InterceptedStore.Interceptor {
    private final List<String> lines = Collections.synchronizedList(new ArrayList<>());

    public List<String> lines() {
        synchronized (lines) {
            return List.copyOf(lines);
        }
    }

    /** Where the first such line stands; fails when there is none. */
    public int first(String beginning) {
        return find(lines(), beginning, line -> line.startsWith(beginning), false);
    }

    /** Where the last such line stands; fails when there is none. */
    public int last(String beginning) {
        return find(lines(), beginning, line -> line.startsWith(beginning), true);
    }

    public long count(String beginning) {
        return lines().stream().filter(line -> line.startsWith(beginning)).count();
    }

    private static int find(List<String> lines, String what, Predicate<String> test, boolean last) {
        int found = -1;
        for (int i = 0; i < lines.size() && (last || found < 0); i++) {
            if (test.test(lines.get(i))) {
                found = i;
            }
        }
        if (found < 0) {
            throw new AssertionError("no '" + what + "' in " + String.join("\n", lines));
        }
        return found;
    }

    @Override
    public PutOutcome put(BlobStore store, String key, BlobContent content) {
        lines.add("> put " + key);
        PutOutcome outcome = store.put(key, content);
        lines.add("< put " + key);
        return outcome;
    }

    @Override
    public void get(BlobStore store, String key, long offset, ByteBuffer target) {
        lines.add("> get " + key);
        store.get(key, offset, target);
        lines.add("< get " + key);
    }

    @Override
    public BlobCursor list(BlobStore store, String prefix) {
        lines.add("> list " + prefix);
        BlobCursor cursor = store.list(prefix);
        return new BlobCursor() {
            @Override
            public boolean next() {
                boolean next = cursor.next();
                if (!next) {
                    lines.add("< list " + prefix);
                }
                return next;
            }

            @Override
            public BlobEntry entry() {
                return cursor.entry();
            }

            @Override
            public void close() {
                cursor.close();
            }
        };
    }

    @Override
    public void delete(BlobStore store, String key) {
        lines.add("> delete " + key);
        store.delete(key);
        lines.add("< delete " + key);
    }

    @Override
    public Optional<BlobEntry> stat(BlobStore store, String key) {
        lines.add("> stat " + key);
        Optional<BlobEntry> entry = store.stat(key);
        lines.add("< stat " + key);
        return entry;
    }
}
