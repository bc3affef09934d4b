package io.genievm.kvm.internal.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.kvm.internal.KvmOptions;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose is what: the one rule by which something is removed. */
class MarkerTest {
    private static final RepositoryId REPOSITORY = new RepositoryId("0123456789abcdef0123456789abcdef");
    private static final SessionId SESSION = new SessionId("fedcba9876543210fedcba9876543210");
    private static final Marker MARKER = new Marker(REPOSITORY, SESSION);
    private static final String NAME = "genievm-0123456789abcdef0123456789abcdef-fedcba9876543210fedcba9876543210";
    private static final String DOMAIN = "8c3b7a52-1111-2222-3333-444455556666";

    @Test
    void isKnownAgain() {
        assertThat(MARKER.name()).isEqualTo(NAME);
        assertThat(Marker.exactly(NAME)).isEqualTo(MARKER);
        assertThat(Marker.atStartOf(NAME + "-vda.scratch")).isEqualTo(MARKER);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "genievm-", "backup", NAME + "0", "x" + NAME, "virtnbdbackup.0"})
    void isNotSeenInWhatOthersMade(String name) {
        assertThat(Marker.exactly(name)).isNull();
        assertThat(Marker.atStartOf(name)).isNull();
    }

    @Test
    void isExactlyNothingMore() {
        assertThat(Marker.exactly(NAME + "-vda")).isNull();
    }

    @Test
    void tokensAreOfOneDiskWithItsImages() {
        DiskId vda = new DiskId("vda");
        ChangeToken token = MARKER.token(vda, "1a2b");

        assertThat(Marker.in(token, vda, "1a2b")).isEqualTo(MARKER);
        assertThat(Marker.in(token, vda, "1a2c")).as("other images").isNull();
        assertThat(Marker.in(token, new DiskId("vdb"), "1a2b")).isNull();
        assertThat(Marker.in(new ChangeToken(NAME), vda, "1a2b")).isNull();
        assertThat(Marker.in(new ChangeToken("no-such-token"), vda, "1a2b")).isNull();
    }

    @Test
    void filesTellRepositoryAndDomain() {
        BackupFiles files = new BackupFiles(
                new KvmOptions("qemu:///system", Path.of("/srv/scratch"), Duration.ofSeconds(10)), MARKER, DOMAIN);
        Path scratch = files.scratch(new DiskId("vda"));

        assertThat(scratch.toString()).matches("/srv/scratch/" + NAME + "-[0-9A-Za-z_-]{10}-vda\\.scratch");
        assertThat(files.socket(new DiskId("vdaaaa")).toString()).hasSizeLessThan(108);
        assertThat(files.socket().toString()).hasSizeLessThan(108);
        assertThat(BackupFiles.isOf(scratch, REPOSITORY, DOMAIN)).isTrue();
        assertThat(BackupFiles.isOf(files.socket(), REPOSITORY, DOMAIN)).isTrue();
        assertThat(BackupFiles.isOf(scratch, REPOSITORY, DOMAIN.replace('6', '7')))
                .as("a domain whose UUID begins alike")
                .isFalse();
        assertThat(BackupFiles.isOf(scratch, new RepositoryId("f".repeat(32)), DOMAIN))
                .isFalse();
        assertThat(BackupFiles.isOf(Path.of("/srv/scratch/disk.img"), REPOSITORY, DOMAIN))
                .isFalse();
    }
}
