package io.genievm.storage.internal.images;

import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.hypervisor.Cancellation;

/** Ends what nobody wants any more. */
final class Wanted {
    private Wanted() {}

    static void require(Cancellation cancellation, String what) {
        if (cancellation.isCancelled()) {
            throw new TaskCancelledException(Resource.NONE, what + " was cancelled", null);
        }
    }
}
