package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class FailureTest {
    @ParameterizedTest
    @MethodSource
    void everyFailureHasItsExitStatus(Throwable thrown, int status) {
        assertThat(ExitStatus.of(Failure.of(thrown).code())).isEqualTo(status);
    }

    static Stream<Arguments> everyFailureHasItsExitStatus() {
        return Stream.of(
                Arguments.of(new GenieVmException(ErrorCode.INVALID_ARGUMENT, "x"), 2),
                Arguments.of(new GenieVmException(ErrorCode.NOT_FOUND, "x"), 1),
                Arguments.of(new GenieVmException(ErrorCode.AMBIGUOUS, "x"), 1),
                Arguments.of(new GenieVmException(ErrorCode.UNSUPPORTED, "x"), 1),
                Arguments.of(new GenieVmException(ErrorCode.FORMAT_TOO_NEW, "x"), 1),
                Arguments.of(new GenieVmException(ErrorCode.NO_SPACE, "x"), 1),
                Arguments.of(new CorruptDataException(Resource.NONE, "x", null), 3),
                Arguments.of(new IOException("x"), 1),
                Arguments.of(new IllegalStateException("x"), 1),
                Arguments.of(new OutOfMemoryError("x"), 1));
    }

    @Test
    void aBugIsCalledABug() {
        Failure failure = Failure.of(new NullPointerException());

        assertThat(failure.code()).isEqualTo(ErrorCode.INTERNAL_ERROR);
        assertThat(failure.message()).isEqualTo("internal error: NullPointerException");
    }

    @Test
    void whatIsKnownOfTheResourceIsTold() {
        assertThat(Failure.of(new GenieVmException(ErrorCode.NOT_FOUND, Resource.named("/srv"), "x"))
                        .resource())
                .isEqualTo("/srv");
        assertThat(Failure.of(new GenieVmException(ErrorCode.NOT_FOUND, "x")).resource())
                .isNull();
    }
}
