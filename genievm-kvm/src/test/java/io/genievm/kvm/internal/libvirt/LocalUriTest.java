package io.genievm.kvm.internal.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LocalUriTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "qemu:///system",
                "qemu:///session",
                "qemu+unix:///system",
                "qemu:///system?socket=/run/libvirt/virtqemud-sock"
            })
    void daemonsOfThisMachine(String uri) {
        LocalUri.require(uri);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "qemu",
                "/system",
                "qemu:system",
                "qemu:/system?socket=relative",
                "qemu:///",
                "qemu:///embed?root=/x",
                "qemu://host/system",
                "qemu://localhost/system",
                "qemu+ssh://host/system",
                "qemu+ssh:///system",
                "qemu+tls://host/system",
                "qemu+tcp://host/system",
                "qemu+ext:///system?command=/bin/x",
                "qemu:///system?command=/bin/x",
                "qemu:///system?socket=/x&command=/bin/x",
                "qemu:///system?socket=/x;command=/bin/x",
                "qemu:///system#fragment",
                "qemu:///system%2Fx",
                "test:///default",
                "lxc:///system",
                "xen:///system",
                "QEMU:///system",
                "qemu:///sys tem"
            })
    void allOthersAreRefusedByName(String uri) {
        // No native library is needed for it.
        assertThatThrownBy(() -> LibvirtConnection.open(uri))
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.UNSUPPORTED))
                .hasMessageContaining("'" + uri + "'")
                .hasMessageContaining("allowed are qemu:///system and qemu:///session");
    }
}
