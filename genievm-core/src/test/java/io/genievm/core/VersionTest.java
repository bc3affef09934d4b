package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What is too new is named as that, is never called damaged, and stands in nobody's way where it need not. */
class VersionTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();
    private SessionId first;
    private SessionId second;

    @BeforeEach
    void prepare() {
        lab.addVm("web", 200_000);
        first = lab.backup("web").point();
        lab.change("web", 1, 100_000);
        second = lab.backup("web").point();
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("repository.json: the repository is not opened")
    void repository() {
        makeNewer("repository.json");

        assertThat(catchThrowableOfType(UnsupportedFormatVersionException.class, lab::reopen)
                        .resource()
                        .name())
                .isEqualTo("repository.json");
    }

    @Test
    @DisplayName("repository-copy.json: named by verify, in nobody's way")
    void copy() {
        makeNewer("repository-copy.json");
        lab.reopen();

        assertNamed("repository-copy.json");
        lab.assertRestores(lab.backup("web").point());
    }

    @Test
    @DisplayName("point: it is listed as one that can not be read, others are restored, a backup stops")
    void point() {
        String manifest = keyOf("points/", second);
        makeNewer(manifest);

        assertThat(lab.repository().points().points())
                .extracting(RestorePoint::id)
                .containsExactly(first);
        assertThat(lab.repository().points().unreadable())
                .singleElement()
                .satisfies(damage -> assertThat(damage.message()).contains("version 2"));
        assertThat(catchThrowableOfType(
                                UnsupportedFormatVersionException.class,
                                () -> lab.repository().point(second.value()))
                        .resource()
                        .name())
                .isEqualTo(manifest);
        assertThat(catchThrowableOfType(UnsupportedFormatVersionException.class, () -> lab.restore("web", second)))
                .hasMessageContaining(manifest);
        assertThat(catchThrowableOfType(UnsupportedFormatVersionException.class, () -> lab.restore("web", null)))
                .hasMessageContaining(manifest);
        lab.assertRestores(first);
        assertNamed(manifest);
        assertBackupStops(manifest);
    }

    @Test
    @DisplayName("point of another VM: in nobody's way")
    void pointOfAnotherVm() {
        lab.addVm("db", 10_000);
        makeNewer(keyOf("points/", lab.backup("db").point()));

        lab.assertRestores(lab.backup("web").point());
    }

    @Test
    @DisplayName("session: a backup of its VM stops, readers do not mind")
    void session() {
        String session =
                keyOf("points/", second).replace("points/", "sessions/").replace(second.value(), "d".repeat(32));
        store.replace(
                session,
                PlainRepository.document(
                        "session",
                        "{\"format\": 2, \"repository\": \"%s\"}"
                                .formatted(lab.repository().id())));

        assertBackupStops(session);
        lab.assertRestores(first);
        lab.assertRestores(second);
        assertNamed(session);
    }

    @Test
    @DisplayName("plan and verdict: a backup stops, readers do not mind")
    void collection() {
        String plan = "gc/" + "a".repeat(32) + ".plan";
        String verdict = "gc/" + "a".repeat(32) + ".verdict";
        store.replace(plan, PlainRepository.document("plan", "{\"format\": 2}"));

        assertBackupStops(plan);
        lab.assertRestores(second);
        assertNamed(plan);

        store.replace(verdict, PlainRepository.document("verdict", "{\"format\": 2}"));
        assertBackupStops(verdict);
        store.replace(plan, new byte[] {1});
        assertBackupStops(verdict);
    }

    @Test
    @DisplayName("witness: named by verify, in nobody's way, also where its point is lost")
    void witness() {
        makeNewer(keyOf("witness/", second));
        assertNamed(keyOf("witness/", second));
        assertThat(lab.restore("web", null).point()).isEqualTo(second);

        store.remove(keyOf("points/", second));

        assertThat(lab.repository().points().unreadable()).hasSize(1);
        lab.assertRestores(first);
        lab.assertRestores(lab.backup("web").point());
    }

    @Test
    @DisplayName("index table: readers and writers go on with what is in the packs, verify names it")
    void indexTable() {
        String table = "index/" + second + "-00000000";
        byte[] bytes = store.bytes(table);
        ByteBuffer.wrap(bytes).putShort(8, (short) 2);
        store.replace(table, withChecksum(bytes, bytes.length - 8));

        lab.assertRestores(first);
        lab.assertRestores(second);
        assertNamed(table);
        SessionId third = lab.backup("web").point();
        lab.assertRestores(third);
    }

    @Test
    @DisplayName("pack: verify names it, what does not need it is restored")
    void pack() {
        String pack = store.keys("packs/").stream()
                .filter(key -> key.contains(second.value()))
                .findFirst()
                .orElseThrow();
        byte[] bytes = store.bytes(pack);
        ByteBuffer.wrap(bytes).putShort(8, (short) 2);
        byte[] header = withChecksum(Arrays.copyOf(bytes, 56), 52);
        System.arraycopy(header, 0, bytes, 0, 56);
        store.replace(pack, bytes);

        lab.assertRestores(first);
        assertThat(lab.verify().damage()).anySatisfy(damage -> {
            assertThat(damage.object()).isEqualTo(pack);
            assertThat(damage.message()).contains("version 2");
        });
    }

    @Test
    @DisplayName("incident: verify names it, in nobody's way")
    void reserved() {
        String incident = "incidents/" + "0".repeat(32) + "/" + "1".repeat(32);
        store.replace(incident, PlainRepository.document("incident", "{\"format\": 2}"));

        assertThat(lab.verify().damage()).extracting(Damage::object).containsExactly(incident);
        assertThat(lab.verify().warnings()).isEmpty();
        lab.assertRestores(second);
        lab.assertRestores(lab.backup("web").point());
    }

    private void assertNamed(String key) {
        assertThat(lab.verify().damage()).singleElement().satisfies(damage -> {
            assertThat(damage.object()).isEqualTo(key);
            assertThat(damage.message()).contains("version 2").doesNotContain("damaged");
        });
    }

    private void assertBackupStops(String key) {
        Map<String, byte[]> before = store.content();
        GenieVmException failure = Lab.failureOf(lab.beginBackup("web"));
        assertThat(failure.code()).isEqualTo(ErrorCode.FORMAT_TOO_NEW);
        assertThat(failure.resource().name()).isEqualTo(key);
        assertThat(store.content()).containsExactlyEntriesOf(before);
    }

    private String keyOf(String prefix, SessionId session) {
        return store.keys(prefix).stream()
                .filter(key -> key.endsWith(session.value()))
                .findFirst()
                .orElseThrow();
    }

    /** Gives a document the next format number, as a later version would. */
    private void makeNewer(String key) {
        String text = new String(store.bytes(key), StandardCharsets.UTF_8);
        int last = text.lastIndexOf("genievm ");
        String kind = text.substring(last).split(" ")[1];
        String body = text.substring(0, last).replaceFirst("\"format\" : 1", "\"format\" : 2");
        assertThat(body).contains("\"format\" : 2");
        store.replace(key, PlainRepository.sealed(kind, body.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] withChecksum(byte[] bytes, int at) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, at);
        ByteBuffer.wrap(bytes).putInt(at, (int) crc.getValue());
        return bytes;
    }
}
