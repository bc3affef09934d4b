package io.genievm.kvm.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.HypervisorConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused before libvirt is needed. */
class KvmProviderTest {
    private final KvmProvider provider = new KvmProvider();

    @Test
    void keepsItsNameAndSchemes() {
        assertThat(provider.name()).isEqualTo("kvm");
        assertThat(provider.schemes()).contains("kvm", "qemu", "qemu+ssh");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "qemu+ssh://root@example.org/system",
                "qemu+tls://example.org/system",
                "qemu://example.org/system",
                "kvm:qemu+tcp://example.org/system",
                "kvm:test:///default",
                "kvm:anything"
            })
    void refusesWhatIsNotOfThisMachineByName(String address) {
        GenieVmException refusal =
                catchThrowableOfType(GenieVmException.class, () -> provider.open(HypervisorConfig.of(address)));

        assertThat(refusal.code()).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThat(refusal)
                .hasMessageContainingAll(address.startsWith("kvm:") ? address.substring(4) : address, "qemu:///system");
    }

    @ParameterizedTest
    @CsvSource({
        "scratch, relative/folder",
        "scratch, /no/such/folder",
        "freeze-timeout, 0",
        "freeze-timeout, 301",
        "freeze-timeout, soon",
        "frozen, 1"
    })
    void refusesOptionsByName(String name, String value) {
        HypervisorConfig config = HypervisorConfig.of("qemu:///system", Map.of(name, value));

        GenieVmException refusal = catchThrowableOfType(GenieVmException.class, () -> provider.open(config));

        assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT);
        assertThat(refusal).hasMessageContaining("'" + name + "'");
    }

    @Test
    void readsItsOptions(@TempDir Path folder) {
        assertThat(KvmOptions.of(HypervisorConfig.of("kvm:")))
                .isEqualTo(new KvmOptions("qemu:///system", Path.of("/var/tmp"), Duration.ofSeconds(10)));
        assertThat(KvmOptions.of(HypervisorConfig.of(
                        "qemu:///session", Map.of("scratch", folder + "/.", "freeze-timeout", "300"))))
                .isEqualTo(new KvmOptions("qemu:///session", folder, Duration.ofMinutes(5)));
    }
}
