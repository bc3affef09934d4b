package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Checks that a call fails as its documentation says. */
final class Failures {
    private Failures() {}

    static GenieVmException assertFails(ErrorCode expected, ThrowingCallable call) {
        Throwable failure = catchThrowable(call);
        assertThat(failure).as("the failure with %s", expected).isInstanceOf(GenieVmException.class);
        GenieVmException known = (GenieVmException) failure;
        assertThat(known.code()).as(known.getMessage()).isEqualTo(expected);
        assertThat(known.getMessage()).as("the message of %s", expected).isNotBlank();
        return known;
    }
}
