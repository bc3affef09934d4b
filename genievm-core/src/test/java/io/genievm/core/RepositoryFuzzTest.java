package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.core.testing.DamagedLab;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Mutations;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Objects that say something else than was written, under checksums that are right: as no accident makes them, but a bug
 * may. Hashes still tell data that is not the point's, so that no byte is ever restored wrong; and nothing breaks that
 * does not say what it is.
 */
class RepositoryFuzzTest {
    private static final Set<ErrorCode> ALLOWED =
            Set.of(ErrorCode.CORRUPT_DATA, ErrorCode.FORMAT_TOO_NEW, ErrorCode.NOT_FOUND);

    private static DamagedLab damaged;
    private static Lab lab;

    @BeforeAll
    static void prepare() {
        damaged = new DamagedLab();
        lab = damaged.lab();
    }

    @AfterAll
    static void clear() {
        damaged.close();
    }

    @AfterEach
    void mend() {
        damaged.reset();
    }

    @Test
    @DisplayName("lies under right checksums, a few")
    void lies() {
        Seeds.run(RepositoryFuzzTest.class, "lies", 10, this::lie);
    }

    @Test
    @Tag("torture")
    @DisplayName("lies under right checksums, 300 of them")
    void manyLies() {
        Seeds.torture(RepositoryFuzzTest.class, "manyLies", 300, this::lie);
    }

    private void lie(Random random) {
        damaged.reset();
        List<String> prefixes = List.of(
                "packs/",
                "packs/",
                "packs/",
                "index/",
                "index/",
                "points/",
                "witness/",
                "sessions/",
                "gc/",
                "repository.json");
        String prefix = prefixes.get(random.nextInt(prefixes.size()));
        List<String> keys = lab.store().keys(prefix).stream()
                .filter(each -> Objects.requireNonNull(damaged.original().get(each)).length > 0)
                .toList();
        String key = keys.get(random.nextInt(keys.size()));
        byte[] bytes = Objects.requireNonNull(damaged.original().get(key));
        lab.store()
                .replace(
                        key,
                        switch (prefix) {
                            case "packs/" -> packLie(key, bytes, random);
                            case "index/" -> tableLie(bytes, random);
                            default -> documentLie(bytes, random);
                        });

        try {
            lab.reopen();
        } catch (GenieVmException e) {
            assertThat(e.code()).isIn(ALLOWED);
            return;
        }
        lab.verify();
        List<SessionId> points = lab.points().stream()
                .filter(point -> !key.startsWith("points/") || !key.endsWith(point.value()))
                .toList();
        checkRestore(points.get(random.nextInt(points.size())));
        checkBackup();
    }

    private static void checkRestore(SessionId point) {
        Lab.Restored restored;
        try {
            restored = lab.restore(point);
        } catch (GenieVmException e) {
            assertThat(e.code()).as(e.toString()).isIn(ALLOWED);
            return;
        }
        Map<DiskId, byte[]> truth = lab.truth(point);
        truth.forEach((disk, bytes) -> {
            byte[] whole = restored.whole().get(disk);
            if (whole != null) {
                assertThat(Arrays.mismatch(whole, bytes))
                        .as("wrong byte of %s", disk)
                        .isEqualTo(-1);
                return;
            }
            byte[] expected = bytes.clone();
            for (Damage damage : restored.failure().damage()) {
                Extent extent = Objects.requireNonNull(damage.extent());
                if (Objects.requireNonNull(damage.disk()).equals(disk)) {
                    Arrays.fill(expected, (int) extent.offset(), (int) extent.end(), (byte) 0);
                }
            }
            assertThat(Arrays.mismatch(restored.incomplete().get(disk), expected))
                    .as("wrong byte of %s", disk)
                    .isEqualTo(-1);
        });
    }

    private static void checkBackup() {
        SessionId point;
        try {
            point = Lab.await(lab.beginBackup("db")).point();
        } catch (GenieVmException e) {
            assertThat(e.code().category()).isNotEqualTo(ErrorCategory.INTERNAL);
            assertThat(e.code()).as(e.toString()).isIn(ALLOWED);
            return;
        }
        // It may have relied on a lie, but it says so.
        lab.verify(new VerifyRequest(point, false));
    }

    /** Changes one segment, header or payload. */
    private static byte[] packLie(String key, byte[] bytes, Random random) {
        List<PlainSegment> segments = damaged.plain().segments(key);
        PlainSegment segment = segments.get(random.nextInt(segments.size()));
        byte[] changed = bytes.clone();
        int payload = segment.offset() + segment.header();
        boolean inHeader = random.nextInt(3) == 0;
        int from = inHeader ? segment.offset() : payload;
        int to = inHeader ? payload - 4 : segment.end();
        byte[] part = Mutations.ofBinary(Arrays.copyOfRange(bytes, from, to), random);
        System.arraycopy(part, 0, changed, from, Math.min(part.length, to - from));
        ByteBuffer buffer = ByteBuffer.wrap(changed);
        buffer.putInt(segment.offset() + 16, crc(changed, payload, segment.end()));
        buffer.putInt(payload - 4, crc(changed, segment.offset(), payload - 4));
        return changed;
    }

    private static byte[] tableLie(byte[] bytes, Random random) {
        byte[] body = Mutations.ofBinary(Arrays.copyOf(bytes, bytes.length - 16), random);
        byte[] changed = Arrays.copyOf(body, bytes.length);
        ByteBuffer buffer = ByteBuffer.wrap(changed);
        buffer.putLong(changed.length - 16, changed.length);
        buffer.putInt(changed.length - 8, crc(changed, 0, changed.length - 8));
        buffer.putInt(changed.length - 4, 0x47494458);
        return changed;
    }

    private static byte[] documentLie(byte[] bytes, Random random) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        int last = text.lastIndexOf("genievm ");
        byte[] body = Mutations.ofText(text.substring(0, last - 1).getBytes(StandardCharsets.UTF_8), random);
        byte[] line = Arrays.copyOf(body, body.length + 1);
        line[body.length] = '\n';
        return PlainRepository.sealed(text.substring(last).split(" ")[1], line);
    }

    private static int crc(byte[] bytes, int from, int to) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, from, to - from);
        return (int) crc.getValue();
    }
}
