package io.genievm.kvm.internal.libvirt;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.net.URI;
import java.net.URISyntaxException;
import org.jspecify.annotations.Nullable;

/** The URIs of QEMU's daemons on this machine: the only ones whose disks the driver can get at. */
final class LocalUri {
    private static final String ALLOWED = "allowed are qemu:///system and qemu:///session, each also with"
            + " ?socket=<absolute path of the daemon's Unix socket>";

    private LocalUri() {}

    /**
     * Lets a URI of a daemon on this machine pass.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} for any other
     */
    static void require(String uri) {
        String why = whyNot(uri);
        if (why != null) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(uri),
                    "the libvirt URI '" + uri + "' " + why + "; " + ALLOWED);
        }
    }

    private static @Nullable String whyNot(String text) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            return "is none";
        }
        String scheme = uri.getScheme();
        if (scheme == null) {
            return "has no scheme";
        }
        if (scheme.startsWith("qemu+") && !scheme.equals("qemu+unix")) {
            return "is of another machine: backups are made on the machine that the guests run on";
        }
        if (!scheme.equals("qemu") && !scheme.equals("qemu+unix")) {
            return "is not of QEMU";
        }
        if (uri.getRawAuthority() != null) {
            return "is of another machine: backups are made on the machine that the guests run on";
        }
        // A URI such as qemu:system, or one with a fragment, libvirt would take for something else.
        if (!"/system".equals(uri.getPath()) && !"/session".equals(uri.getPath())) {
            return "is not of the system's or a user's daemon";
        }
        if (uri.getRawFragment() != null) {
            return "has a fragment";
        }
        String query = uri.getRawQuery();
        // Other parameters name programs to run and ways to reach another machine.
        if (query != null && !query.matches("socket=/[^&;]*")) {
            return "has parameters that are not allowed";
        }
        return null;
    }
}
