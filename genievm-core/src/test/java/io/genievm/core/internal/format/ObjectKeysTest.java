package io.genievm.core.internal.format;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Keys, character by character as docs/format/README.md says. */
class ObjectKeysTest {
    private static final SessionId SESSION = new SessionId("fe23456789abcdef0123456789abcdef");
    private static final String VM_KEY = ObjectKeys.vmKey(new VmId("web"));

    @Test
    @DisplayName("these very keys, for ever")
    void keys() {
        assertThat(VM_KEY).isEqualTo("0dfddb12527f171a6b37288c7380114e");
        assertThat(ObjectKeys.vmKey(new VmId("w\u00e4b"))).isEqualTo("27429e339df562b3f3a2a1b40274efec");
        assertThat(ObjectKeys.point(new VmId("web"), SESSION)).isEqualTo("points/" + VM_KEY + "/" + SESSION);
        assertThat(ObjectKeys.witness(new VmId("web"), SESSION)).isEqualTo("witness/" + VM_KEY + "/" + SESSION);
        assertThat(ObjectKeys.session(new VmId("web"), SESSION)).isEqualTo("sessions/" + VM_KEY + "/" + SESSION);
        assertThat(ObjectKeys.progress(SESSION, 255)).isEqualTo("progress/" + SESSION + "-000000ff");
        assertThat(ObjectKeys.index(SESSION, 16)).isEqualTo("index/" + SESSION + "-00000010");
        assertThat(PackName.of(SESSION, 0).key()).isEqualTo("packs/fe/" + SESSION + "-00000000");
        assertThat(PackName.of(SESSION, 3).key()).isEqualTo("packs/01/" + SESSION + "-00000003");
        assertThat(PackName.of(SESSION, Integer.MAX_VALUE).key()).isEqualTo("packs/fd/" + SESSION + "-7fffffff");
    }

    @Test
    @DisplayName("keys are read again")
    void parse() {
        assertThat(PackName.ofKey("packs/01/" + SESSION + "-00000003")).isEqualTo(PackName.of(SESSION, 3));
        assertThat(PackName.of(SESSION, 3).session()).isEqualTo(SESSION);
        assertThat(ObjectKeys.parseIndex("index/" + SESSION + "-00000010"))
                .isEqualTo(new ObjectKeys.NumberedKey(SESSION, 16));
        assertThat(ObjectKeys.parseProgress("progress/" + SESSION + "-000000ff"))
                .isEqualTo(new ObjectKeys.NumberedKey(SESSION, 255));
        assertThat(ObjectKeys.parsePoint("witness/" + VM_KEY + "/" + SESSION))
                .isEqualTo(new ObjectKeys.PointKey(VM_KEY, SESSION));
        assertThat(ObjectKeys.parseCollection("gc/" + SESSION + ".plan"))
                .isEqualTo(new ObjectKeys.CollectionKey(SESSION.value(), false));
        assertThat(ObjectKeys.parseCollection("gc/" + SESSION + ".verdict"))
                .isEqualTo(new ObjectKeys.CollectionKey(SESSION.value(), true));
    }

    @Test
    @DisplayName("keys of another form are nobody's")
    void foreign() {
        String upper = SESSION.value().toUpperCase(java.util.Locale.ROOT);
        for (String key : List.of(
                "packs/02/" + SESSION + "-00000003",
                "packs/01/" + SESSION + "-00000003x",
                "packs/01/" + SESSION + "-0000003",
                "packs/01/" + upper + "-00000003",
                "packs/7e/" + SESSION + "-80000000",
                "pacKs/01/" + SESSION + "-00000003",
                "packs/01/" + SESSION + "_00000003",
                "packs/01-" + SESSION + "-00000003",
                "packs/01/" + SESSION + "-0000000g",
                "")) {
            assertThat(PackName.ofKey(key)).as(key).isNull();
        }
        for (String key :
                List.of("index/" + SESSION, "index/" + SESSION + "-80000000", "index/x/" + SESSION + "-00000000")) {
            assertThat(ObjectKeys.parseIndex(key)).as(key).isNull();
        }
        for (String key :
                List.of("points/" + VM_KEY, "points/" + SESSION + "/" + upper, "incidents/" + VM_KEY + "/" + SESSION)) {
            assertThat(ObjectKeys.parsePoint(key)).as(key).isNull();
        }
        for (String key : List.of("gc/" + SESSION, "gc/" + SESSION + ".plans", "gc/" + SESSION + "xplan")) {
            assertThat(ObjectKeys.parseCollection(key)).as(key).isNull();
        }
    }

    @Test
    @DisplayName("names of packs are ordered as their keys are")
    void order() {
        List<PackName> names = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < 500; i++) {
            names.add(new PackName(
                    random.nextLong() & 0x83ff_ffff_ffff_ffffL, random.nextInt(3) - 1L, random.nextInt(300)));
        }
        Collections.sort(names);

        assertThat(names.stream().map(PackName::key).toList()).isSorted();
        for (PackName name : names) {
            ByteBuffer buffer = ByteBuffer.allocate(PackName.BYTES);
            name.write(buffer);
            assertThat(PackName.read(buffer.flip())).isEqualTo(name);
            assertThat(PackName.ofKey(name.key())).isEqualTo(name);
        }
    }
}
