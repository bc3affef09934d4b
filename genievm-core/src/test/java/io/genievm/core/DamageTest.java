package io.genievm.core;

import io.genievm.api.SessionId;
import io.genievm.core.testing.DamagedLab;
import io.genievm.core.testing.DamagedLab.Expectation;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import io.genievm.core.testing.Seeds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whatever is damaged in a repository, verify finds it, names the object and just the ranges of disks that are lost, and
 * a restore gives every byte or zeroes and says so: never a wrong byte.
 */
class DamageTest {
    private static DamagedLab lab;

    @BeforeAll
    static void prepare() {
        lab = new DamagedLab();
    }

    @AfterAll
    static void clear() {
        lab.close();
    }

    @AfterEach
    void mend() {
        lab.reset();
    }

    @Test
    @DisplayName("nothing is found in a repository that is whole, whatever dead sessions left there")
    void whole() {
        lab.check(new Expectation(), lab.lab().points());
    }

    @Test
    @DisplayName("one flipped bit, in a few places")
    void flips() {
        Seeds.run(DamageTest.class, "flips", 12, this::flip);
    }

    @Test
    @Tag("torture")
    @DisplayName("one flipped bit, in 200 places")
    void manyFlips() {
        Seeds.torture(DamageTest.class, "manyFlips", 200, this::flip);
    }

    private void flip(Random random) {
        lab.reset();
        String key = randomObject(random);
        byte[] bytes = Objects.requireNonNull(lab.original().get(key)).clone();
        int at = random.nextInt(bytes.length);
        bytes[at] ^= (byte) (1 << random.nextInt(8));
        lab.lab().store().replace(key, bytes);

        checkChanged(key, bytes, random);
    }

    @Test
    @DisplayName("objects cut short, emptied, zero-filled, lengthened, in a few places")
    void mutilations() {
        Seeds.run(DamageTest.class, "mutilations", 16, this::mutilate);
    }

    @Test
    @Tag("torture")
    @DisplayName("objects cut short, emptied, zero-filled, lengthened, in 200 places")
    void manyMutilations() {
        Seeds.torture(DamageTest.class, "manyMutilations", 200, this::mutilate);
    }

    private void mutilate(Random random) {
        lab.reset();
        String key = randomObject(random);
        byte[] bytes = Objects.requireNonNull(lab.original().get(key));
        byte[] changed = bytes.clone();
        int from = random.nextInt(bytes.length);
        switch (random.nextInt(6)) {
            case 0 -> changed = new byte[0];
            case 1 -> changed = Arrays.copyOf(bytes, from);
            case 2 -> changed = new byte[bytes.length];
            // As after a crash that a file system has survived and some of the file's blocks have not.
            case 3 -> Arrays.fill(changed, from & ~511, Math.min(bytes.length, (from & ~511) + 4096), (byte) 0);
            case 4 -> Arrays.fill(changed, from, bytes.length, (byte) 0);
            default -> changed = Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(5000));
        }
        lab.lab().store().replace(key, changed);

        checkChanged(key, changed, random);
    }

    @Test
    @DisplayName("objects that are not there any more, a few of them")
    void losses() {
        Seeds.run(DamageTest.class, "losses", 10, this::lose);
    }

    @Test
    @Tag("torture")
    @DisplayName("objects that are not there any more, 100 times one")
    void manyLosses() {
        Seeds.torture(DamageTest.class, "manyLosses", 100, this::lose);
    }

    private void lose(Random random) {
        lab.reset();
        String key = randomObject(random);
        lab.lab().store().remove(key);

        Expectation expected = new Expectation();
        if (key.startsWith("packs/")) {
            expected.withoutSegments(lab.plain().segments(key));
            if (isNeeded(key)) {
                expected.named(key);
            }
        } else if (key.startsWith("points/")) {
            expected.named(key).withoutPoint(key);
        } else if (key.startsWith("index/")) {
            // What a dead session has lost, nobody can miss: packs that no point needs, or copies that others have.
            if (isOfPoint(key)) {
                expected.named(key);
            }
        } else if (key.startsWith("witness/") || key.startsWith("repository")) {
            expected.named(key);
        }
        lab.check(expected, lab.interestingPoints(expected, random));
    }

    @Test
    @DisplayName("objects in each other's place, a few pairs")
    void swaps() {
        Seeds.run(DamageTest.class, "swaps", 12, this::swap);
    }

    @Test
    @Tag("torture")
    @DisplayName("objects in each other's place, 200 pairs")
    void manySwaps() {
        Seeds.torture(DamageTest.class, "manySwaps", 200, this::swap);
    }

    private void swap(Random random) {
        lab.reset();
        String one = randomObject(random);
        // Mostly of the same kind, as then the most is right.
        List<String> likely = lab.lab().store().keys(one.substring(0, one.indexOf('/') + 1)).stream()
                .filter(key -> Objects.requireNonNull(lab.original().get(key)).length > 0)
                .toList();
        String other = random.nextInt(4) == 0 ? randomObject(random) : likely.get(random.nextInt(likely.size()));
        byte[] oneBytes = lab.original().get(one);
        byte[] otherBytes = lab.original().get(other);
        if (Arrays.equals(oneBytes, otherBytes)) {
            return;
        }
        lab.lab().store().replace(one, otherBytes);
        lab.lab().store().replace(other, oneBytes);

        Expectation expected = new Expectation().named(one, other);
        withoutSwapped(expected, one, other);
        withoutSwapped(expected, other, one);
        lab.check(expected, lab.interestingPoints(expected, random));
    }

    private static void withoutSwapped(Expectation expected, String key, String other) {
        if (key.startsWith("points/")) {
            expected.withoutPoint(key);
        } else if (key.startsWith("packs/")) {
            // Under another pack's name it is only found where no table says what is under that name.
            Integer indexed = lab.plain().indexed().get(other);
            if (!other.startsWith("packs/")
                    || indexed != null
                            && indexed == Objects.requireNonNull(lab.original().get(key)).length) {
                expected.withoutSegments(lab.plain().segments(key));
            }
        }
    }

    private static boolean isNeeded(String pack) {
        return lab.plain().disks().stream()
                .anyMatch(disk -> !lab.plain()
                        .lost(disk, new TreeSet<>(lab.plain().segments(pack)))
                        .isEmpty());
    }

    private static boolean isOfPoint(String table) {
        String session = table.substring("index/".length(), "index/".length() + 32);
        return lab.lab().points().contains(new SessionId(session));
    }

    /** Objects of all kinds alike, but of packs as many as of all others. */
    private static String randomObject(Random random) {
        List<String> prefixes = List.of(
                "packs/",
                "packs/",
                "packs/",
                "packs/",
                "packs/",
                "packs/",
                "packs/",
                "index/",
                "points/",
                "witness/",
                "sessions/",
                "gc/",
                "repository.json",
                "repository-copy.json");
        String prefix = prefixes.get(random.nextInt(prefixes.size()));
        List<String> keys = lab.lab().store().keys(prefix).stream()
                .filter(key -> Objects.requireNonNull(lab.original().get(key)).length > 0)
                .toList();
        return keys.get(random.nextInt(keys.size()));
    }

    private static void checkChanged(String key, byte[] changed, Random random) {
        byte[] bytes = Objects.requireNonNull(lab.original().get(key));
        if (Arrays.equals(bytes, changed)) {
            return;
        }
        Expectation expected = new Expectation().named(key);
        if (key.startsWith("packs/")) {
            expected.withoutSegments(changedSegments(key, bytes, changed));
        } else if (key.startsWith("points/")) {
            expected.withoutPoint(key);
        }
        lab.check(expected, lab.interestingPoints(expected, random));
    }

    private static List<PlainSegment> changedSegments(String key, byte[] bytes, byte[] changed) {
        List<PlainSegment> segments = new ArrayList<>();
        for (PlainSegment segment : lab.plain().segments(key)) {
            if (segment.end() > changed.length
                    || !Arrays.equals(
                            bytes, segment.offset(), segment.end(), changed, segment.offset(), segment.end())) {
                segments.add(segment);
            }
        }
        return segments;
    }
}
