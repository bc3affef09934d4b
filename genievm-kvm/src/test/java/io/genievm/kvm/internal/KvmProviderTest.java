package io.genievm.kvm.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.HypervisorConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KvmProviderTest {
    private final KvmProvider provider = new KvmProvider();

    @Test
    void keepsItsNameAndSchemes() {
        assertThat(provider.name()).isEqualTo("kvm");
        assertThat(provider.schemes()).containsExactlyInAnyOrder("kvm", "qemu");
    }

    @ParameterizedTest
    @ValueSource(strings = {"qemu:///system", "kvm:anything"})
    void refusesByNameAndSaysWhatThereIsInstead(String address) {
        GenieVmException refusal =
                catchThrowableOfType(GenieVmException.class, () -> provider.open(HypervisorConfig.of(address)));

        assertThat(refusal.code()).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThat(refusal.resource().name()).isEqualTo(address);
        assertThat(refusal).hasMessageContainingAll("'kvm'", "not available in this version", "'images'");
    }
}
