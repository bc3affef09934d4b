package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NbdAddressTest {
    @Test
    void readsUris() {
        assertThat(NbdAddress.parse("nbd://host")).isEqualTo(NbdAddress.tcp("host", 10809, ""));
        assertThat(NbdAddress.parse("nbd://host:1234/a%20disk")).isEqualTo(NbdAddress.tcp("host", 1234, "a disk"));
        assertThat(NbdAddress.parse("nbd://[::1]/x")).isEqualTo(NbdAddress.tcp("::1", 10809, "x"));
        assertThat(NbdAddress.parse("nbds://host//x"))
                .isEqualTo(NbdAddress.tcp("host", 10809, "/x").withTls(null));
        assertThat(NbdAddress.parse("nbd+unix:///vda?socket=/run/a+b%20c"))
                .isEqualTo(NbdAddress.unix(Path.of("/run/a+b c"), "vda"));
        assertThat(NbdAddress.parse("nbds+unix:///?socket=/run/s&tls-hostname=name&tls-certificates=/etc/pki"))
                .isEqualTo(new NbdAddress(Path.of("/run/s"), null, 0, true, "", "name", Path.of("/etc/pki")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nbd://host:1234/a%20disk",
                "nbds://[::1]:10809/x",
                "nbd+unix:///vda?socket=/run/a%20b",
                "nbds+unix:///%C3%A4%2Fx?socket=/run/%26%3D%25"
            })
    void printsWhatItReads(String uri) {
        assertThat(NbdAddress.parse(uri)).hasToString(uri);
        assertThat(NbdAddress.parse(NbdAddress.parse(uri).toString())).isEqualTo(NbdAddress.parse(uri));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "host:1234",
                "http://host/",
                "nbd:host",
                "nbd:///x",
                "nbd://host:99999/",
                "nbd://user@host/",
                "nbd://host/#x",
                "nbd://host/?socket=/x",
                "nbd://host/?tls-hostname=x",
                "nbd+unix:///x",
                "nbd+unix://host/x?socket=/x",
                "nbd+unix:///x?socket=/x&unknown=1",
                "nbd://a b/"
            })
    void refusesOthers(String uri) {
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> NbdAddress.parse(uri));
    }

    @Test
    void refusesLongNames() {
        NbdAddress.tcp("host", 1, "x".repeat(4096));
        Failing.with(ErrorCode.INVALID_ARGUMENT, () -> NbdAddress.tcp("host", 1, "x".repeat(4097)));
    }
}
