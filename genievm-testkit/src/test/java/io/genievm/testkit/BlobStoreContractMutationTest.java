package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Whether the contract notices stores that break it, each by the test that is meant for it. */
class BlobStoreContractMutationTest {
    @Test
    @DisplayName("a store that is not broken passes")
    void wholeStorePasses() throws Exception {
        for (Method test : BlobStoreContract.class.getDeclaredMethods()) {
            if (test.isAnnotationPresent(Test.class)) {
                run(store -> store, test.getName());
            }
        }
    }

    @ParameterizedTest(name = "{0}: {2}")
    @MethodSource
    @DisplayName("the contract notices")
    void notices(String mutation, UnaryOperator<BlobStore> broken, String test) {
        assertThatThrownBy(() -> run(broken, test))
                .as(mutation)
                .isInstanceOfAny(AssertionError.class, GenieVmException.class, IllegalArgumentException.class);
    }

    static Stream<Arguments> notices() {
        List<Arguments> all = new ArrayList<>();
        puts(all);
        gets(all);
        lists(all);
        others(all);
        return all.stream();
    }

    private static void puts(List<Arguments> all) {
        add(all, "an object loses its last byte", "givesBackWhatWasPut", cutting(1));
        add(all, "large objects are cut", "takesLargeObjects", cutting(30 << 20));
        add(all, "the last put wins", "secondPutFindsTheFirst", put((store, object) -> {
            store.delete(object.key);
            return store.put(object.key, object.content);
        }));
        add(all, "a put looks, and then puts", "exactlyOneRacerWins", put((store, object) -> {
            boolean there = store.stat(object.key).isPresent();
            LockSupport.parkNanos(1);
            store.delete(there ? "nothing" : object.key);
            PutOutcome outcome = store.put(object.key, object.content);
            return there ? outcome : PutOutcome.CREATED;
        }));
        add(all, "empty objects are not exclusive", "emptyObjectIsExclusive", put((store, object) -> {
            if (store.stat(object.key).filter(entry -> entry.length() == 0).isPresent()) {
                store.delete(object.key);
            }
            return store.put(object.key, object.content);
        }));
        add(all, "what was deleted can not be put again", "canBeCreatedAfterDelete", store -> new Broken(store) {
            private final Set<String> ever = Collections.synchronizedSet(new HashSet<>());

            @Override
            public PutOutcome put(String key, BlobContent content) {
                return ever.add(key) ? super.put(key, content) : PutOutcome.EXISTS;
            }
        });
        add(all, "an object is seen before it is whole", "showsNothingBeforeItIsWhole", put((store, object) -> {
            store.put(object.key, BlobContent.of(new byte[1]));
            bytes(object.content);
            store.delete(object.key);
            return store.put(object.key, object.content);
        }));
        add(all, "content of any length is taken", "contentOfAnotherLengthLeavesNothing", put((store, object) -> {
            return store.put(object.key, BlobContent.of(bytes(object.content)));
        }));
        add(all, "content that fails leaves what it gave", "failingContentLeavesNothing", put((store, object) -> {
            try {
                return store.put(object.key, object.content);
            } catch (RuntimeException e) {
                store.put(object.key, BlobContent.of(new byte[1]));
                throw e;
            }
        }));
        add(
                all,
                "content is read by the position of its buffers",
                "takesContentFromAnyBuffers",
                put((store, object) -> {
                    PutOutcome outcome = store.put(object.key, BlobContent.of(bytes(object.content)));
                    return object.key.endsWith("again") ? PutOutcome.EXISTS : corrupt(store, object.key, outcome);
                }));
        add(all, "objects come and go in two steps", "objectsComeAndGo", put((store, object) -> {
            if (store.stat(object.key).isPresent()) {
                return PutOutcome.EXISTS;
            }
            store.put(object.key, BlobContent.of(new byte[7]));
            LockSupport.parkNanos(1_000_000);
            store.delete(object.key);
            return store.put(object.key, object.content);
        }));
    }

    private static void gets(List<Arguments> all) {
        add(all, "a get gives the beginning wherever it is asked for", "getsRanges", get((store, range) -> {
            store.get(range.key, 0, range.target);
        }));
        add(all, "a get moves the limit", "getsRanges", get((store, range) -> {
            store.get(range.key, range.offset, range.target);
            range.target.limit(range.target.capacity());
        }));
        add(all, "a get is short at the end", "getPastTheEndFails", get((store, range) -> {
            long length = store.stat(range.key).map(BlobEntry::length).orElse(0L);
            if (range.offset >= 0 && range.offset < length) {
                range.target.limit((int) Math.min(range.target.limit(), length - range.offset));
                store.get(range.key, range.offset, range.target);
            }
        }));
        add(all, "nothing is read of what is not there", "missingObjectIsNotFound", get((store, range) -> {
            if (store.stat(range.key).isPresent()) {
                store.get(range.key, range.offset, range.target);
            }
        }));
        add(all, "getAll takes anything", "getAllIsBounded", store -> new Broken(store) {
            @Override
            public byte[] getAll(String key, int maxLength) {
                return super.getAll(key, Integer.MAX_VALUE);
            }
        });
        add(all, "one bit of a large object is wrong", "takesLargeObjects", store -> new Broken(store) {
            @Override
            public PutOutcome put(String key, BlobContent content) {
                byte[] bytes = bytes(content);
                bytes[5] ^= 1;
                return super.put(key, BlobContent.of(bytes));
            }
        });
    }

    private static void lists(List<Arguments> all) {
        add(
                all,
                "a listing ends after a page",
                "listsMany",
                listing((store, entries) -> entries.subList(0, Math.min(1000, entries.size()))));
        add(all, "a page is given twice", "listsMany", listing((store, entries) -> {
            List<BlobEntry> twice = new ArrayList<>(entries);
            if (entries.size() > 1000) {
                twice.addAll(1000, entries.subList(990, 1000));
            }
            return twice;
        }));
        add(
                all,
                "a listing has no lengths",
                "listsMany",
                listing((store, entries) -> entries.stream()
                        .map(entry -> new BlobEntry(entry.key(), 0))
                        .toList()));
        add(
                all,
                "folders first",
                "listsInOrder",
                listing((store, entries) -> entries.stream()
                        .sorted((a, b) ->
                                a.key().replace('/', '\0').compareTo(b.key().replace('/', '\0')))
                        .toList()));
        add(all, "a prefix is taken without its slash", "listsByPrefix", store -> new Broken(store) {
            @Override
            public BlobCursor list(String prefix) {
                List<BlobEntry> entries = entries(super.list(""));
                String bare = prefix.isEmpty() ? "" : prefix.substring(0, prefix.length() - 1);
                return BlobCursor.of(entries.stream()
                        .filter(entry -> entry.key().startsWith(bare))
                        .iterator());
            }
        });
        add(all, "a listing is that of a while ago", "listingsSeeWhatHasAnswered", store -> new Broken(store) {
            private List<BlobEntry> last = List.of();

            @Override
            public synchronized BlobCursor list(String prefix) {
                List<BlobEntry> old = last;
                last = entries(super.list(prefix));
                return BlobCursor.of(old.iterator());
            }
        });
        add(all, "a cache of listings", "othersSeeItAtOnce", store -> new Broken(store) {
            private @Nullable List<BlobEntry> first;

            @Override
            public synchronized BlobCursor list(String prefix) {
                first = first == null ? entries(super.list(prefix)) : first;
                return BlobCursor.of(first.iterator());
            }
        });
        add(all, "one cursor for all", "listingsDoNotDisturbEachOther", store -> new Broken(store) {
            private @Nullable BlobCursor cursor;

            @Override
            public BlobCursor list(String prefix) {
                cursor = cursor == null ? super.list(prefix) : cursor;
                return cursor;
            }
        });
        add(all, "a cursor that stands where it does not", "cursorKeepsItsRules", store -> new Broken(store) {
            @Override
            public BlobCursor list(String prefix) {
                BlobCursor cursor = super.list(prefix);
                return new BlobCursor() {
                    private BlobEntry last = new BlobEntry("a", 1);

                    @Override
                    public boolean next() {
                        boolean more = cursor.next();
                        last = more ? cursor.entry() : last;
                        return more;
                    }

                    @Override
                    public BlobEntry entry() {
                        return last;
                    }

                    @Override
                    public void close() {
                        cursor.close();
                    }
                };
            }
        });
        add(all, "what vanishes ends the listing", "listsWhatStays", store -> new Broken(store) {
            @Override
            public BlobCursor list(String prefix) {
                List<BlobEntry> entries = entries(super.list(prefix));
                LockSupport.parkNanos(1);
                List<BlobEntry> seen = new ArrayList<>();
                for (BlobEntry entry : entries) {
                    if (stat(entry.key()).isEmpty()) {
                        break;
                    }
                    seen.add(entry);
                }
                return BlobCursor.of(seen.iterator());
            }
        });
    }

    private static void others(List<Arguments> all) {
        add(all, "the beginning of keys is an object", "statsOnlyObjects", store -> new Broken(store) {
            @Override
            public Optional<BlobEntry> stat(String key) {
                Optional<BlobEntry> entry = super.stat(key);
                if (entry.isPresent()) {
                    return entry;
                }
                try (BlobCursor cursor = super.list(key + "/")) {
                    return cursor.next() ? Optional.of(new BlobEntry(key, 0)) : entry;
                }
            }
        });
        add(all, "a delete takes what is below", "deletesOneObject", store -> new Broken(store) {
            @Override
            public void delete(String key) {
                super.delete(key);
                entries(super.list(key + "/")).forEach(entry -> super.delete(entry.key()));
            }
        });
        add(all, "a delete of nothing fails", "deletesOneObject", store -> new Broken(store) {
            @Override
            public void delete(String key) {
                if (stat(key).isEmpty()) {
                    throw new GenieVmException(ErrorCode.NOT_FOUND, "no " + key);
                }
                super.delete(key);
            }
        });
        add(all, "deletes do not last", "objectsOutliveTheStore", store -> new Broken(store) {
            @Override
            public void delete(String key) {}
        });
        add(
                all,
                "keys are made lower case",
                "refusesIllegalKeys",
                put((store, object) -> store.put(object.key.toLowerCase(Locale.ROOT), object.content)));
        add(all, "keys are short", "takesEveryLegalKey", put((store, object) -> {
            return store.put(object.key.substring(0, Math.min(100, object.key.length())), object.content);
        }));
        add(all, "a closed store works on", "closedStoreRefuses", store -> new Broken(store) {
            @Override
            public void close() {}
        });
        add(all, "a put outlives its store", "closeBreaksOffAPut", put((store, object) -> {
            BlobContent whole = BlobContent.of(bytes(object.content));
            return ((InMemoryBlobStore) store).reopen().put(object.key, whole);
        }));
        add(all, "a closed store fails in any way", "closedStoreRefuses", store -> new Broken(store) {
            @Override
            public Optional<BlobEntry> stat(String key) {
                try {
                    return super.stat(key);
                } catch (GenieVmException e) {
                    throw new GenieVmException(ErrorCode.IO_ERROR, e.getMessage());
                }
            }
        });
    }

    private static void add(List<Arguments> all, String name, String test, UnaryOperator<BlobStore> mutation) {
        all.add(Arguments.of(name, mutation, test));
    }

    private record Put(String key, BlobContent content) {}

    private record Range(String key, long offset, ByteBuffer target) {}

    private static UnaryOperator<BlobStore> put(BiFunction<BlobStore, Put, PutOutcome> put) {
        return store -> new Broken(store) {
            @Override
            public PutOutcome put(String key, BlobContent content) {
                return put.apply(store, new Put(key, content));
            }
        };
    }

    private static UnaryOperator<BlobStore> get(BiConsumer<BlobStore, Range> get) {
        return store -> new Broken(store) {
            @Override
            public void get(String key, long offset, ByteBuffer target) {
                get.accept(store, new Range(key, offset, target));
            }
        };
    }

    private static UnaryOperator<BlobStore> listing(BiFunction<BlobStore, List<BlobEntry>, List<BlobEntry>> listing) {
        return store -> new Broken(store) {
            @Override
            public BlobCursor list(String prefix) {
                return BlobCursor.of(
                        listing.apply(store, entries(store.list(prefix))).iterator());
            }
        };
    }

    private static UnaryOperator<BlobStore> cutting(int more) {
        return put((store, object) -> {
            byte[] bytes = bytes(object.content);
            return store.put(
                    object.key,
                    BlobContent.of(bytes.length < more ? bytes : Arrays.copyOf(bytes, bytes.length - more)));
        });
    }

    private static PutOutcome corrupt(BlobStore store, String key, PutOutcome outcome) {
        ((InMemoryBlobStore) store).flip(key, 100_001, 3);
        return outcome;
    }

    private static byte[] bytes(BlobContent content) {
        try (var in = content.open()) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new GenieVmException(ErrorCode.IO_ERROR, e.toString());
        }
    }

    private static List<BlobEntry> entries(BlobCursor cursor) {
        List<BlobEntry> entries = new ArrayList<>();
        try (cursor) {
            while (cursor.next()) {
                entries.add(cursor.entry());
            }
        }
        return entries;
    }

    /** Runs one test of the contract as JUnit does. */
    private static void run(UnaryOperator<BlobStore> mutation, String test) throws Exception {
        Method method = Arrays.stream(BlobStoreContract.class.getDeclaredMethods())
                .filter(candidate -> candidate.getName().equals(test) && candidate.isAnnotationPresent(Test.class))
                .findFirst()
                .orElseThrow(() -> new NoSuchMethodException(test));
        InMemoryBlobStoreContractTest contract = new InMemoryBlobStoreContractTest() {
            private final BlobStoreProvider broken = breaking(super.provider(), mutation);

            @Override
            protected BlobStoreProvider provider() {
                return broken;
            }
        };
        contract.createStore();
        try {
            method.invoke(contract);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw (Exception) e.getCause();
        } finally {
            contract.closeStore();
        }
    }

    private static BlobStoreProvider breaking(BlobStoreProvider provider, UnaryOperator<BlobStore> mutation) {
        return new BlobStoreProvider() {
            @Override
            public String name() {
                return provider.name();
            }

            @Override
            public Set<String> schemes() {
                return provider.schemes();
            }

            @Override
            public BlobStore open(BlobStoreConfig config) {
                return mutation.apply(provider.open(config));
            }

            @Override
            public BlobStore create(BlobStoreConfig config) {
                return mutation.apply(provider.create(config));
            }
        };
    }

    /** A store of which something is broken. */
    private abstract static class Broken extends ForwardingBlobStore {
        Broken(BlobStore store) {
            super(store);
        }
    }
}
