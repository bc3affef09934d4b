package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.SessionId;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.PlainRepository;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/** The collector of a repository, as far as writers see it: one plan at a time, and packs that vanish. For one thread. */
final class Plans {
    private final ModelRepository repository;
    private final InterceptedStore store;
    private String plan;
    private List<String> condemned = List.of();
    private Set<SessionId> named = Set.of();
    private boolean decided;

    Plans(ModelRepository repository) {
        this.repository = repository;
        this.store = repository.store();
    }

    boolean isAnyInForce() {
        return plan != null;
    }

    /** Whether whoever goes on from a point may rely on what is below its pages. */
    boolean allows(SessionId parent) {
        return plan == null || decided || named.contains(parent);
    }

    /** Condemns some packs, of which every point may need some. */
    void publish(Random random) {
        plan = String.format("%016x%016x", random.nextLong(), random.nextLong());
        int share = random.nextInt(4);
        condemned = store.keys("packs/").stream()
                .filter(pack -> random.nextInt(4) <= share)
                .toList();
        int knowing = random.nextInt(3);
        named = repository.points().stream()
                .map(ModelPoint::id)
                .filter(point -> knowing == 2 || knowing == 1 && random.nextBoolean())
                .collect(Collectors.toSet());
        put(
                "plan",
                "condemned",
                condemned,
                ", \"points\": " + json(named.stream().map(SessionId::value).toList()));
    }

    /** Decides, as a collector has to: a pack goes only if all that points need of it is somewhere else. */
    void decide() {
        PlainRepository plain = new PlainRepository(store.content());
        List<String> pardoned = new ArrayList<>();
        for (String pack : condemned) {
            if (isNeeded(plain, condemned, pack)) {
                pardoned.add(pack);
            }
        }
        condemned = condemned.stream().filter(pack -> !pardoned.contains(pack)).toList();
        decided = true;
        put("verdict", "delete", condemned, "");
    }

    /** Carries out what was decided. */
    void carryOut() {
        condemned.forEach(store::remove);
        store.remove("gc/" + plan + ".plan");
        store.remove("gc/" + plan + ".verdict");
        plan = null;
        condemned = List.of();
        decided = false;
    }

    boolean isDecided() {
        return decided;
    }

    /** Fails if a point that was made while the plan was in force needs what it condemns. */
    void check(ModelPoint point, SessionId parent) {
        if (plan == null || parent != null && !decided && named.contains(parent)) {
            return;
        }
        PlainRepository plain = new PlainRepository(store.content());
        Set<PlainRepository.PlainSegment> gone = plain.segments().stream()
                .filter(segment -> condemned.contains(segment.pack()))
                .collect(Collectors.toSet());
        for (PlainRepository.PlainDisk disk : plain.disks()) {
            if (disk.point().equals(point.id().value())) {
                assertThat(plain.lost(disk, gone).isEmpty())
                        .as("disk " + disk.disk() + " of point " + point.id() + " needs nothing of " + condemned)
                        .isTrue();
            }
        }
    }

    /** Whether points would lose something if a pack went, along with all others that are condemned. */
    private static boolean isNeeded(PlainRepository plain, List<String> condemned, String pack) {
        Set<String> elsewhere = plain.segments().stream()
                .filter(segment -> !condemned.contains(segment.pack()))
                .flatMap(segment -> segment.ids().stream())
                .collect(Collectors.toSet());
        // Whatever a pack holds counts as needed; a real collector knows better.
        return plain.segments(pack).stream().anyMatch(segment -> !elsewhere.containsAll(segment.ids()));
    }

    private void put(String kind, String list, List<String> packs, String more) {
        store.replace(
                "gc/" + plan + "." + kind,
                PlainRepository.document(
                        kind,
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"%s\": %s%s}"
                                .formatted(repository.repository().id(), plan, list, json(packs), more)));
    }

    private static String json(List<String> texts) {
        return texts.stream().map(text -> "\"" + text + "\"").collect(Collectors.joining(", ", "[", "]"));
    }
}
