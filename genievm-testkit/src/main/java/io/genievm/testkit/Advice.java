package io.genievm.testkit;

import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/** Says with a failure which rule was broken and what to do about it. */
final class Advice implements TestExecutionExceptionHandler {
    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        Mend mend = context.getRequiredTestMethod().getAnnotation(Mend.class);
        if (mend == null || failure instanceof TestAbortedException) {
            throw failure;
        }
        throw new AssertionError(message(context.getDisplayName(), mend.value(), failure), failure);
    }

    static String message(String rule, String mend, Throwable failure) {
        return "The rule: " + rule + ".\nTo do: " + mend + ".\nFound: "
                + (failure instanceof AssertionError ? failure.getMessage() : failure);
    }
}
