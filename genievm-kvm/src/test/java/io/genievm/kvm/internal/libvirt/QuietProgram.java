package io.genievm.kvm.internal.libvirt;

import io.genievm.api.GenieVmException;

/** A program that has libvirt fail in many ways, and prints what came of it. */
public final class QuietProgram {
    private QuietProgram() {}

    /**
     * Runs it.
     *
     * @param arguments the URI of a daemon, and the name of a domain that is shut off, in hexadecimal UTF-16
     */
    public static void main(String[] arguments) throws InterruptedException {
        fails(() -> LibvirtConnection.open("qemu:///system?socket=/none"));
        try (LibvirtConnection connection = LibvirtConnection.open(arguments[0])) {
            fails(() -> connection.domain("there is none"));
            Thread other = new Thread(() -> fails(() -> connection.domain("in another thread")));
            other.start();
            other.join();
            fails(() -> connection.define("<domain type='qemu'><name>x</name></domain>"));
            StringBuilder name = new StringBuilder();
            for (String unit : arguments[1].split(",")) {
                name.append((char) Integer.parseInt(unit, 16));
            }
            LibvirtDomain domain = connection.domain(name.toString());
            fails(domain::freeze);
            fails(domain::resume);
            System.out.println(
                    domain.name().contentEquals(name)
                                    && DomainXml.parse(domain.xml(true)).name().contentEquals(name)
                            ? "same name"
                            : "other name");
        }
    }

    private static void fails(Runnable call) {
        try {
            call.run();
            System.out.println("no failure");
        } catch (GenieVmException e) {
            System.out.println(e.code());
        }
    }
}
