package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;

/** A domain that was shut off was started before its snapshot had begun. */
final class StartedMeanwhileException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    StartedMeanwhileException(VmId vm) {
        super(ErrorCode.BUSY, Resource.of(vm), "domain '" + vm + "' is just being started");
    }
}
