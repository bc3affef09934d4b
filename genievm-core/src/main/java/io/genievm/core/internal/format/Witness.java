package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * The document {@code witness}: tells that a manifest was there.
 *
 * @param repository the repository
 * @param point the point's id
 * @param vm its VM
 * @param sequence its sequence
 * @param length bytes of the manifest
 * @param crc32c CRC32C of the manifest
 */
public record Witness(RepositoryId repository, SessionId point, VmId vm, long sequence, long length, int crc32c) {
    private static final String KIND = "witness";

    /** The witness of a manifest. */
    public static Witness of(Manifest manifest, byte[] encoded) {
        return new Witness(
                manifest.repository(),
                manifest.point(),
                manifest.vm(),
                manifest.sequence(),
                encoded.length,
                crc(encoded));
    }

    /** Whether this is the witness of these very bytes. */
    public boolean matches(byte[] manifest) {
        return manifest.length == length && crc(manifest) == crc32c;
    }

    /** The document's bytes. */
    public byte[] encode() {
        ObjectNode node = Document.begin(repository);
        node.put("point", point.value());
        node.put("vm", vm.value());
        node.put("sequence", sequence);
        node.put("length", length);
        node.put("crc32c", HexFormat.of().toHexDigits(crc32c));
        return Document.encode(KIND, node);
    }

    /** Reads the document. */
    public static Witness decode(String key, RepositoryId repository, byte[] bytes) {
        Fields fields = Document.decode(key, KIND, bytes);
        fields.repository(repository);
        Witness witness = new Witness(
                repository,
                fields.sessionId("point"),
                fields.parsed("vm", "a VM id", VmId::new),
                fields.number("sequence"),
                fields.number("length"),
                HexFormat.fromHexDigits(fields.hex("crc32c", 8)));
        fields.end();
        if (witness.sequence < 1) {
            throw fields.bad("sequence", "1 or more");
        }
        if (!ObjectKeys.witness(witness.vm, witness.point).equals(key)) {
            throw Corruption.in(key, "it is the witness of point " + witness.point);
        }
        return witness;
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
