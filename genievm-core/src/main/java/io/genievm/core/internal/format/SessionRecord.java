package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import java.time.Instant;

/**
 * The document {@code session}: says that a session works.
 *
 * @param repository the repository
 * @param session the session's id
 * @param vm the VM that it backs up
 * @param started when it began
 * @param host the machine, for people
 * @param process the process, for people
 * @param generator what wrote it
 */
public record SessionRecord(
        RepositoryId repository,
        SessionId session,
        VmId vm,
        Instant started,
        String host,
        long process,
        String generator) {
    private static final String KIND = "session";
    private static final String BACKUP = "backup";

    /** The document's bytes. */
    public byte[] encode() {
        ObjectNode node = Document.begin(repository);
        node.put("session", session.value());
        node.put("purpose", BACKUP);
        node.put("vm", vm.value());
        node.put("started", started.toString());
        node.put("host", host);
        node.put("process", process);
        node.put("generator", generator);
        return Document.encode(KIND, node);
    }

    /** Reads the document. */
    public static SessionRecord decode(String key, RepositoryId repository, byte[] bytes) {
        Fields fields = Document.decode(key, KIND, bytes);
        fields.repository(repository);
        SessionRecord session = new SessionRecord(
                repository,
                fields.sessionId("session"),
                fields.parsed("vm", "a VM id", VmId::new),
                fields.time("started"),
                fields.text("host"),
                fields.number("process"),
                fields.text("generator"));
        if (!fields.text("purpose").equals(BACKUP)) {
            throw fields.bad("purpose", "'" + BACKUP + "'");
        }
        fields.end();
        if (!ObjectKeys.session(session.vm, session.session).equals(key)) {
            throw Corruption.in(key, "it is session " + session.session);
        }
        return session;
    }
}
