package io.genievm.vmware.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.HypervisorConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VmwareProviderTest {
    private final VmwareProvider provider = new VmwareProvider();

    @Test
    void keepsItsNameAndSchemes() {
        assertThat(provider.name()).isEqualTo("vmware");
        assertThat(provider.schemes()).containsExactlyInAnyOrder("vsphere", "vmware");
    }

    @ParameterizedTest
    @ValueSource(strings = {"vsphere://vcenter.example", "vmware:anything"})
    void refusesByNameAndSaysWhatThereIsInstead(String address) {
        GenieVmException refusal =
                catchThrowableOfType(GenieVmException.class, () -> provider.open(HypervisorConfig.of(address)));

        assertThat(refusal.code()).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThat(refusal.resource().name()).isEqualTo(address);
        assertThat(refusal).hasMessageContainingAll("'vmware'", "not available in this version", "'images'");
    }
}
