package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.SessionId;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupRequest;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import io.genievm.core.internal.plan.AuditStripes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * What a backup has to be, worked out from the parent and the moment of its snapshot alone, compared with its manifest.
 *
 * @param request what was asked for
 * @param parent the point that it goes on from, or {@code null}
 * @param parentIsNewest whether no younger point of the VM was ever there
 * @param sequence the one that it has to have
 * @param moment of its snapshot
 * @param snapshots how many were taken; all but the last were in vain
 * @param broken the disks that were changing while they were read
 * @param unlisted the disk whose list of changes could not be had, or {@code null}
 * @param isTracking whether the connection tracks changes
 * @param mayReread whether packs are condemned, so that also what did not change may have to be stored again
 */
record BackupCheck(
        BackupRequest request,
        ModelPoint parent,
        boolean parentIsNewest,
        long sequence,
        Map<String, GuestDisk.Moment> moment,
        int snapshots,
        List<String> broken,
        String unlisted,
        boolean isTracking,
        boolean mayReread) {
    /** Fails unless a manifest is right; gives the model's point for it. */
    ModelPoint check(SessionId id, JsonNode manifest) {
        assertThat(manifest.get("sequence").longValue()).as("sequence").isEqualTo(sequence);
        assertThat(manifest.get("parent").textValue())
                .as("parent")
                .isEqualTo(parent == null ? null : parent.id().value());
        Map<String, JsonNode> disks = new TreeMap<>();
        manifest.get("disks").forEach(disk -> disks.put(disk.get("id").textValue(), disk));
        List<String> expected = new ArrayList<>(moment.keySet());
        expected.removeIf(disk ->
                request.excludedDisks().stream().anyMatch(each -> each.value().equals(disk)));
        assertThat(disks.keySet()).as("disks").containsExactlyElementsOf(expected);
        Map<String, ModelPoint.Disk> known = new TreeMap<>();
        disks.forEach((disk, node) -> known.put(disk, new OneDisk(id, disk, node).check()));
        return new ModelPoint(id, request.vm(), sequence, moment, known, manifest);
    }

    private final class OneDisk {
        private final SessionId point;
        private final String id;
        private final JsonNode told;
        private final GuestDisk.Moment now;
        private final GuestDisk.Moment then;
        private final ModelPoint.Disk before;

        OneDisk(SessionId point, String id, JsonNode told) {
            this.point = point;
            this.id = id;
            this.told = told;
            this.now = moment.get(id);
            this.before = parent == null ? null : parent.disks().get(id);
            this.then = before == null ? null : parent.moment().get(id);
        }

        ModelPoint.Disk check() {
            assertThat(told.get("capacity").longValue()).as(id).isEqualTo(now.capacity());
            String token = told.get("token").textValue();
            boolean consistent = !broken.contains(id);
            assertThat(told.get("consistent").booleanValue()).as(id).isEqualTo(consistent);
            assertThat(token != null)
                    .as("whether disk " + id + " has a token")
                    .isEqualTo(isTracking && now.tracked() && consistent);
            checkPlan();
            long changed = told.get("changedBytes").longValue();
            if (mayReread) {
                assertThat(changed).as("changed bytes of disk " + id).isBetween(0L, now.capacity());
            } else {
                assertThat(changed)
                        .as("changed bytes of disk " + id)
                        .isEqualTo(changed().bytes());
            }
            boolean isChanged = told.get("plan").textValue().equals("CHANGED");
            Chunks written =
                    isChanged ? now.writtenSince(then).widened(now.limits().alignment()) : null;
            checkReadBytes(written);
            Chunks audited = isChanged ? checkAudit(written) : new Chunks(now.capacity());
            boolean proven = !isChanged;
            if (isChanged) {
                Chunks looked = new Chunks(now.capacity());
                looked.addAll(written);
                looked.addAll(audited);
                proven = looked.bytes() == now.capacity();
            }
            if (!mayReread) {
                assertThat(told.get("trust").textValue()).as(id).isEqualTo(proven ? "proven" : "sampled");
            } else if (proven) {
                assertThat(told.get("trust").textValue()).as(id).isEqualTo("proven");
            } else {
                proven = told.get("trust").textValue().equals("proven");
            }
            JsonNode state = told.get("auditState");
            return new ModelPoint.Disk(
                    DiskPlan.valueOf(told.get("plan").textValue()),
                    told.get("reason").textValue(),
                    proven ? Trust.PROVEN : Trust.SAMPLED,
                    proven ? point : before.provenPoint(),
                    token,
                    stripes(isChanged, state),
                    covered(isChanged, proven));
        }

        private void checkPlan() {
            String reason = whyNotChanged();
            String plan = reason == null ? "CHANGED" : before == null || request.full() ? "ALL" : "SCAN";
            assertThat(told.get("plan").textValue() + " " + told.get("reason").textValue())
                    .as("plan of disk " + id)
                    .isEqualTo(plan + " " + reason);
        }

        private String whyNotChanged() {
            if (parent == null) {
                return "NO_PARENT";
            }
            if (before == null) {
                return "DISK_ADDED";
            }
            if (request.full()) {
                return "FULL_REQUESTED";
            }
            if (then.capacity() != now.capacity()) {
                return "RESIZED";
            }
            if (before.token() == null) {
                return "NO_TOKEN";
            }
            if (id.equals(unlisted)) {
                return "TRACKING_LOST";
            }
            if (!isTracking || !now.tracked()) {
                return "NO_TRACKING";
            }
            if (then.disk() != now.disk()) {
                return "TOKEN_UNKNOWN";
            }
            if (then.era() != now.era()) {
                // Unless the token was dropped before tracking was lost.
                return parentIsNewest ? "TRACKING_RESET" : told.get("reason").textValue();
            }
            return parentIsNewest || now.tokens().contains(before.token()) ? null : "TOKEN_UNKNOWN";
        }

        private Chunks changed() {
            return then == null
                    ? now.content().notZero(now.capacity())
                    : now.content().differing(then.content(), now.capacity());
        }

        private void checkReadBytes(Chunks written) {
            Chunks allocated = now.allocated().widened(now.limits().alignment());
            Chunks all = written == null ? allocated : allocated.and(written);
            long read = told.get("readBytes").longValue();
            if (snapshots == 1 && !mayReread) {
                assertThat(read).as("read bytes of disk " + id).isEqualTo(all.bytes());
            } else {
                assertThat(read).as("read bytes of disk " + id).isBetween(all.bytes(), snapshots * now.capacity());
            }
        }

        /** Gives what has to be compared. */
        private Chunks checkAudit(Chunks written) {
            JsonNode audit = told.get("audit");
            Chunks universe = new Chunks(now.capacity());
            if (request.audit() == AuditMode.NONE) {
                assertThat(audit.isNull()).as(id).isTrue();
                return universe;
            }
            int stripes = stripes();
            if (stripes == 0) {
                universe.addRange(0, now.capacity());
                assertThat(audit.get("stripe").isNull()).as(id).isTrue();
            } else {
                // The seed is the first point's with so many stripes; from then on stripes come in turn.
                JsonNode state = told.get("auditState");
                JsonNode last = parentState();
                boolean goesOn = last != null && last.get("stripes").intValue() == stripes;
                int stripe = goesOn ? last.get("next").intValue() : 0;
                assertThat(audit.get("stripe").intValue()).as(id).isEqualTo(stripe);
                assertThat(state.get("next").intValue()).as(id).isEqualTo((stripe + 1) % stripes);
                if (goesOn) {
                    assertThat(state.get("seed")).as(id).isEqualTo(last.get("seed"));
                }
                universe = Chunks.of(
                        new AuditStripes(
                                        Long.parseUnsignedLong(state.get("seed").textValue(), 16),
                                        stripes,
                                        (now.capacity() + PlainBytes.BLOCK - 1) / PlainBytes.BLOCK,
                                        (1 << 20) / PlainBytes.BLOCK)
                                .stripe(stripe),
                        now.capacity());
            }
            Chunks audited = universe.without(written);
            long compared = audit.get("comparedBytes").longValue();
            assertThat(audit.get("mismatches").size()).as(id).isZero();
            if (mayReread) {
                assertThat(compared).as(id).isLessThanOrEqualTo(audited.bytes());
            } else {
                assertThat(compared).as("compared bytes of disk " + id).isEqualTo(audited.bytes());
            }
            return audited;
        }

        /** How many stripes this backup's audit is to have; 0 where it takes everything or nothing. */
        private int stripes() {
            return request.audit() == AuditMode.SAMPLE ? (int) Math.ceil(1 / request.auditShare() - 1e-6) : 0;
        }

        private JsonNode parentState() {
            for (JsonNode disk : parent.manifest().get("disks")) {
                if (disk.get("id").textValue().equals(id)) {
                    return disk.get("auditState").isNull() ? null : disk.get("auditState");
                }
            }
            return null;
        }

        private int stripes(boolean isChanged, JsonNode state) {
            int expected = isChanged && stripes() > 0 ? stripes() : before == null ? 0 : before.stripes();
            assertThat(state.isNull() ? 0 : state.get("stripes").intValue())
                    .as("stripes of disk " + id)
                    .isEqualTo(expected);
            return expected;
        }

        private int covered(boolean isChanged, boolean proven) {
            if (proven) {
                return 0;
            }
            if (isChanged && stripes() > 0) {
                return Math.min(stripes(), (Objects.equals(stripes(), before.stripes()) ? before.covered() : 0) + 1);
            }
            return before.covered();
        }
    }
}
