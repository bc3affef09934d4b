package io.genievm.core.internal.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.Events;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import java.nio.ByteBuffer;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Rules 5 and 8 of docs/format/protocol.md: in which order a session shows that it lives, and gives up. */
class WriterSessionOrderTest {
    private static final VmId VM = new VmId("web");

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();
    private WriterSession session;

    @BeforeEach
    void open() {
        RepositoryParameters parameters =
                RepositoryParameters.decode(ObjectKeys.REPOSITORY, store.bytes(ObjectKeys.REPOSITORY));
        RepositoryAccess access = new RepositoryAccess(
                store, parameters, new WorkFiles(null), Runnable::run, Clock.systemUTC(), 1 << 20, 1, Compressor::of);
        session = WriterSession.open(access, VM, 16 << 20, () -> {});
        store.forgetLog();
    }

    @AfterEach
    void close() {
        session.close();
        lab.close();
    }

    @Test
    @DisplayName("rule 5: there is never a moment without a sign of life: the new one is there before the old one goes")
    void newSignBeforeOld() {
        Events events = new Events();
        store.intercept(events);

        for (int page = 0; page < 3; page++) {
            publish(page);
        }

        assertThat(events.lines().stream().filter(line -> line.contains(" progress/")))
                .containsExactly(
                        "> put " + sign(0),
                        "< put " + sign(0),
                        "> put " + sign(1),
                        "< put " + sign(1),
                        "> delete " + sign(0),
                        "< delete " + sign(0),
                        "> put " + sign(2),
                        "< put " + sign(2),
                        "> delete " + sign(1),
                        "< delete " + sign(1));
    }

    @Test
    @DisplayName("rule 5: a table that is put on the way names only packs that are there by then")
    void tablesOnTheWay() {
        List<Set<String>> missing = new ArrayList<>();
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith(ObjectKeys.INDEX)) {
                    byte[] table = InterceptedStore.bytesOf(content);
                    byte[] parameters = store.bytes(ObjectKeys.REPOSITORY);
                    Set<String> named =
                            new TreeSet<>(new PlainRepository(Map.of(ObjectKeys.REPOSITORY, parameters, key, table))
                                    .indexed()
                                    .keySet());
                    assertThat(named).isNotEmpty();
                    named.removeIf(store::exists);
                    missing.add(named);
                }
                return objects.put(key, content);
            }
        });
        // A table comes after 32 768 entries.
        for (int page = 0; page < 40_000; page++) {
            // Like a hash in the bytes by which tables are searched.
            long random = page * 0x9E3779B97F4A7C15L;
            session.storePage(
                    ByteBuffer.allocate(32).putLong(random).putLong(16, random).array(), new byte[8], 8);
        }
        session.finishData();

        assertThat(missing).hasSizeGreaterThan(1).allMatch(Set::isEmpty);
    }

    @Test
    @DisplayName("rule 5: a sign of life stays until another one could be put")
    void oldSignStays() {
        publish(0);
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith(ObjectKeys.PROGRESS)) {
                    throw new GenieVmException(ErrorCode.IO_ERROR, "as wished");
                }
                return objects.put(key, content);
            }
        });

        publish(1);

        assertThat(store.keys(ObjectKeys.PROGRESS)).containsExactly(sign(0));
    }

    @Test
    @DisplayName("rule 8: who gives up deletes packs, then signs of life, then the session object, and puts no fence")
    void givesUpInThisOrder() {
        publish(0);
        publish(1);
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith(ObjectKeys.INDEX)) {
                    throw new GenieVmException(ErrorCode.NO_SPACE, "as wished");
                }
                return objects.put(key, content);
            }
        });
        GenieVmException reason = catchThrowableOfType(GenieVmException.class, () -> publish(2));
        store.stopIntercepting();
        store.forgetLog();

        session.giveUp(reason);

        assertThat(reason.code()).isEqualTo(ErrorCode.NO_SPACE);
        assertThat(reason.getSuppressed()).isEmpty();
        assertThat(store.log(Kind.DELETE))
                .containsExactly(PackName.of(session.id(), 2).key(), sign(1), ObjectKeys.session(VM, session.id()));
        assertThat(store.log(Kind.PUT)).isEmpty();
        assertThat(store.keys(ObjectKeys.PACKS))
                .containsExactlyInAnyOrderElementsOf(List.of(
                        PackName.of(session.id(), 0).key(),
                        PackName.of(session.id(), 1).key()));
    }

    /** Stores something in a pack of its own and puts a table that names it. */
    private void publish(int page) {
        byte[] id = Lab.random(page, 32);
        session.storePage(id, new byte[200], 200);
        session.finishData();
    }

    private String sign(int number) {
        return ObjectKeys.progress(session.id(), number);
    }
}
