package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.testing.Events;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.InMemoryHypervisor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rules 6 and 7 of docs/format/protocol.md: the one moment that makes a point, and what follows it. */
class CommitRulesTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();
    private final List<InMemoryHypervisor.Call> calls = new ArrayList<>();

    @BeforeEach
    void prepare() {
        lab.addVm("web", 200_000);
        lab.hypervisor().hook(event -> {
            synchronized (calls) {
                calls.add(event.call());
            }
        });
    }

    @AfterEach
    void close() {
        lab.close();
    }

    /** What does not say whether the put has happened. */
    static Stream<ErrorCode> unclearErrors() {
        return Stream.of(
                ErrorCode.TRANSIENT_IO_ERROR,
                ErrorCode.IO_ERROR,
                ErrorCode.ACCESS_DENIED,
                ErrorCode.CORRUPT_DATA,
                ErrorCode.BUSY);
    }

    @ParameterizedTest
    @MethodSource("unclearErrors")
    @DisplayName("rule 6: a manifest that was put although the answer was lost is the point")
    void answerLost(ErrorCode error) {
        List<String> puts = new ArrayList<>();
        BackupReport report = lab.backup("web", new Commit() {
            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                puts.add("manifest");
                objects.put(key, manifest);
                throw new GenieVmException(error, "the answer was lost");
            }

            @Override
            PutOutcome fence(BlobStore objects, String key, BlobContent nothing) {
                puts.add("fence");
                return super.fence(objects, key, nothing);
            }
        });

        assertOnlyPoint(report);
        // Until a put has answered that it exists, what can be seen may be gone after a power cut.
        assertThat(puts).containsExactly("manifest", "fence");
        assertThat(fences()).isEmpty();
        assertThat(lab.backup("web").parent()).isEqualTo(report.point());
    }

    @ParameterizedTest
    @MethodSource("unclearErrors")
    @DisplayName("rule 6: a manifest that was never put is fenced, and the backup begins anew")
    void putLost(ErrorCode error) {
        BackupReport report = lab.backup("web", new FirstCommit() {
            @Override
            PutOutcome first(BlobStore objects, String key, BlobContent manifest) {
                throw new GenieVmException(error, "the request was lost");
            }
        });

        assertOnlyPoint(report);
        assertThat(fences()).hasSize(1);
        assertThat(manifestPuts()).isEqualTo(2);
        // Nothing was stored twice.
        assertThat(store.keys("packs/")).hasSize(1);
        assertThat(calls).filteredOn(InMemoryHypervisor.Call.ABANDONED::equals).hasSize(1);
        assertThat(calls).filteredOn(InMemoryHypervisor.Call.COMMITTED::equals).hasSize(1);
    }

    @Test
    @DisplayName("rule 6: a put that comes through after the fence has lost")
    void latePut() {
        AtomicReference<Runnable> late = new AtomicReference<>();
        BackupReport report = lab.backup("web", new FirstCommit() {
            @Override
            PutOutcome first(BlobStore objects, String key, BlobContent manifest) {
                byte[] bytes = InterceptedStore.bytesOf(manifest);
                late.set(() ->
                        assertThat(objects.put(key, BlobContent.of(bytes))).isEqualTo(PutOutcome.EXISTS));
                throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "late");
            }

            @Override
            PutOutcome fence(BlobStore objects, String key, BlobContent nothing) {
                PutOutcome outcome = objects.put(key, nothing);
                Objects.requireNonNull(late.get()).run();
                return outcome;
            }
        });

        assertOnlyPoint(report);
        assertThat(fences()).hasSize(1);
    }

    @Test
    @DisplayName("rule 6: a put that comes through just before the fence is the point")
    void nearlyLatePut() {
        AtomicReference<Runnable> late = new AtomicReference<>();
        BackupReport report = lab.backup("web", new FirstCommit() {
            @Override
            PutOutcome first(BlobStore objects, String key, BlobContent manifest) {
                byte[] bytes = InterceptedStore.bytesOf(manifest);
                late.set(() -> objects.put(key, BlobContent.of(bytes)));
                throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "late");
            }

            @Override
            PutOutcome fence(BlobStore objects, String key, BlobContent nothing) {
                Objects.requireNonNull(late.get()).run();
                return objects.put(key, nothing);
            }
        });

        assertOnlyPoint(report);
        assertThat(fences()).isEmpty();
    }

    @Test
    @DisplayName("rule 6: who finds a fence in its place begins a new session, and nothing of the old one is listed")
    void fenced() {
        BackupReport report = lab.backup("web", new FirstCommit() {
            @Override
            PutOutcome first(BlobStore objects, String key, BlobContent manifest) {
                objects.put(key, BlobContent.of(new byte[0]));
                return objects.put(key, manifest);
            }
        });

        assertOnlyPoint(report);
        assertThat(fences()).hasSize(1);
        assertThat(store.keys("packs/")).hasSize(1);
        assertThat(calls)
                .filteredOn(call -> call == InMemoryHypervisor.Call.ABANDONED
                        || call == InMemoryHypervisor.Call.COMMITTED
                        || call == InMemoryHypervisor.Call.BEGIN_SNAPSHOT)
                .containsExactly(
                        InMemoryHypervisor.Call.BEGIN_SNAPSHOT,
                        InMemoryHypervisor.Call.ABANDONED,
                        InMemoryHypervisor.Call.BEGIN_SNAPSHOT,
                        InMemoryHypervisor.Call.COMMITTED);
    }

    @Test
    @DisplayName("rule 6: who is fenced again and again gives up, and leaves nothing that is listed")
    void fencedAgainAndAgain() {
        GenieVmException failure = lab.failingBackup("web", new Commit() {
            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                objects.put(key, BlobContent.of(new byte[0]));
                return objects.put(key, manifest);
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.FENCED);
        assertThat(failure.isRetryable()).isTrue();
        assertThat(lab.repository().points().points()).isEmpty();
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        assertThat(fences()).hasSize(3);
        assertThat(lab.hypervisor().openSnapshots()).isZero();
        lab.assertWhole();
    }

    @Test
    @DisplayName(
            "rule 6: when not even looking tells the outcome, nothing is taken back, and the next backup finds it out")
    void outcomeUnknown() {
        lab.backup("web");
        GenieVmException failure = lab.failingBackup("web", new Commit() {
            private boolean lost;

            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                objects.put(key, manifest);
                lost = true;
                throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "the network is down");
            }

            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                requireNetwork();
                objects.get(key, offset, target);
            }

            @Override
            public Optional<BlobEntry> stat(BlobStore objects, String key) {
                requireNetwork();
                return objects.stat(key);
            }

            private void requireNetwork() {
                if (lost) {
                    throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "the network is down");
                }
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
        assertThat(store.keys("sessions/")).hasSize(1);
        // Neither committed nor abandoned: the driver keeps the tokens of both.
        assertThat(calls).filteredOn(InMemoryHypervisor.Call.ABANDONED::equals).isEmpty();
        assertThat(calls).filteredOn(InMemoryHypervisor.Call.COMMITTED::equals).hasSize(1);
        assertThat(lab.hypervisor().openSnapshots()).isZero();
        // It was the point after all, and is listed, whole, though without a witness.
        assertThat(lab.repository().points().points()).hasSize(2);
        lab.assertWhole();

        BackupReport next = lab.backup("web");

        assertThat(next.sequence()).isEqualTo(3);
        assertThat(store.keys("witness/")).hasSize(3);
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        lab.assertWhole();
    }

    @Test
    @DisplayName("rule 6: when the store takes neither manifest nor fence, the session stays open for others to decide")
    void fenceFails() {
        GenieVmException failure = lab.failingBackup("web", new Commit() {
            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                throw new GenieVmException(ErrorCode.IO_ERROR, "broken");
            }

            @Override
            PutOutcome fence(BlobStore objects, String key, BlobContent nothing) {
                throw new GenieVmException(ErrorCode.IO_ERROR, "broken");
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.IO_ERROR);
        assertThat(store.keys("sessions/")).hasSize(1);
        assertThat(store.keys("points/")).isEmpty();
        lab.assertRestores(lab.backup("web").point());
        assertThat(store.keys("sessions/")).hasSize(1);
        lab.assertWhole();
    }

    @Test
    @DisplayName("rule 6: a store that gives back something else than was put is found out")
    void lyingStore() {
        GenieVmException failure = lab.failingBackup("web", new Commit() {
            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                byte[] bytes = InterceptedStore.bytesOf(manifest);
                bytes[50] ^= 1;
                objects.put(key, BlobContent.of(bytes));
                throw new GenieVmException(ErrorCode.IO_ERROR, "broken");
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.CORRUPT_DATA);
        assertThat(failure.resource().name()).startsWith("points/");
        assertThat(store.keys("sessions/")).hasSize(1);
    }

    @Test
    @DisplayName("rule 6: no space for the manifest means that there is no point and never will be")
    void noSpace() {
        GenieVmException failure = lab.failingBackup("web", new Commit() {
            @Override
            PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
                throw new GenieVmException(ErrorCode.NO_SPACE, "full");
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.NO_SPACE);
        assertThat(manifestPuts()).isEqualTo(1);
        assertThat(store.keys("points/")).isEmpty();
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(calls).contains(InMemoryHypervisor.Call.ABANDONED);
        lab.assertWhole();
        // A table names the pack, so somebody may rely on it already.
        assertThat(store.keys("packs/")).hasSize(1);
        lab.backup("web");
        assertThat(store.keys("packs/")).hasSize(1);
    }

    @Test
    @DisplayName(
            "rule 7: witness after the manifest, a look at the manifest, signs of life, and the session object last")
    void order() {
        Events events = new Events();
        lab.backup("web", events);

        List<String> order = List.of(
                "< put points/",
                "> put witness/",
                "< put witness/",
                "> stat points/",
                "> delete progress/",
                "< delete progress/",
                "> delete sessions/");
        for (int i = 1; i < order.size(); i++) {
            assertThat(events.last(order.get(i)))
                    .as("'%s' after '%s'", order.get(i), order.get(i - 1))
                    .isGreaterThan(events.last(order.get(i - 1)));
        }
        assertThat(events.count("> delete sessions/")).isEqualTo(1);
    }

    @Test
    @DisplayName("rule 7: a witness that comes when the point was deleted already is taken back")
    void lateWitness() {
        lab.backup("web");
        lab.backup("web", new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith("witness/")) {
                    // What deletes a point does just this.
                    objects.delete(key);
                    objects.delete(key.replace("witness/", "points/"));
                }
                return objects.put(key, content);
            }
        });

        assertThat(store.keys("points/")).hasSize(1);
        assertThat(store.keys("witness/")).hasSize(1);
        assertThat(store.keys("sessions/")).isEmpty();
        lab.assertWhole();
        assertThat(lab.repository().points().unreadable()).isEmpty();
    }

    @Test
    @DisplayName("rule 7: a backup whose witness can not be put has succeeded; the next one puts it")
    void noWitness() {
        for (ErrorCode code : List.of(ErrorCode.NO_SPACE, ErrorCode.IO_ERROR, ErrorCode.CLOSED)) {
            BackupReport report = lab.backup("web", new InterceptedStore.Interceptor() {
                @Override
                public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                    if (key.startsWith("witness/")) {
                        throw new GenieVmException(code, "no");
                    }
                    return objects.put(key, content);
                }
            });

            assertThat(store.keys("witness/")).isEmpty();
            assertThat(store.keys("sessions/")).hasSize(1);
            lab.assertWhole();
            lab.assertRestores(report.point());

            BackupReport next = lab.backup("web");
            assertThat(next.parent()).isEqualTo(report.point());
            assertThat(store.keys("witness/")).hasSize(2);
            assertThat(store.keys("sessions/")).isEmpty();
            assertThat(store.keys("progress/")).isEmpty();
            lab.assertWhole();
            store.keys("witness/").forEach(store::remove);
            store.keys("points/").forEach(store::remove);
        }
    }

    @Test
    @DisplayName("rule 7: a session object that can not be deleted is deleted by the next backup")
    void sessionObjectStays() {
        lab.backup("web", new InterceptedStore.Interceptor() {
            @Override
            public void delete(BlobStore objects, String key) {
                throw new GenieVmException(ErrorCode.ACCESS_DENIED, "nothing is deleted here");
            }
        });
        assertThat(store.keys("sessions/")).hasSize(1);
        lab.assertWhole();

        lab.backup("web");

        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        lab.assertWhole();
    }

    private void assertOnlyPoint(BackupReport report) {
        assertThat(lab.repository().points().points())
                .extracting(RestorePoint::id)
                .containsExactly(report.point());
        assertThat(store.keys("witness/"))
                .hasSize(1)
                .allMatch(key -> key.endsWith(report.point().value()));
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        assertThat(lab.hypervisor().openSnapshots()).isZero();
        assertThat(lab.hypervisor().openReaders()).isZero();
        lab.assertRestores(report.point());
        lab.assertWhole();
    }

    private List<String> fences() {
        return store.keys("points/").stream()
                .filter(key -> store.bytes(key).length == 0)
                .toList();
    }

    /** How many manifests were ever put; each must have had a session of its own. */
    private long manifestPuts() {
        List<String> puts = new ArrayList<>(store.log(InterceptedStore.Kind.PUT).stream()
                .filter(key -> key.startsWith("points/"))
                .toList());
        fences().forEach(puts::remove);
        assertThat(puts).doesNotHaveDuplicates();
        return puts.size();
    }

    /** Steps in when a manifest or a fence is put. */
    private abstract static class Commit implements InterceptedStore.Interceptor {
        abstract PutOutcome commit(BlobStore objects, String key, BlobContent manifest);

        PutOutcome fence(BlobStore objects, String key, BlobContent nothing) {
            return objects.put(key, nothing);
        }

        @Override
        public PutOutcome put(BlobStore objects, String key, BlobContent content) {
            if (!key.startsWith("points/")) {
                return objects.put(key, content);
            }
            return content.length() == 0 ? fence(objects, key, content) : commit(objects, key, content);
        }
    }

    /** Steps in when the first manifest is put. */
    private abstract static class FirstCommit extends Commit {
        private boolean done;

        abstract PutOutcome first(BlobStore objects, String key, BlobContent manifest);

        @Override
        PutOutcome commit(BlobStore objects, String key, BlobContent manifest) {
            if (done) {
                return objects.put(key, manifest);
            }
            done = true;
            return first(objects, key, manifest);
        }
    }
}
