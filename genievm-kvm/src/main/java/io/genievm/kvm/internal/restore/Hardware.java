package io.genievm.kvm.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.libvirt.DomainXml;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/** The documents of a domain that are stored with a restore point. */
public final class Hardware {
    /** The domain's definition as at its next start. */
    public static final String DOMAIN_XML = "domain.xml";

    /** The firmware's variables: the file in gzip, in Base64. */
    public static final String NVRAM = "nvram.gz";

    /** What {@link io.genievm.api.hypervisor.VmDescription} allows for all documents together. */
    private static final int MOST = 1 << 20;

    /** The largest file of any firmware known is 64 MiB, nearly all of it empty. */
    private static final long LARGEST_NVRAM = 256L << 20;

    private Hardware() {}

    /**
     * Collects the documents of a domain. The firmware's variables of a domain that runs are read as they are then: a
     * firmware that writes them in that moment, as while it starts, may leave them half-written, as a loss of power would.
     *
     * @return name to text, as {@link io.genievm.api.hypervisor.VmDescription#hardware()} wants it
     * @throws io.genievm.api.GenieVmException with {@code ACCESS_DENIED} when the firmware's variables can not be read,
     *     {@code LIMIT_EXCEEDED}, or an I/O code
     */
    public static Map<String, String> of(LibvirtDomain domain) {
        boolean persistent = domain.isPersistent();
        String xml = domain.xml(persistent);
        Optional<String> nvram = DomainXml.parse(xml).nvram();
        if (nvram.isEmpty() && persistent && domain.state().isActive()) {
            // Older versions of libvirt write the path into the definition of what runs, and nowhere else.
            nvram = DomainXml.parse(domain.xml(false)).nvram();
        }
        String name = domain.name();
        try {
            return of(name, xml, nvram.map(Path::of));
        } catch (InvalidPathException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR,
                    Resource.named(name),
                    "domain '" + name
                            + "': the path of its firmware's variables has characters that the JVM's locale does"
                            + " not: " + e.getInput(),
                    e);
        }
    }

    static Map<String, String> of(String domain, String xml, Optional<Path> nvram) {
        Map<String, String> documents = new TreeMap<>();
        documents.put(DOMAIN_XML, xml);
        int room = MOST - DOMAIN_XML.length() - xml.getBytes(StandardCharsets.UTF_8).length;
        if (room < 0) {
            throw tooLarge(domain, "its definition");
        }
        if (nvram.isPresent()) {
            packed(domain, nvram.get(), room - NVRAM.length()).ifPresent(text -> documents.put(NVRAM, text));
        }
        return documents;
    }

    /**
     * Writes the firmware's variables to where they are to be.
     *
     * @return whether there are any
     * @throws GenieVmException with {@code IO_ERROR} when the document is none that this class has made
     * @throws IOException when they can not be written
     */
    static boolean unpackNvram(Map<String, String> documents, OutputStream target) throws IOException {
        String text = documents.get(NVRAM);
        if (text == null) {
            return false;
        }
        InputStream packed;
        try {
            packed = new GZIPInputStream(
                    new ByteArrayInputStream(Base64.getDecoder().decode(text)));
        } catch (IllegalArgumentException | IOException e) {
            throw unusable(e.toString());
        }
        byte[] piece = new byte[64 << 10];
        long total = 0;
        while (true) {
            int count;
            try {
                count = packed.read(piece);
            } catch (IOException e) {
                throw unusable(e.toString());
            }
            if (count < 0) {
                return true;
            }
            total += count;
            if (total > LARGEST_NVRAM) {
                throw unusable("it is of more than " + LARGEST_NVRAM + " bytes");
            }
            target.write(piece, 0, count);
        }
    }

    private static Optional<String> packed(String domain, Path file, int room) {
        // Base64 makes four characters out of three bytes.
        Bounded packed = new Bounded(Math.max(0, room / 4 * 3));
        try (InputStream in = Files.newInputStream(file);
                OutputStream out = new GZIPOutputStream(packed)) {
            byte[] piece = new byte[64 << 10];
            long total = 0;
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                total += count;
                if (total > LARGEST_NVRAM) {
                    throw tooLarge(domain, "the file of its firmware's variables, " + file + ",");
                }
                out.write(piece, 0, count);
            }
        } catch (NoSuchFileException e) {
            // libvirt makes it at the first start.
            return Optional.empty();
        } catch (FullException e) {
            throw tooLarge(domain, "its definition and the file of its firmware's variables, " + file + ",");
        } catch (IOException e) {
            throw FileFailures.of(
                    "domain '" + domain + "': can not read the firmware's variables in " + file,
                    Resource.named(file.toString()),
                    e);
        }
        return Optional.of(Base64.getEncoder().encodeToString(packed.toByteArray()));
    }

    private static GenieVmException tooLarge(String domain, String what) {
        return new GenieVmException(
                ErrorCode.LIMIT_EXCEEDED,
                Resource.named(domain),
                "domain '" + domain + "': " + what + " can not be stored with a restore point: the documents of a VM"
                        + " have at most " + MOST + " bytes");
    }

    private static GenieVmException unusable(String reason) {
        return new GenieVmException(
                ErrorCode.IO_ERROR, Resource.named(NVRAM), NVRAM + " of the restore point can not be read: " + reason);
    }

    /** Ends what would become too long before it takes the memory. */
    private static final class Bounded extends OutputStream {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final int most;

        Bounded(int most) {
            this.most = most;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] source, int offset, int length) throws IOException {
            if (length > most - bytes.size()) {
                throw new FullException();
            }
            bytes.write(source, offset, length);
        }

        byte[] toByteArray() {
            return bytes.toByteArray();
        }
    }

    private static final class FullException extends IOException {
        private static final long serialVersionUID = 1L;
    }
}
