package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What every store has to keep. Extend it and say where to test; a store passes if every test does.
 *
 * <p>The numbers in the names are those of the rules in the package description of {@code io.genievm.api.store}. A test
 * that fails says which rule was broken, what to do, and what was found.
 *
 * <p>Everything must work in a fresh process as well: one is started with the class path of this one, makes a provider by
 * its public constructor, and is killed in the midst of its work.
 *
 * @since 0.1
 */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
@ExtendWith(Advice.class)
public abstract class BlobStoreContract {
    private static final int RACERS = 16;
    private static final int LARGE = 5_000_011;

    private BlobStoreProvider provider;
    private BlobStoreConfig place;
    private BlobStore store;

    /** Makes the contract for one test. */
    protected BlobStoreContract() {}

    /**
     * The provider under test.
     *
     * @return any instance, the same or another at each call of one test
     */
    protected abstract BlobStoreProvider provider();

    /**
     * A place for one test.
     *
     * @return the address of a place without objects, in which {@link BlobStoreProvider#create} can work; another one
     *     for each test
     */
    protected abstract BlobStoreConfig emptyPlace();

    /**
     * The provider with which another process reaches the place of a test; that process is killed.
     *
     * @return the class of {@link #provider()} unless overridden; empty when no other process can reach it, because it
     *     lives in this one
     */
    protected Optional<Class<? extends BlobStoreProvider>> providerOfAnotherProcess() {
        return Optional.of(provider().getClass());
    }

    @BeforeEach
    final void createStore() {
        provider = provider();
        place = emptyPlace();
        store = provider.create(place);
    }

    @AfterEach
    final void closeStore() {
        if (store != null) {
            store.close();
        }
    }

    // ---- providers

    @Test
    @DisplayName("S11: provider: name and schemes have the form that the interface gives")
    @Mend("give short lower-case names, and serve the scheme that emptyPlace() has")
    final void nameAndSchemesAreWellFormed() {
        assertThat(provider.name()).matches("[a-z][a-z0-9-]{0,31}");
        assertThat(provider.schemes()).isNotEmpty().allMatch(scheme -> scheme.matches("[a-z][a-z0-9-]{0,31}"));
        assertThat(provider.schemes()).contains(place.scheme());
    }

    @Test
    @DisplayName("S12: provider: an option that is not known is refused by name, by open and create")
    @Mend("in open() and create(), compare the names of config.options() with those that you know and name the others")
    final void refusesUnknownOptions() {
        BlobStoreConfig config = BlobStoreConfig.of(place.address(), Map.of("no-such-option", "1"));

        assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> provider.open(config)))
                .hasMessageContaining("no-such-option");
        assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> provider.create(config)))
                .hasMessageContaining("no-such-option");
    }

    @Test
    @DisplayName("S13: provider: a created store is empty, and can be opened again")
    @Mend("leave nothing of your own in a created place where list() finds it")
    final void createdStoreIsEmpty() {
        assertThat(keys(store, "")).isEmpty();
        try (BlobStore again = provider.open(place)) {
            assertThat(keys(again, "")).isEmpty();
        }
    }

    @Test
    @DisplayName("S14: provider: a place that holds an object is not created again, and keeps it")
    @Mend("list the place in create(), and throw ALREADY_EXISTS when it holds anything")
    final void doesNotCreateWhereSomethingIs() {
        put("a/b", 100);

        assertFails(ErrorCode.ALREADY_EXISTS, () -> provider.create(place));

        assertThat(store.getAll("a/b", 100)).isEqualTo(StoreBytes.of("a/b", 100));
        assertThat(keys(store, "")).containsExactly("a/b");
    }

    // ---- put and get

    @Test
    @DisplayName("S1: what is put is what is got, of any length")
    @Mend("store every byte of the content, and its length, none included")
    final void givesBackWhatWasPut() {
        for (int length : new int[] {0, 1, 511, 4096, 65_537, LARGE}) {
            String key = "lengths/" + length;

            assertThat(put(key, length)).isEqualTo(PutOutcome.CREATED);

            assertThat(store.stat(key)).contains(new BlobEntry(key, length));
            assertThat(store.getAll(key, length)).isEqualTo(StoreBytes.of(key, length));
        }
    }

    @Test
    @DisplayName("S1: content is taken from buffers of all kinds, and left as it was")
    @Mend("take the bytes from BlobContent.open() or writeTo(), as often as you need them")
    final void takesContentFromAnyBuffers() {
        ByteBuffer direct = ByteBuffer.allocateDirect(100_000)
                .put(StoreBytes.of("direct", 100_000))
                .flip();
        ByteBuffer middle =
                ByteBuffer.wrap(StoreBytes.of("middle", 1_000)).position(10).limit(900);
        ByteBuffer empty = ByteBuffer.allocate(0);
        BlobContent content = BlobContent.of(List.of(direct.asReadOnlyBuffer(), empty, middle));

        store.put("buffers", content);
        store.put("buffers-again", content);

        byte[] expected = Arrays.copyOf(StoreBytes.of("direct", 100_000), 100_890);
        System.arraycopy(StoreBytes.of("middle", 1_000), 10, expected, 100_000, 890);
        assertThat(store.getAll("buffers", 200_000)).isEqualTo(expected);
        assertThat(store.getAll("buffers-again", 200_000)).isEqualTo(expected);
        assertThat(middle.position()).isEqualTo(10);
    }

    @Test
    @DisplayName("S1: an object that is being put is not to be seen before it is whole")
    @Mend("write elsewhere first, and give the object its name when it is whole")
    final void showsNothingBeforeItIsWhole() throws Exception {
        byte[] bytes = StoreBytes.of("slow", LARGE);
        CountDownLatch halfWay = new CountDownLatch(1);
        CountDownLatch looked = new CountDownLatch(1);
        BlobContent slow = new Content(bytes, () -> {
            halfWay.countDown();
            await(looked);
        });

        Thread putting = new Thread(() -> store.put("slow", slow), "putting");
        putting.start();
        await(halfWay);
        try (BlobStore other = provider.open(place)) {
            assertThat(other.stat("slow")).isEmpty();
            assertThat(keys(other, "")).isEmpty();
            assertFails(ErrorCode.NOT_FOUND, () -> other.get("slow", 0, ByteBuffer.allocate(1)));
        } finally {
            looked.countDown();
            putting.join();
        }

        assertThat(store.getAll("slow", LARGE)).isEqualTo(bytes);
    }

    @Test
    @DisplayName("S1: readers that race with puts see nothing or all of an object")
    @Mend("give the object its name when it is whole, with its length")
    final void readersSeeNothingOrAll() throws Exception {
        int objects = 50;
        int length = 300_001;
        List<Integer> seen = Race.of(3, runner -> () -> {
            for (int i = 0; runner == 0 && i < objects; i++) {
                put("race/" + i, length);
            }
            int whole = 0;
            for (int i = 0; i < objects; i++) {
                String key = "race/" + i;
                while (store.stat(key).isEmpty()) {
                    Thread.onSpinWait();
                }
                assertThat(store.stat(key)).contains(new BlobEntry(key, length));
                assertThat(store.getAll(key, length)).isEqualTo(StoreBytes.of(key, length));
                whole++;
            }
            return whole;
        });

        assertThat(seen).containsOnly(objects);
    }

    @Test
    @DisplayName("S26: content that fails leaves nothing, and the key can be put afterwards")
    @Mend("remove what was written when the content throws, and pass the failure on")
    final void failingContentLeavesNothing() {
        for (Exception failure : List.of(new IOException("bad input"), new IllegalStateException("bad input"))) {
            BlobContent failing = new Content(StoreBytes.of("failing", LARGE), () -> {
                throw failure;
            });

            assertThat(catchThrowable(() -> store.put("failing", failing)))
                    .as("what put throws when its content throws %s", failure)
                    .isNotNull();

            assertThat(store.stat("failing")).isEmpty();
            assertThat(keys(store, "")).isEmpty();
        }
        assertThat(put("failing", 10)).isEqualTo(PutOutcome.CREATED);
    }

    @Test
    @DisplayName("S26: content that has more or fewer bytes than it says is refused, and leaves nothing")
    @Mend("count the bytes of the content, and throw IllegalArgumentException before the object gets its name")
    final void contentOfAnotherLengthLeavesNothing() {
        for (int said : new int[] {0, 99, 101, LARGE}) {
            BlobContent content = new Content(StoreBytes.of("liar", 100), said, () -> {});

            assertThatThrownBy(() -> store.put("liar", content))
                    .as("content of 100 bytes that says it has %d", said)
                    .isInstanceOf(IllegalArgumentException.class);

            assertThat(keys(store, "")).isEmpty();
        }
        assertThat(put("liar", 10)).isEqualTo(PutOutcome.CREATED);
    }

    @Test
    @DisplayName("S21: get: any range, into any part of any buffer")
    @Mend("fill the target from its position to its limit, and leave the limit alone")
    final void getsRanges() {
        put("ranges", LARGE);
        byte[] all = StoreBytes.of("ranges", LARGE);
        Random random = new Random(1);
        for (int i = 0; i < 100; i++) {
            int offset = random.nextInt(LARGE);
            int length = i == 0 ? LARGE - offset : random.nextInt(Math.min(LARGE - offset, 2_000_000)) + 1;
            int before = random.nextInt(100);
            ByteBuffer target = i % 2 == 0
                    ? ByteBuffer.allocate(before + length + 7)
                    : ByteBuffer.allocateDirect(before + length + 7);
            target.position(before).limit(before + length);

            store.get("ranges", offset, target);

            assertThat(target.position()).isEqualTo(before + length);
            assertThat(target.limit()).isEqualTo(before + length);
            byte[] got = new byte[target.capacity()];
            target.clear().get(got);
            byte[] expected = new byte[got.length];
            System.arraycopy(all, offset, expected, before, length);
            assertThat(got).as("bytes %d to %d", offset, offset + length).isEqualTo(expected);
        }
    }

    @Test
    @DisplayName("S22: get: a range that goes past the end is CORRUPT_DATA, wherever it begins")
    @Mend("throw CorruptDataException when the object ends before the range; mind offsets that overflow")
    final void getPastTheEndFails() {
        put("short", 1000);
        put("empty", 0);

        assertFails(ErrorCode.CORRUPT_DATA, () -> store.get("short", 0, ByteBuffer.allocate(1001)));
        assertFails(ErrorCode.CORRUPT_DATA, () -> store.get("short", 999, ByteBuffer.allocateDirect(2)));
        assertFails(ErrorCode.CORRUPT_DATA, () -> store.get("short", 1000, ByteBuffer.allocate(1)));
        assertFails(ErrorCode.CORRUPT_DATA, () -> store.get("short", Long.MAX_VALUE - 8, ByteBuffer.allocate(1)));
        assertFails(ErrorCode.CORRUPT_DATA, () -> store.get("empty", 0, ByteBuffer.allocate(1)));
        assertThatThrownBy(() -> store.get("short", -1, ByteBuffer.allocate(1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @DisplayName("S23: get: with nothing remaining it reads nothing")
    @Mend("return at once when nothing is remaining")
    final void getsNothing() {
        put("some", 10);
        put("none", 0);
        ByteBuffer full = ByteBuffer.allocate(5).position(5);

        store.get("some", 3, full);
        store.get("none", 0, full);

        assertThat(full.position()).isEqualTo(5);
    }

    @Test
    @DisplayName("S24: get and getAll: an object that is not there is NOT_FOUND")
    @Mend("throw NOT_FOUND for a key that has no object, also where it is the beginning of others")
    final void missingObjectIsNotFound() {
        put("there/one", 10);

        for (String key : List.of("missing", "there/two", "there", "nowhere/at/all")) {
            assertFails(ErrorCode.NOT_FOUND, () -> store.get(key, 0, ByteBuffer.allocate(1)));
            assertFails(ErrorCode.NOT_FOUND, () -> store.getAll(key, 10));
        }
    }

    @Test
    @DisplayName("S25: getAll: an object longer than accepted is CORRUPT_DATA")
    @Mend("leave getAll as the interface has it, or compare the length first")
    final void getAllIsBounded() {
        put("long", 11);

        assertThat(store.getAll("long", 11)).hasSize(11);
        assertFails(ErrorCode.CORRUPT_DATA, () -> store.getAll("long", 10));
    }

    // ---- exclusive creation

    @Test
    @DisplayName("S2: a second put is told that the object exists, and changes nothing")
    @Mend("create exclusively, and answer EXISTS whatever the bytes are")
    final void secondPutFindsTheFirst() {
        put("once", 1000);

        assertThat(store.put("once", BlobContent.of(StoreBytes.of("other", 2000))))
                .isEqualTo(PutOutcome.EXISTS);
        assertThat(put("once", 1000)).as("the same bytes again").isEqualTo(PutOutcome.EXISTS);

        assertThat(store.getAll("once", 2000)).isEqualTo(StoreBytes.of("once", 1000));
    }

    @Test
    @DisplayName("S2: an empty object is exclusive as well")
    @Mend("create empty objects exclusively as well")
    final void emptyObjectIsExclusive() {
        put("fence", 0);

        assertThat(put("fence", 10)).isEqualTo(PutOutcome.EXISTS);

        assertThat(store.getAll("fence", 10)).isEmpty();
    }

    @Test
    @DisplayName("S2: of 16 racing puts exactly one creates the object, and its content is the winner's")
    @Mend("leave the decision to an atomic operation of the place (hard link, If-None-Match), never to a look before")
    final void exactlyOneRacerWins() throws Exception {
        try (BlobStore other = provider.open(place)) {
            for (int round = 0; round < 20; round++) {
                String key = "race/" + round % 3 + "/" + round;
                List<PutOutcome> outcomes = Race.of(RACERS, racer -> () -> {
                    BlobStore own = racer % 2 == 0 ? store : other;
                    return own.put(key, BlobContent.of(StoreBytes.of("racer " + racer, 10_000 + racer)));
                });

                assertThat(Collections.frequency(outcomes, PutOutcome.CREATED))
                        .as("winners of round %d: %s", round, outcomes)
                        .isEqualTo(1);
                int winner = outcomes.indexOf(PutOutcome.CREATED);
                assertThat(store.getAll(key, 20_000)).isEqualTo(StoreBytes.of("racer " + winner, 10_000 + winner));
            }
        }
    }

    @Test
    @DisplayName("S2: an object that was deleted can be created again")
    @Mend("remember nothing of deleted objects")
    final void canBeCreatedAfterDelete() {
        put("again/a", 10);
        store.delete("again/a");

        assertThat(store.put("again/a", BlobContent.of(StoreBytes.of("new", 20))))
                .isEqualTo(PutOutcome.CREATED);

        assertThat(store.getAll("again/a", 20)).isEqualTo(StoreBytes.of("new", 20));
    }

    @Test
    @DisplayName("S2: puts that race with deletes of their neighbours all succeed")
    @Mend("when a delete tidies up what is around the object, do not take from a put what it is about to use")
    final void putsSurviveDeletesBesideThem() throws Exception {
        List<Integer> created = Race.of(4, runner -> () -> {
            int count = 0;
            for (int i = 0; i < 200; i++) {
                String key = "shared/folder/" + runner + "-" + i;
                count += put(key, 10) == PutOutcome.CREATED ? 1 : 0;
                assertThat(store.getAll(key, 10)).isEqualTo(StoreBytes.of(key, 10));
                store.delete(key);
            }
            return count;
        });

        assertThat(created).containsOnly(200);
        assertThat(keys(store, "")).isEmpty();
    }

    // ---- durability and consistency

    @Test
    @DisplayName("S3: objects are there when the store is opened again")
    @Mend("have everything durable before put and delete answer")
    final void objectsOutliveTheStore() {
        put("a", 10);
        put("b/c/d", LARGE);
        put("e", 10);
        store.delete("e");
        store.close();

        store = provider.open(place);

        assertThat(keys(store, "")).containsExactly("a", "b/c/d");
        assertThat(store.getAll("b/c/d", LARGE)).isEqualTo(StoreBytes.of("b/c/d", LARGE));
    }

    @Test
    @DisplayName("S4: what one has put or deleted is at once seen by another")
    @Mend("cache nothing that others may change")
    final void othersSeeItAtOnce() {
        assertThat(store.listingLag())
                .as("the test is for strongly consistent stores")
                .isZero();
        try (BlobStore other = provider.open(place)) {
            for (int i = 0; i < 20; i++) {
                String key = "seen/" + i;
                assertThat(other.stat(key)).isEmpty();
                put(key, 100);
                assertThat(other.stat(key)).contains(new BlobEntry(key, 100));
                assertThat(other.getAll(key, 100)).isEqualTo(StoreBytes.of(key, 100));
                assertThat(keys(other, "seen/")).containsExactly(key);

                store.delete(key);
                assertThat(other.stat(key)).isEmpty();
                assertFails(ErrorCode.NOT_FOUND, () -> other.get(key, 0, ByteBuffer.allocate(100)));
                assertThat(keys(other, "seen/")).isEmpty();
            }
        }
    }

    @Test
    @DisplayName(
            "S3: when a process is killed, what its puts and deletes have answered stays, and nothing half is seen")
    @Mend("have everything durable, and under its name at once, before put and delete answer")
    final void answersOutliveTheProcess() throws Exception {
        Optional<Class<? extends BlobStoreProvider>> other = providerOfAnotherProcess();
        if (other.isPresent()) {
            new StoreDeathRules(provider, other.get(), place).dies();
        } else {
            objectsOutliveTheStore();
        }
    }

    // ---- many at a time, and size

    @Test
    @DisplayName("S1, S4: of objects that come and go all the time whoever sees one sees all of one")
    @Mend("let a get that has begun end with the object that it began with, or with NOT_FOUND")
    final void objectsComeAndGo() throws Exception {
        try (BlobStore other = provider.open(place)) {
            new StoreRaceRules(store, other).comeAndGo();
        }
    }

    @Test
    @DisplayName("S4, S6: what has answered before a listing begins is seen by it, while others put and delete")
    @Mend("list what is there now, not what was there at some earlier time")
    final void listingsSeeWhatHasAnswered() throws Exception {
        try (BlobStore other = provider.open(place)) {
            new StoreRaceRules(store, other).listingsSeeWhatHasAnswered();
        }
    }

    @Test
    @DisplayName("S34: listings that are open at a time, and puts and deletes between, do not disturb each other")
    @Mend("keep the state of a listing in its cursor, and hold no lock between calls of next()")
    final void listingsDoNotDisturbEachOther() throws Exception {
        try (BlobStore other = provider.open(place)) {
            new StoreRaceRules(store, other).listingsDoNotDisturbEachOther();
        }
    }

    @Test
    @DisplayName("S8: an object that is larger than a pack, which is read in pieces")
    @Mend("count in long, stream the content, and read only the range that is asked for")
    final void takesLargeObjects() {
        int blocks = 40;
        byte[] block = StoreBytes.of("large", 1 << 20);
        store.put("large", BlobContent.of(Collections.nCopies(blocks, ByteBuffer.wrap(block))));

        assertThat(store.stat("large")).contains(new BlobEntry("large", (long) blocks << 20));
        ByteBuffer target = ByteBuffer.allocateDirect(block.length);
        for (int i = 0; i < blocks; i++) {
            store.get("large", (long) i << 20, target.clear());
            assertThat(target.flip().mismatch(ByteBuffer.wrap(block)))
                    .as("the first byte of MiB %d that is wrong", i)
                    .isEqualTo(-1);
        }
    }

    // ---- list, stat, delete

    @Test
    @DisplayName("S31: list: in ascending order of the keys' bytes, as whole keys")
    @Mend("sort by the bytes of the whole key: a/b stands between a.b and a0")
    final void listsInOrder() {
        List<String> keys = new ArrayList<>(List.of(
                "a-b", "a/b", "a.b", "a_b", "ab", "a0", "a/b-c", "a/bc", "a-b-c/d", "a-/x", "0", "z", "-", "_", "a--"));
        Collections.shuffle(keys, new Random(2));
        keys.forEach(key -> put(key, 1));

        assertThat(keys(store, "")).containsExactlyElementsOf(new TreeSet<>(keys));
    }

    @Test
    @DisplayName("S32: list: more objects than any page holds, each once, with their lengths")
    @Mend("follow the pages of a listing to the end")
    final void listsMany() throws Exception {
        List<String> keys = IntStream.range(0, 2500)
                .mapToObj(i -> "many/" + Integer.toHexString(i % 40) + "/" + i)
                .toList();
        Race.of(8, runner -> () -> {
            for (int i = runner; i < keys.size(); i += 8) {
                put(keys.get(i), i % 50);
            }
            return 0;
        });

        List<BlobEntry> entries = entries(store, "");

        assertThat(entries).extracting(BlobEntry::key).containsExactlyElementsOf(new TreeSet<>(keys));
        assertThat(entries).allMatch(entry -> entry.length() == keys.indexOf(entry.key()) % 50);
        assertThat(entries(store, "many/5/"))
                .isEqualTo(entries.stream()
                        .filter(entry -> entry.key().startsWith("many/5/"))
                        .toList());
    }

    @Test
    @DisplayName("S33: list: a prefix takes what begins with it and nothing else")
    @Mend("compare the beginning of the whole key with the prefix")
    final void listsByPrefix() {
        Stream.of("p/q/r", "p/q/s/t", "p/q-r", "p/qq/r", "pp/q/r", "p/z").forEach(key -> put(key, 1));

        assertThat(keys(store, "p/q/")).containsExactly("p/q/r", "p/q/s/t");
        assertThat(keys(store, "p/")).containsExactly("p/q-r", "p/q/r", "p/q/s/t", "p/qq/r", "p/z");
        assertThat(keys(store, "p/q/s/t/"))
                .as("an object is no prefix of itself")
                .isEmpty();
        assertThat(keys(store, "nothing/here/")).isEmpty();
    }

    @Test
    @DisplayName("S34: list: objects that are not touched meanwhile are in it once")
    @Mend("do not end or repeat a listing when something appears or vanishes meanwhile")
    final void listsWhatStays() throws Exception {
        List<String> stay = IntStream.range(0, 300)
                .mapToObj(i -> "stay/" + i % 7 + "/" + i)
                .sorted()
                .toList();
        stay.forEach(key -> put(key, 1));
        AtomicBoolean done = new AtomicBoolean();
        Race.of(2, runner -> () -> {
            for (int i = 0; runner == 0 && !done.get(); i++) {
                String key = "stay/" + i % 9 + "/x" + i % 5;
                put(key, 1);
                store.delete(key);
            }
            try {
                for (int i = 0; runner == 1 && i < 30; i++) {
                    List<String> keys = keys(store, "stay/");
                    assertThat(keys).isSorted().doesNotHaveDuplicates().containsAll(stay);
                }
            } finally {
                done.set(true);
            }
            return 0;
        });
    }

    @Test
    @DisplayName("S35: list: the cursor stands on an object only after next() was true, and closes twice")
    @Mend("throw IllegalStateException from entry() before next() and behind the end, or use BlobCursor.of")
    final void cursorKeepsItsRules() {
        put("a", 1);

        BlobCursor cursor = store.list("");
        assertThatThrownBy(cursor::entry).isInstanceOf(IllegalStateException.class);
        assertThat(cursor.next()).isTrue();
        assertThat(cursor.entry()).isEqualTo(new BlobEntry("a", 1)).isEqualTo(cursor.entry());
        assertThat(cursor.next()).isFalse();
        assertThatThrownBy(cursor::entry).isInstanceOf(IllegalStateException.class);
        cursor.close();
        cursor.close();
    }

    @Test
    @DisplayName("S36: stat: tells nothing of what is no object")
    @Mend("answer empty for what is only the beginning of keys")
    final void statsOnlyObjects() {
        put("s/t/u", 3);

        assertThat(store.stat("s/t/u")).contains(new BlobEntry("s/t/u", 3));
        assertThat(store.stat("s/t")).isEmpty();
        assertThat(store.stat("s")).isEmpty();
        assertThat(store.stat("x")).isEmpty();
        assertThat(store.stat("s/t/u/v")).isEmpty();
    }

    @Test
    @DisplayName("S37: delete: removes an object and only that, and does nothing when there is none")
    @Mend("delete the one object, and nothing under or beside it")
    final void deletesOneObject() {
        Stream.of("d/a", "d/b", "d/c/e", "d-a").forEach(key -> put(key, 1));

        store.delete("d/a");
        store.delete("d/a");
        store.delete("d");
        store.delete("d/c");
        store.delete("never/was");

        assertThat(keys(store, "")).containsExactly("d-a", "d/b", "d/c/e");
    }

    // ---- keys

    @Test
    @DisplayName("S41: keys: all that the package description allows are keys")
    @Mend("take every key that BlobKeys.isKey takes")
    final void takesEveryLegalKey() {
        List<String> keys = List.of(
                "0", "-", "_", "a..b", "a.", "_-/-/0", "a/b/c/d/e/f/g/h/i/j", "x".repeat(200), "y/".repeat(99) + "zz");

        keys.forEach(key -> put(key, 3));

        keys.forEach(key -> assertThat(store.getAll(key, 3)).isEqualTo(StoreBytes.of(key, 3)));
        assertThat(keys(store, "")).containsExactlyElementsOf(new TreeSet<>(keys));
    }

    @Test
    @DisplayName("S42: keys: all others are refused by every method")
    @Mend("call BlobKeys.requireKey and requirePrefix first")
    final void refusesIllegalKeys() {
        for (String key : List.of(
                "",
                "/",
                "/a",
                "a/",
                "a//b",
                ".a",
                "a/.b",
                "..",
                "a/..",
                "A",
                "a b",
                "a\\b",
                "a:b",
                "\u00e4",
                "a\n",
                "x".repeat(201))) {
            refuses(key, () -> store.put(key, BlobContent.of(new byte[1])));
            refuses(key, () -> store.get(key, 0, ByteBuffer.allocate(1)));
            refuses(key, () -> store.stat(key));
            refuses(key, () -> store.delete(key));
        }
        for (String prefix : List.of("a", "/", "a//", ".a/", "../", "A/", "a/b")) {
            refuses(prefix, () -> store.list(prefix));
        }
        assertThat(keys(store, "")).isEmpty();
    }

    // ---- close

    @Test
    @DisplayName("S6: after close every call fails with CLOSED, and close can be called again")
    @Mend("throw CLOSED from every call after close()")
    final void closedStoreRefuses() {
        put("a", 1);
        BlobCursor cursor = store.list("");
        store.close();
        store.close();

        assertFails(ErrorCode.CLOSED, () -> put("b", 1));
        assertFails(ErrorCode.CLOSED, () -> store.get("a", 0, ByteBuffer.allocate(1)));
        assertFails(ErrorCode.CLOSED, () -> store.list(""));
        assertFails(ErrorCode.CLOSED, () -> store.stat("a"));
        assertFails(ErrorCode.CLOSED, () -> store.delete("a"));
        assertFails(ErrorCode.CLOSED, cursor::next);
        cursor.close();
        try (BlobStore again = provider.open(place)) {
            assertThat(keys(again, "")).containsExactly("a");
        }
    }

    @Test
    @DisplayName("S6: calls that race with close succeed or fail with CLOSED, and no half object is left")
    @Mend("turn what close() from another thread makes of a call into CLOSED, and leave nothing half done to be seen")
    final void closeRacesWithCalls() throws Exception {
        for (int round = 0; round < 5; round++) {
            BlobStore own = provider.open(place);
            String folder = "closing/" + round + "/";
            Race.of(RACERS, runner -> runner < 2 ? closing(own) : working(own, folder + runner));
        }
        for (BlobEntry entry : entries(store, "")) {
            assertThat(store.getAll(entry.key(), LARGE)).isEqualTo(StoreBytes.of(entry.key(), 70_000));
        }
    }

    @Test
    @DisplayName("S6: close breaks off a put that is under way")
    @Mend("ask whether the store was closed before an object gets its name")
    final void closeBreaksOffAPut() throws Exception {
        CountDownLatch halfWay = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        BlobContent slow = new Content(StoreBytes.of("slow", LARGE), () -> {
            halfWay.countDown();
            await(closed);
        });
        List<Integer> done = Race.of(2, runner -> () -> {
            if (runner == 0) {
                assertFails(ErrorCode.CLOSED, () -> store.put("slow", slow));
            } else {
                await(halfWay);
                store.close();
                closed.countDown();
            }
            return runner;
        });

        assertThat(done).containsExactly(0, 1);
        try (BlobStore again = provider.open(place)) {
            assertThat(keys(again, "")).isEmpty();
        }
    }

    private static Callable<Integer> closing(BlobStore store) {
        return () -> {
            store.close();
            return 0;
        };
    }

    private static Callable<Integer> working(BlobStore store, String key) {
        return () -> {
            int done = 0;
            try {
                for (; done < 1000; done++) {
                    store.put(key + "/" + done, BlobContent.of(StoreBytes.of(key + "/" + done, 70_000)));
                    store.getAll(key + "/" + done, 70_000);
                }
            } catch (GenieVmException e) {
                assertThat(e.code()).as("%s", e).isEqualTo(ErrorCode.CLOSED);
            }
            return done;
        };
    }

    private PutOutcome put(String key, int length) {
        return store.put(key, BlobContent.of(StoreBytes.of(key, length)));
    }

    private static void refuses(String key, ThrowingCallable call) {
        assertThatThrownBy(call).as("the key or prefix '%s'", key).isInstanceOf(IllegalArgumentException.class);
    }

    static List<String> keys(BlobStore store, String prefix) {
        return entries(store, prefix).stream().map(BlobEntry::key).toList();
    }

    private static List<BlobEntry> entries(BlobStore store, String prefix) {
        List<BlobEntry> entries = new ArrayList<>();
        try (BlobCursor cursor = store.list(prefix)) {
            while (cursor.next()) {
                entries.add(cursor.entry());
            }
        }
        return entries;
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        assertThat(latch.await(1, TimeUnit.MINUTES))
                .as("the other thread has come that far")
                .isTrue();
    }

    /** Content with something that happens when half of it has been read. */
    private record Content(byte[] bytes, long length, HalfWay halfWay) implements BlobContent {
        Content(byte[] bytes, HalfWay halfWay) {
            this(bytes, bytes.length, halfWay);
        }

        interface HalfWay {
            void run() throws Exception;
        }

        @Override
        public InputStream open() {
            return new InputStream() {
                private final InputStream in = new ByteArrayInputStream(bytes);

                @Override
                public int read() throws IOException {
                    byte[] one = new byte[1];
                    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
                }

                @Override
                public int read(byte[] target, int offset, int length) throws IOException {
                    int toHalf = in.available() - bytes.length / 2;
                    if (toHalf == 0) {
                        interrupt();
                    }
                    return in.read(target, offset, toHalf > 0 ? Math.min(length, toHalf) : length);
                }
            };
        }

        @Override
        public void writeTo(WritableByteChannel channel) throws IOException {
            int half = bytes.length - bytes.length / 2;
            write(channel, ByteBuffer.wrap(bytes, 0, half));
            interrupt();
            write(channel, ByteBuffer.wrap(bytes, half, bytes.length - half));
        }

        private void interrupt() throws IOException {
            try {
                halfWay.run();
            } catch (IOException | RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        private static void write(WritableByteChannel channel, ByteBuffer buffer) throws IOException {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
    }
}
