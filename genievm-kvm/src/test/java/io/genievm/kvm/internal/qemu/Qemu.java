package io.genievm.kvm.internal.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.Cancellation;
import java.time.Duration;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What the tests of this package share. */
final class Qemu {
    private Qemu() {}

    /** Runs a program that has to succeed, and gives what it printed. */
    static String run(String program, String... arguments) {
        Program.Outcome outcome =
                new Program(program).run(Duration.ofMinutes(1), Cancellation.NEVER, List.of(arguments));
        assertThat(outcome.status())
                .as("%s %s: %s", program, List.of(arguments), outcome.errors())
                .isZero();
        return outcome.output();
    }

    /** Checks that a call fails with the right code, and gives the exception. */
    static GenieVmException fails(ErrorCode expected, ThrowingCallable call) {
        Throwable failure = catchThrowable(call);
        assertThat(failure).as("the failure with %s", expected).isInstanceOf(GenieVmException.class);
        assertThat(((GenieVmException) failure).code()).as("%s", failure).isEqualTo(expected);
        return (GenieVmException) failure;
    }
}
