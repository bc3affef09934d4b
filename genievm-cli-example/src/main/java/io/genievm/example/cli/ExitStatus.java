package io.genievm.example.cli;

import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;

/** What the process says to whoever started it. */
final class ExitStatus {
    static final int DONE = 0;
    static final int FAILED = 1;
    static final int WRONG_USAGE = 2;
    static final int DAMAGE = 3;
    static final int WARNINGS = 4;

    private ExitStatus() {}

    static int of(ErrorCode code) {
        if (code.equals(ErrorCode.INVALID_ARGUMENT)) {
            return WRONG_USAGE;
        }
        return code.category() == ErrorCategory.INTEGRITY ? DAMAGE : FAILED;
    }

    /** What a shell shows for a process that a signal has ended. */
    static int ofSignal(int number) {
        return 128 + number;
    }
}
