package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Library;
import com.sun.jna.Pointer;
import org.jspecify.annotations.Nullable;

/** The one function of {@code libvirt-qemu.so.0} that the driver needs. */
interface LibvirtQemuFunctions extends Library {
    /**
     * Has the guest's agent do something.
     *
     * @param timeout seconds to wait for the answer
     * @return the answer, to be freed, or {@code null} for a failure
     */
    @Nullable
    Pointer virDomainQemuAgentCommand(Pointer domain, String command, int timeout, int flags);
}
