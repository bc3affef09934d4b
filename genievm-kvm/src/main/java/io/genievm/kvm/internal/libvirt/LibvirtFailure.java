package io.genievm.kvm.internal.libvirt;

/** A call of libvirt that failed, on its way to where it is made a {@link io.genievm.api.GenieVmException}. */
final class LibvirtFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient LibvirtError error;

    LibvirtFailure(LibvirtError error) {
        // The exception that users see has a stack of its own.
        super(error.message(), null, false, false);
        this.error = error;
    }

    LibvirtError error() {
        return error;
    }

    boolean is(int number) {
        return error.number() == number;
    }
}
