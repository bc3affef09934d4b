package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.core.RepositoryOptions;
import java.time.Instant;

/**
 * The document {@code repository}.
 *
 * @param id the repository's id
 * @param created when it was created
 * @param generator what wrote it
 * @param options its parameters
 */
public record RepositoryParameters(RepositoryId id, Instant created, String generator, RepositoryOptions options) {
    private static final String KIND = "repository";

    /** The document's bytes. */
    public byte[] encode() {
        ObjectNode node = Document.begin(id);
        node.put("created", created.toString());
        node.put("generator", generator);
        node.put("chunkSize", options.chunkSize());
        node.put("segmentSize", options.segmentSize());
        node.put("packSize", options.packSize());
        node.put("fanOut", MapPage.FAN_OUT);
        node.put("chunkHash", "sha256");
        node.putNull("encryption");
        return Document.encode(KIND, node);
    }

    /** Reads the document. */
    public static RepositoryParameters decode(String key, byte[] bytes) {
        Fields fields = Document.decode(key, KIND, bytes);
        RepositoryId id = fields.repositoryId();
        Instant created = fields.time("created");
        String generator = fields.text("generator");
        RepositoryOptions options;
        try {
            options = new RepositoryOptions(
                    fields.smallNumber("chunkSize"), fields.smallNumber("segmentSize"), fields.smallNumber("packSize"));
        } catch (GenieVmException e) {
            throw Corruption.in(key, e.getMessage(), e);
        }
        if (fields.number("fanOut") != MapPage.FAN_OUT
                || !fields.text("chunkHash").equals("sha256")) {
            throw Corruption.in(key, "fanOut or chunkHash are not of this version");
        }
        fields.requireNull("encryption");
        fields.end();
        return new RepositoryParameters(id, created, generator, options);
    }
}
