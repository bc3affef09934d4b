package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Checks that a call fails with the right code. */
final class Failing {
    private Failing() {}

    /** Gives the exception, for what else is to be said about it. */
    static GenieVmException with(ErrorCode expected, ThrowingCallable call) {
        Throwable failure = catchThrowable(call);
        assertThat(failure).as("the failure with %s", expected).isInstanceOf(GenieVmException.class);
        assertThat(((GenieVmException) failure).code()).as("%s", failure).isEqualTo(expected);
        return (GenieVmException) failure;
    }
}
