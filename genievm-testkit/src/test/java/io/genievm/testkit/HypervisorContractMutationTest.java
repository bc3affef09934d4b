package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Whether the contract notices drivers that break it, each by the test that is meant for it. */
class HypervisorContractMutationTest {
    @Test
    @DisplayName("a driver that is not broken passes")
    void wholeDriverPasses() throws Exception {
        for (Method test : HypervisorProviderContract.class.getDeclaredMethods()) {
            if (test.isAnnotationPresent(Test.class)) {
                run(new Mutation(), test.getName());
            }
        }
    }

    @ParameterizedTest(name = "{0}: {2}")
    @MethodSource
    @DisplayName("the contract notices")
    void notices(String mutation, Mutation broken, String test) {
        // Of a broken list the driver or the extent that it makes may be the first to complain.
        assertThatThrownBy(() -> run(broken, test))
                .as(mutation)
                .isInstanceOfAny(AssertionError.class, GenieVmException.class, IllegalArgumentException.class);
    }

    @Test
    @DisplayName("a driver that can not be written is told what to override")
    void tellsWhatToOverride() {
        TrackingHypervisorContractTest contract = new TrackingHypervisorContractTest() {
            @Override
            protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) {
                Hook.run("write", () -> notOverridden(vm, disk, offset, bytes));
            }
        };
        contract.connect();
        assertThatThrownBy(contract::listsEveryWrite)
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Override HypervisorProviderContract.write");
        contract.disconnect();
    }

    static Stream<Arguments> notices() {
        List<Arguments> all = new ArrayList<>();
        tokens(all);
        lists(all);
        vouching(all);
        lives(all);
        facts(all);
        writing(all);
        ends(all);
        sizes(all);
        return all.stream();
    }

    private static void tokens(List<Arguments> all) {
        add(all, "another token at each call", "tokensAreUnique", new Mutation() {
            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                return disk.token().map(token -> new ChangeToken(token + "." + UUID.randomUUID()));
            }
        });
        add(all, "the same token in every snapshot", "tokensAreUnique", new Mutation() {
            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                return disk.token().map(token -> new ChangeToken(disk.id().value()));
            }
        });
        add(all, "one token for all disks", "tokensAreUnique", new Mutation() {
            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                return disk.token().map(token -> new ChangeToken(token.value().substring(0, 73)));
            }
        });
        add(all, "no token for one disk", "tokensAreUnique", new Mutation() {
            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                return disk.token().filter(token -> disk.capacity() > 0);
            }
        });
        add(all, "a token for a disk that is not tracked", "tokensAreUnique", new Mutation() {
            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                return disk.token()
                        .or(() -> Optional.of(new ChangeToken(UUID.randomUUID().toString())));
            }
        });
        add(all, "tokens of the moment of the commit", "tokenIsOfTheSnapshotsMoment", new TokensOfTheCommit());
        add(all, "tokens without the capability", "refusesToTrackWithoutCapability", new Mutation() {
            @Override
            Set<Capability> capabilities(HypervisorConnection connection) {
                return Set.of(Capability.ALLOCATION);
            }
        });
    }

    private static void lists(List<Arguments> all) {
        for (BrokenList how : BrokenList.values()) {
            add(all, "lists that are " + how, "listsEveryWrite", lying(new DriverLie.BrokenChanges(how)));
        }
        for (String test : List.of("listsEveryWrite", "tokenIsOfTheSnapshotsMoment", "answersAgain")) {
            add(all, "no changes", test, lying(new DriverLie.NoChanges()));
        }
        long last = 3_000_000;
        for (long at : new long[] {0, 511, 65_536, 20_000, 70_000, 131_072, last, last - 76}) {
            Extent missing = new Extent(at, 1);
            add(all, "without " + missing, "listsEveryWrite", lying(new DriverLie.MissingChanges(missing)));
        }
        add(all, "ranges rounded inwards", "listsEveryWrite", new Mutation() {
            @Override
            void prepare(InMemoryDisk disk) {
                disk.trackingGrain(1);
            }

            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                if (changes instanceof Changes.Known known) {
                    Ranges inner = new Ranges();
                    Disks.extents(known.extents(), disk.capacity())
                            .forEach(extent -> inner.add((extent.offset() + 511) & -512, extent.end() & -512));
                    return new Changes.Known(ExtentCursor.of(inner.below(disk.capacity())));
                }
                return changes;
            }
        });
        add(all, "without what is not allocated any more", "listsEveryWrite", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Ranges allocated = Ranges.of(Disks.extents(disk.allocated(), disk.capacity()));
                Ranges rest = new Ranges();
                rest.add(0, disk.capacity());
                allocated.below(disk.capacity()).forEach(extent -> rest.remove(extent.offset(), extent.end()));
                Changes changes = disk.changesSince(token);
                if (changes instanceof Changes.Known known) {
                    Ranges left = Ranges.of(Disks.extents(known.extents(), disk.capacity()));
                    rest.below(disk.capacity()).forEach(extent -> left.remove(extent.offset(), extent.end()));
                    return new Changes.Known(ExtentCursor.of(left.below(disk.capacity())));
                }
                return changes;
            }
        });
        add(all, "nothing written is unknown", "knowsThatNothingWasWritten", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                if (changes instanceof Changes.Known known && !known.extents().next()) {
                    return new Changes.Unknown("NOTHING", "nothing");
                }
                return disk.changesSince(token);
            }
        });
        add(all, "a list can be had once", "answersAgain", new Mutation() {
            private final Set<DiskId> asked = new HashSet<>();

            @Override
            synchronized Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                return changes instanceof Changes.Known && !asked.add(disk.id())
                        ? new Changes.Known(ExtentCursor.of(List.of()))
                        : changes;
            }
        });
        add(all, "one cursor for all who ask", "answersAgain", new Mutation() {
            private final Map<DiskId, Changes> answers = new HashMap<>();

            @Override
            synchronized Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                return answers.computeIfAbsent(disk.id(), any -> disk.changesSince(token));
            }
        });
        add(all, "a cursor that stands where it does not", "changesCursorKeepsItsRules", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                return changes instanceof Changes.Known known
                        ? new Changes.Known(new Lenient(known.extents()))
                        : changes;
            }
        });
    }

    private static void vouching(List<Arguments> all) {
        add(all, "an empty list since an unknown token", "doesNotVouchForForeignTokens", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                return changes instanceof Changes.Known ? changes : new Changes.Known(ExtentCursor.of(List.of()));
            }
        });
        add(all, "a failure for an unknown token", "doesNotVouchForForeignTokens", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                if (changes instanceof Changes.Known) {
                    return changes;
                }
                throw new GenieVmException(ErrorCode.NOT_FOUND, "no such token");
            }
        });
        add(all, "a reason that is no word", "doesNotVouchForForeignTokens", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                Changes changes = disk.changesSince(token);
                return changes instanceof Changes.Known ? changes : new Changes.Unknown("no idea", "no idea");
            }
        });
        add(all, "tokens of other disks", "doesNotVouchForTokensOfOtherDisks", new Mutation() {
            private final Set<ChangeToken> own = new HashSet<>();

            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                disk.token().ifPresent(own::add);
                return disk.token();
            }

            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                return own.contains(token) && disk.changesSince(token) instanceof Changes.Unknown
                        ? new Changes.Known(ExtentCursor.whole(disk.capacity()))
                        : disk.changesSince(token);
            }
        });
        add(all, "tokens that no other connection knows", "tracksAlongAChain", new Mutation() {
            private final Map<ChangeToken, HypervisorConnection> makers = new HashMap<>();
            private @Nullable HypervisorConnection last;

            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                last = connection;
                return connection.beginSnapshot(vm, request);
            }

            @Override
            Optional<ChangeToken> token(SnapshotDisk disk) {
                disk.token().ifPresent(token -> makers.put(token, Objects.requireNonNull(last)));
                return disk.token();
            }

            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                return makers.get(token) == last
                        ? disk.changesSince(token)
                        : new Changes.Unknown("TOKEN_UNKNOWN", "another connection's");
            }
        });
        add(all, "an excluded disk makes all unknown", "excludedDiskDoesNotBreakTheOthers", new Mutation() {
            private boolean excludes;

            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                excludes = !request.excludedDisks().isEmpty();
                return connection.beginSnapshot(vm, request);
            }

            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                return excludes ? new Changes.Unknown("EXCLUDED", "not all disks") : disk.changesSince(token);
            }
        });
    }

    private static void lives(List<Arguments> all) {
        add(all, "committed() drops the new tokens", "tracksAlongAChain", new Mutation() {
            @Override
            void committed(VmSnapshot snapshot) {
                snapshot.abandoned();
            }
        });
        add(all, "abandoned() drops the parent's tokens", "abandonedKeepsTheParents", new Mutation() {
            @Override
            void abandoned(VmSnapshot snapshot) {
                snapshot.committed();
            }
        });
        add(all, "abandoned() keeps the new tokens", "abandonedKeepsTheParents", new Mutation() {
            @Override
            void abandoned(VmSnapshot snapshot) {}
        });
        add(all, "close() alone drops the new tokens", "closeAloneKeepsTheNew", new Mutation() {
            @Override
            void closeAlone(VmSnapshot snapshot) {
                snapshot.abandoned();
                snapshot.close();
            }
        });
        add(all, "close() alone drops the parent's tokens", "closeAloneKeepsTheParents", new Mutation() {
            @Override
            void closeAlone(VmSnapshot snapshot) {
                snapshot.committed();
                snapshot.close();
            }
        });
        add(all, "a failed begin drops the parent's tokens", "failedBeginKeepsTheParents", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                try {
                    return connection.beginSnapshot(vm, request);
                } catch (GenieVmException e) {
                    SnapshotRequest clearing = SnapshotRequest.builder(request.repository(), request.session())
                            .endedSessions(session -> true)
                            .build();
                    connection.beginSnapshot(vm, clearing).close();
                    throw e;
                }
            }
        });
        add(all, "the parent's tokens are leftovers", "tracksAlongAChain", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                return connection.beginSnapshot(vm, copy(request, request.repository(), Map.of(), request::hasEnded));
            }
        });
        add(all, "leftovers are never cleared", "clearsTokensOfTheDead", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                return connection.beginSnapshot(
                        vm, copy(request, request.repository(), request.parentTokens(), session -> false));
            }
        });
        add(all, "the living are cleared", "sparesTokensOfTheLiving", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                return connection.beginSnapshot(
                        vm, copy(request, request.repository(), request.parentTokens(), session -> true));
            }
        });
        add(all, "all repositories are one", "repositoriesDoNotDisturbEachOther", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                RepositoryId one = new RepositoryId("0".repeat(32));
                return connection.beginSnapshot(vm, copy(request, one, request.parentTokens(), request::hasEnded));
            }
        });
    }

    private static void facts(List<Arguments> all) {
        add(all, "lost tracking is not told", "tellsLostTracking", new Mutation() {
            @Override
            List<DriverFact> facts(VmSnapshot snapshot) {
                return snapshot.facts().stream()
                        .filter(fact -> !fact.code().equals(DriverFact.TRACKING_LOST))
                        .toList();
            }
        });
        add(all, "lost tracking is told of no disk", "tellsLostTracking", new Mutation() {
            @Override
            List<DriverFact> facts(VmSnapshot snapshot) {
                return snapshot.facts().stream()
                        .map(fact -> new DriverFact(fact.code(), null, fact.message()))
                        .toList();
            }
        });
        add(all, "lost tracking is not noticed", "tellsLostTracking", new Mutation() {
            @Override
            Changes changesSince(SnapshotDisk disk, ChangeToken token) {
                return disk.changesSince(token) instanceof Changes.Unknown unknown
                                && unknown.reason().equals("TRACKING_RESET")
                        ? new Changes.Known(ExtentCursor.whole(disk.capacity()))
                        : disk.changesSince(token);
            }
        });
        add(
                all,
                "lost tracking is told in vain",
                "doesNotTellLostTrackingInVain",
                adding(DriverFact.TRACKING_LOST, "root"));
        add(all, "a fact's code is no word", "factsAreWellFormed", adding("tracking lost", "root"));
        add(
                all,
                "a disk that can not be tracked is told each time",
                "factsAreWellFormed",
                adding("TRACKING_UNAVAILABLE", "root"));
        add(all, "a fact names a disk that is not there", "factsAreWellFormed", adding("NOTE", "no-such-disk"));
    }

    private static void ends(List<Arguments> all) {
        add(all, "a second snapshot ends the first", "secondSnapshotHarmsNobody", new Mutation() {
            private @Nullable VmSnapshot last;

            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                if (last != null) {
                    last.close();
                }
                last = connection.beginSnapshot(vm, request);
                return last;
            }
        });
        add(all, "a cancelled snapshot fails in any way", "cancelsWhileItBegins", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                LockSupport.parkNanos(50_000_000);
                if (request.cancellation().isCancelled()) {
                    throw new GenieVmException(ErrorCode.IO_ERROR, "something happened");
                }
                return connection.beginSnapshot(vm, request);
            }
        });
        add(all, "a cancelled snapshot stays behind", "obeysCancellation", new Mutation() {
            @Override
            VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
                return connection.beginSnapshot(
                        vm,
                        SnapshotRequest.builder(request.repository(), request.session())
                                .build());
            }
        });
        add(all, "the end of the connection is any failure", "endOfTheConnectionBreaksOff", new Mutation() {
            @Override
            DiskReader openReader(SnapshotDisk disk) {
                return new Reader(disk.openReader()) {
                    @Override
                    public void read(long offset, ByteBuffer target) {
                        try {
                            super.read(offset, target);
                        } catch (GenieVmException e) {
                            throw new GenieVmException(ErrorCode.IO_ERROR, e.getMessage());
                        }
                    }
                };
            }
        });
        add(all, "a reader is closed once", "closesAtTheSameTime", new Mutation() {
            @Override
            DiskReader openReader(SnapshotDisk disk) {
                AtomicBoolean closed = new AtomicBoolean();
                return new Reader(disk.openReader()) {
                    @Override
                    public void close() {
                        if (closed.getAndSet(true)) {
                            throw new GenieVmException(ErrorCode.IO_ERROR, "closed twice");
                        }
                        super.close();
                    }
                };
            }
        });
        add(all, "the reader that was opened last is everybody's", "servesManyAtATime", new Mutation() {
            private volatile @Nullable DiskReader last;

            @Override
            DiskReader openReader(SnapshotDisk disk) {
                DiskReader reader = disk.openReader();
                last = reader;
                return new Reader(reader) {
                    @Override
                    public void read(long offset, ByteBuffer target) {
                        LockSupport.parkNanos(50_000_000);
                        Objects.requireNonNull(last).read(offset, target);
                    }
                };
            }
        });
    }

    private static void sizes(List<Arguments> all) {
        add(all, "sizes are counted in int", "sizeDoesNotMatter", new Mutation() {
            @Override
            long capacity(SnapshotDisk disk) {
                return disk.capacity() & Integer.MAX_VALUE;
            }
        });
        add(all, "everything is allocated", "sizeDoesNotMatter", new Mutation() {
            @Override
            ExtentCursor allocated(SnapshotDisk disk) {
                return ExtentCursor.whole(disk.capacity());
            }
        });
        add(all, "of many extents some are told", "sizeDoesNotMatter", new Mutation() {
            @Override
            ExtentCursor allocated(SnapshotDisk disk) {
                List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                return ExtentCursor.of(extents.subList(0, Math.min(1024, extents.size())));
            }
        });
    }

    private static void writing(List<Arguments> all) {
        add(all, "another capacity", "opensDisksForWriting", new Mutation() {
            @Override
            long capacity(DiskWriting.WritableDisk disk) {
                return disk.capacity() + 512;
            }
        });
        add(all, "the first disk whatever is asked for", "opensDisksForWriting", new Mutation() {
            @Override
            DiskWriting.WritableDisk openDisk(DiskWriting writing, VmId vm, DiskId disk) {
                return writing.openDisk(vm, new DiskId("one"));
            }
        });
        add(all, "zeroes are taken for holes", "writesDisks", new Mutation() {
            @Override
            void zero(DiskWriter writer, long offset, long length) {}
        });
        add(all, "writes are in order whatever is asked for", "writesDisks", new Mutation() {
            private long end;

            @Override
            void write(DiskWriter writer, long offset, ByteBuffer source) {
                end = Math.max(end, offset);
                super.write(writer, end, source);
            }
        });
        add(
                all,
                "what is written is not recorded",
                "tellsWhatWasWritten",
                lying(new DriverLie.UnrecordedWrites(new Extent(0, 100_000))));
        add(all, "a disk that is not there is the first", "doesNotOpenUnknownDisks", new Mutation() {
            @Override
            DiskWriting.WritableDisk openDisk(DiskWriting writing, VmId vm, DiskId disk) {
                return writing.openDisk(vm, new DiskId("root"));
            }
        });
        add(all, "a disk that stays open", "closedDiskRefuses", new Mutation() {
            @Override
            void closeDisk(DiskWriting.WritableDisk disk) {}
        });
    }

    private static void add(List<Arguments> all, String name, String test, Mutation mutation) {
        all.add(Arguments.of(name, mutation, test));
    }

    private static Mutation lying(DriverLie lie) {
        return new Mutation() {
            @Override
            void prepare(InMemoryDisk disk) {
                if (disk.id().value().equals("root")) {
                    disk.trackingGrain(1);
                    disk.lie(lie);
                }
            }
        };
    }

    private static Mutation adding(String code, String disk) {
        return new Mutation() {
            @Override
            List<DriverFact> facts(VmSnapshot snapshot) {
                List<DriverFact> facts = new ArrayList<>(snapshot.facts());
                facts.add(new DriverFact(code, new DiskId(disk), "as wished"));
                return facts;
            }
        };
    }

    private static SnapshotRequest copy(
            SnapshotRequest request,
            RepositoryId repository,
            Map<DiskId, ChangeToken> parents,
            Predicate<SessionId> ended) {
        return SnapshotRequest.builder(repository, request.session())
                .quiesce(request.quiesce())
                .excludedDisks(request.excludedDisks())
                .parentTokens(parents)
                .endedSessions(ended)
                .cancellation(request.cancellation())
                .build();
    }

    /** Runs one test of the contract as JUnit does. */
    private static void run(Mutation mutation, String test) throws Exception {
        Method method = Arrays.stream(HypervisorProviderContract.class.getDeclaredMethods())
                .filter(candidate -> candidate.getName().equals(test) && candidate.isAnnotationPresent(Test.class))
                .findFirst()
                .orElseThrow(() -> new NoSuchMethodException(test));
        Broken contract = new Broken(mutation);
        contract.connect();
        try {
            method.invoke(contract);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw (Exception) e.getCause();
        } finally {
            contract.disconnect();
        }
    }

    private static final class Broken extends TrackingHypervisorContractTest {
        private final Mutation mutation;

        Broken(Mutation mutation) {
            this.mutation = mutation;
        }

        @Override
        protected HypervisorProvider provider() {
            return mutation.breaking(super.provider());
        }

        @Override
        protected KnownVm knownVm() {
            return prepared(super.knownVm());
        }

        @Override
        protected KnownVm writableVm() {
            return prepared(super.writableVm());
        }

        private KnownVm prepared(KnownVm vm) {
            hypervisor().vm(vm.id().value()).disks().forEach(mutation::prepare);
            return vm;
        }
    }

    /** Takes another snapshot at the commit, whose tokens stand behind those that were given out. */
    private static final class TokensOfTheCommit extends Mutation {
        private final Map<ChangeToken, ChangeToken> behind = new HashMap<>();
        private @Nullable Supplier<VmSnapshot> another;

        @Override
        VmSnapshot begin(HypervisorConnection used, VmId of, SnapshotRequest as) {
            Map<DiskId, ChangeToken> parents = new HashMap<>();
            as.parentTokens().forEach((disk, token) -> parents.put(disk, behind.getOrDefault(token, token)));
            SnapshotRequest request = copy(as, as.repository(), parents, as::hasEnded);
            another = () -> used.beginSnapshot(of, request);
            return another.get();
        }

        @Override
        Changes changesSince(SnapshotDisk disk, ChangeToken token) {
            return disk.changesSince(behind.getOrDefault(token, token));
        }

        @Override
        void committed(VmSnapshot snapshot) {
            try (VmSnapshot late = Objects.requireNonNull(another).get()) {
                for (SnapshotDisk disk : late.disks()) {
                    for (SnapshotDisk given : snapshot.disks()) {
                        if (given.id().equals(disk.id())) {
                            given.token()
                                    .ifPresent(token ->
                                            behind.put(token, disk.token().orElseThrow()));
                        }
                    }
                }
                late.committed();
            }
        }
    }

    /** A reader that passes every call on. */
    private static class Reader implements DiskReader {
        private final DiskReader reader;

        Reader(DiskReader reader) {
            this.reader = reader;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            reader.read(offset, target);
        }

        @Override
        public void close() {
            reader.close();
        }
    }

    /** Answers instead of refusing. */
    private static final class Lenient implements ExtentCursor {
        private final ExtentCursor cursor;
        private boolean stands;

        Lenient(ExtentCursor cursor) {
            this.cursor = cursor;
        }

        @Override
        public boolean next() {
            stands = cursor.next();
            return stands;
        }

        @Override
        public long offset() {
            return stands ? cursor.offset() : 0;
        }

        @Override
        public long length() {
            return stands ? cursor.length() : 1;
        }

        @Override
        public void close() {
            cursor.close();
        }
    }
}
