package io.genievm.kvm.internal.restore;

import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import java.util.Map;

/** The documents of a domain that are stored with a restore point. */
public final class Hardware {
    /** The domain's definition as at its next start. */
    public static final String DOMAIN_XML = "domain.xml";

    /** The firmware's variables: the file in gzip, in Base64. */
    public static final String NVRAM = "nvram.gz";

    private Hardware() {}

    /**
     * Collects the documents of a domain.
     *
     * @return name to text, as {@link io.genievm.api.hypervisor.VmDescription#hardware()} wants it
     * @throws io.genievm.api.GenieVmException with {@code ACCESS_DENIED} when the firmware's variables can not be read,
     *     {@code LIMIT_EXCEEDED}, or an I/O code
     */
    public static Map<String, String> of(LibvirtDomain domain) {
        throw new UnsupportedOperationException();
    }
}
