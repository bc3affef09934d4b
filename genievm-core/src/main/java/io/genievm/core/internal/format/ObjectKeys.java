package io.genievm.core.internal.format;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The keys of all objects but packs, which {@link PackName} names. */
public final class ObjectKeys {
    /** The parameters. */
    public static final String REPOSITORY = "repository.json";
    /** The parameters once more. */
    public static final String REPOSITORY_COPY = "repository-copy.json";
    /** Where packs are. */
    public static final String PACKS = "packs/";
    /** Where index tables are. */
    public static final String INDEX = "index/";
    /** Where manifests and fences are. */
    public static final String POINTS = "points/";
    /** Where witnesses are. */
    public static final String WITNESS = "witness/";
    /** Where sessions are. */
    public static final String SESSIONS = "sessions/";
    /** Where sessions show that they live. */
    public static final String PROGRESS = "progress/";
    /** Where plans and verdicts are. */
    public static final String COLLECTIONS = "gc/";

    /** Where it is kept what was found out about points. */
    public static final String INCIDENTS = "incidents/";

    private static final Pattern INCIDENT_KEY = Pattern.compile("incidents/[0-9a-f]{32}/[0-9a-f]{32}");
    private static final Pattern INDEX_KEY = Pattern.compile("index/([0-9a-f]{32})-([0-7][0-9a-f]{7})");
    private static final Pattern POINT_KEY =
            Pattern.compile("(?:points|witness|sessions)/([0-9a-f]{32})/([0-9a-f]{32})");
    private static final Pattern PROGRESS_KEY = Pattern.compile("progress/([0-9a-f]{32})-([0-7][0-9a-f]{7})");
    private static final Pattern COLLECTION_KEY = Pattern.compile("gc/([0-9a-f]{32})\\.(plan|verdict)");

    private ObjectKeys() {}

    /** The folder name of a VM's points. */
    public static String vmKey(VmId vm) {
        byte[] name = vm.value().getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().formatHex(IdHasher.sha256((byte) 0x10, name), 0, 16);
    }

    /** A session's manifest or fence. */
    public static String point(VmId vm, SessionId session) {
        return POINTS + vmKey(vm) + "/" + session;
    }

    /** The witness of a session's manifest. */
    public static String witness(VmId vm, SessionId session) {
        return WITNESS + vmKey(vm) + "/" + session;
    }

    /** What says that a session works. */
    public static String session(VmId vm, SessionId session) {
        return SESSIONS + vmKey(vm) + "/" + session;
    }

    /** Where the incidents of a VM are. */
    public static String incidents(VmId vm) {
        return INCIDENTS + vmKey(vm) + "/";
    }

    /** A session's sign of life. */
    public static String progress(SessionId session, int counter) {
        return PROGRESS + session + "-" + HexFormat.of().toHexDigits(counter);
    }

    /** An index table. */
    public static String index(SessionId name, int number) {
        return INDEX + name + "-" + HexFormat.of().toHexDigits(number);
    }

    /** Name and number of an index table; {@code null} for a key that is none. */
    public static @Nullable NumberedKey parseIndex(String key) {
        return numbered(INDEX_KEY.matcher(key));
    }

    /** Session and counter of a sign of life; {@code null} for a key that is none. */
    public static @Nullable NumberedKey parseProgress(String key) {
        return numbered(PROGRESS_KEY.matcher(key));
    }

    /** VM key and session of a manifest, fence, witness or session; {@code null} for a key that is none. */
    public static @Nullable PointKey parsePoint(String key) {
        Matcher matcher = POINT_KEY.matcher(key);
        return matcher.matches() ? new PointKey(matcher.group(1), new SessionId(matcher.group(2))) : null;
    }

    /** Whether a key is that of an incident. */
    public static boolean isIncident(String key) {
        return INCIDENT_KEY.matcher(key).matches();
    }

    /** Id of a plan or verdict; {@code null} for a key that is none. */
    public static @Nullable CollectionKey parseCollection(String key) {
        Matcher matcher = COLLECTION_KEY.matcher(key);
        return matcher.matches()
                ? new CollectionKey(matcher.group(1), matcher.group(2).equals("verdict"))
                : null;
    }

    private static @Nullable NumberedKey numbered(Matcher matcher) {
        return matcher.matches()
                ? new NumberedKey(new SessionId(matcher.group(1)), HexFormat.fromHexDigits(matcher.group(2)))
                : null;
    }

    /** A key that ends in an id and a number. */
    public record NumberedKey(SessionId id, int number) {}

    /** A key of a manifest, fence, witness or session. */
    public record PointKey(String vmKey, SessionId session) {
        /** The key of the manifest or fence. */
        public String point() {
            return POINTS + vmKey + "/" + session;
        }

        /** The key of the witness. */
        public String witness() {
            return WITNESS + vmKey + "/" + session;
        }

        /** The key of what says that the session works. */
        public String sessionObject() {
            return SESSIONS + vmKey + "/" + session;
        }
    }

    /** A key of a plan or verdict. */
    public record CollectionKey(String id, boolean verdict) {}
}
