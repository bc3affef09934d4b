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
import java.util.Set;
import java.util.TreeMap;

/**
 * What a backup has to be, worked out from the parent and the moment of its snapshot alone, compared with its manifest.
 *
 * @param request what was asked for
 * @param parent the point that it goes on from, or {@code null}
 * @param parentIsNewest whether no younger point of the VM was ever there
 * @param doubts the parent's disks from which nothing can be taken over
 * @param sequence the one that it has to have
 * @param moment of its snapshot
 * @param snapshots how many were taken; all but the last were in vain
 * @param broken the disks that were changing while they were read
 * @param driver what the core was told
 * @param mayLie whether that need not be true
 * @param isTracking whether the connection tracks changes
 * @param mayReread whether packs are condemned, so that also what did not change may have to be stored again
 */
record BackupCheck(
        BackupRequest request,
        ModelPoint parent,
        boolean parentIsNewest,
        Set<String> doubts,
        long sequence,
        Map<String, GuestDisk.Moment> moment,
        int snapshots,
        List<String> broken,
        Eavesdropper driver,
        boolean mayLie,
        boolean isTracking,
        boolean mayReread) {
    private static final int RUN = 1 << 20;

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
        private final int alignment;
        private final Chunks all;

        OneDisk(SessionId point, String id, JsonNode told) {
            this.point = point;
            this.id = id;
            this.told = told;
            this.now = moment.get(id);
            this.before = parent == null ? null : parent.disks().get(id);
            this.then = before == null ? null : parent.moment().get(id);
            this.alignment = now.limits().alignment();
            this.all = Chunks.all(now.capacity());
        }

        ModelPoint.Disk check() {
            equal("capacity", number("capacity"), now.capacity());
            boolean consistent = !broken.contains(id);
            equal("consistent", told.get("consistent").booleanValue(), consistent);
            String token = told.get("token").textValue();
            equal("having a token", token != null, isTracking && now.tracked() && consistent);

            Chunks allocated = allocated();
            String reason = whyNotChanged();
            Chunks changed = reason == null ? changed() : null;
            Chunks audited = reason == null ? audited(changed) : new Chunks(now.capacity());
            boolean mismatch = isMismatch(audited, allocated);
            if (mismatch) {
                reason = "AUDIT_MISMATCH";
                allocated = all;
            }
            if (isContradicted(allocated)) {
                allocated = all;
            }
            String plan = reason == null ? "CHANGED" : before == null || request.full() ? "ALL" : "SCAN";
            equal("plan", text("plan") + " " + text("reason"), plan + " " + reason);

            Chunks read = reason == null ? allocated.and(changed) : allocated;
            PlainBytes content = reason == null ? before.content().copy() : new PlainBytes();
            content.take(reason == null ? changed : all, now.content().only(read));
            checkBytes(read, content);
            if (isComparedOnTheWay() && driver.heard(id).changed() != null) {
                changed = driver.heard(id).changed().widened(alignment);
                audited = all.without(changed);
                equal("stripe", told.get("audit").get("stripe").isNull(), true);
                checkAudited(audited, false, lies(content, changed));
            } else if (changed == null) {
                equal("audit", told.get("audit").isNull(), true);
            } else if (request.audit() != AuditMode.NONE) {
                checkAudited(audited, mismatch, mismatch ? lies(content, changed) : new Chunks(now.capacity()));
            }
            boolean proven = reason != null || changed.or(audited).equals(all);
            if (mayReread && text("trust").equals("proven")) {
                // What had to be stored again was read.
                proven = true;
            }
            proven &= consistent;
            equal("trust", text("trust"), proven ? "proven" : "sampled");
            if (!mayLie
                    || mismatch
                    || proven
                            && now.content()
                                    .notZero(now.capacity())
                                    .without(allocated)
                                    .isEmpty()) {
                assertThat(content.firstDifference(now.content()))
                        .as("what disk " + id + " should hold")
                        .isNull();
            }
            boolean counts = plan.equals("CHANGED") || mismatch;
            return new ModelPoint.Disk(
                    content,
                    DiskPlan.valueOf(plan),
                    reason,
                    proven ? Trust.PROVEN : Trust.SAMPLED,
                    proven ? point : before == null ? null : before.provenPoint(),
                    token,
                    stripes(counts),
                    covered(counts, proven));
        }

        private Chunks allocated() {
            Chunks heard = driver.heard(id).allocated();
            // An honest list may fail half-way.
            if (!mayLie && driver.heard(id).knowsAllocation()) {
                equal("allocated", heard, now.allocated());
            }
            return heard.widened(alignment);
        }

        private Chunks changed() {
            Chunks heard = driver.heard(id).changed();
            if (!mayLie) {
                equal("changed", heard, now.writtenSince(then));
            }
            return heard.widened(alignment);
        }

        private String whyNotChanged() {
            String reason = before == null || request.full() ? whyAll() : whyNotAsked();
            // The hypervisor may know better, but it has no part in this.
            equal("asking for changes", driver.heard(id).wasAsked(), reason == null || isComparedOnTheWay());
            if (reason == null) {
                reason = whyUnknown();
            }
            return reason == null ? driver.heard(id).whyUnknown() : reason;
        }

        private String whyAll() {
            return parent == null ? "NO_PARENT" : before == null ? "DISK_ADDED" : "FULL_REQUESTED";
        }

        private String whyNotAsked() {
            if (then.capacity() != now.capacity()) {
                return "RESIZED";
            }
            if (before.token() == null) {
                return "NO_TOKEN";
            }
            return doubts.contains(id) ? "PARENT_SUSPECT" : null;
        }

        /** Whether all is read although the hypervisor may say what has changed, so that it is compared with that. */
        private boolean isComparedOnTheWay() {
            return before != null && request.full() && request.audit() != AuditMode.NONE && whyNotAsked() == null;
        }

        /** Why the hypervisor can not know the changes, when it can not. */
        private String whyUnknown() {
            String heard = driver.heard(id).whyUnknown();
            if ("TRACKING_LOST".equals(heard)) {
                // Its list failed, for whatever reason.
                return heard;
            }
            if (!isTracking || !now.tracked()) {
                return "NO_TRACKING";
            }
            if (then.disk() != now.disk()) {
                return "TOKEN_UNKNOWN";
            }
            if (then.era() != now.era()) {
                // Unless the token was dropped before tracking was lost.
                return parentIsNewest ? "TRACKING_RESET" : heard;
            }
            boolean known = parentIsNewest || now.tokens().contains(before.token());
            assertThat(mayLie || !known || heard == null)
                    .as("tracking of disk " + id + " is " + heard)
                    .isTrue();
            return known ? null : "TOKEN_UNKNOWN";
        }

        /** Whether all is to be read as holes are seen not to be some. */
        private boolean isContradicted(Chunks allocated) {
            return isComparedOnTheWay()
                    && driver.heard(id).changed() != null
                    && !before.content()
                            .notZero(now.capacity())
                            .without(allocated)
                            .without(driver.heard(id).changed().widened(alignment))
                            .isEmpty();
        }

        private void checkBytes(Chunks read, PlainBytes content) {
            long bytes = number("readBytes");
            if (snapshots == 1 && !mayReread) {
                equal("readBytes", bytes, read.bytes());
            } else {
                assertThat(bytes).as("read bytes of disk " + id).isBetween(read.bytes(), snapshots * now.capacity());
            }
            long differing = (before == null
                            ? content.notZero(now.capacity())
                            : content.differing(before.content(), now.capacity()))
                    .bytes();
            if (!mayReread) {
                equal("changedBytes", number("changedBytes"), differing);
            }
        }

        /** What is to be compared of all that was not called changed. */
        private Chunks audited(Chunks changed) {
            JsonNode audit = told.get("audit");
            Chunks universe = new Chunks(now.capacity());
            if (request.audit() == AuditMode.NONE) {
                equal("audit", audit.isNull(), true);
            } else if (stripes() == 0) {
                universe = all;
                equal("stripe", audit.get("stripe").isNull(), true);
            } else {
                // The first with so many stripes draws the seed; from then on they come in turn.
                JsonNode state = told.get("auditState");
                JsonNode last = before(parent.manifest()).get("auditState");
                boolean goesOn = !last.isNull() && last.get("stripes").intValue() == stripes();
                int stripe = goesOn ? last.get("next").intValue() : 0;
                equal("stripe", audit.get("stripe").intValue(), stripe);
                equal("next stripe", state.get("next").intValue(), (stripe + 1) % stripes());
                if (goesOn) {
                    equal("seed", state.get("seed"), last.get("seed"));
                }
                long chunks = (now.capacity() + PlainBytes.BLOCK - 1) / PlainBytes.BLOCK;
                long seed = Long.parseUnsignedLong(state.get("seed").textValue(), 16);
                universe = Chunks.of(
                        new AuditStripes(seed, stripes(), chunks, RUN / PlainBytes.BLOCK).stripe(stripe),
                        now.capacity());
            }
            return universe.without(changed);
        }

        /** Whether what is compared is not what the parent has; what is not allocated counts as zero. */
        private boolean isMismatch(Chunks audited, Chunks allocated) {
            return !audited.isEmpty()
                    && !now.content()
                            .only(allocated)
                            .differing(before.content(), now.capacity())
                            .and(audited)
                            .isEmpty();
        }

        /** What differs from the parent although it was not called changed. */
        private Chunks lies(PlainBytes content, Chunks changed) {
            return content.differing(before.content(), now.capacity()).without(changed);
        }

        private void checkAudited(Chunks audited, boolean mismatch, Chunks lies) {
            JsonNode audit = told.get("audit");
            long compared = audit.get("comparedBytes").longValue();
            if (mayReread || mismatch) {
                assertThat(compared).as("compared bytes of disk " + id).isLessThanOrEqualTo(audited.bytes());
            } else {
                equal("comparedBytes", compared, audited.bytes());
            }
            Chunks mismatches = new Chunks(now.capacity());
            for (JsonNode extent : audit.get("mismatches")) {
                long offset = extent.get("offset").longValue();
                mismatches.addRange(offset, offset + extent.get("length").longValue());
            }
            equal("mismatches", mismatches, lies);
        }

        /** How many stripes an audit by this request is to have; 0 where it takes everything or nothing. */
        private int stripes() {
            return request.audit() == AuditMode.SAMPLE ? (int) Math.ceil(1 / request.auditShare() - 1e-6) : 0;
        }

        private JsonNode before(JsonNode manifest) {
            for (JsonNode disk : manifest.get("disks")) {
                if (disk.get("id").textValue().equals(id)) {
                    return disk;
                }
            }
            throw new AssertionError("no disk " + id);
        }

        private int stripes(boolean audits) {
            int expected = audits && stripes() > 0 ? stripes() : before == null ? 0 : before.stripes();
            JsonNode state = told.get("auditState");
            equal("stripes", state.isNull() ? 0 : state.get("stripes").intValue(), expected);
            return expected;
        }

        private int covered(boolean counts, boolean proven) {
            if (proven) {
                return 0;
            }
            if (before == null) {
                return 0;
            }
            return !counts || stripes() == 0
                    ? before.covered()
                    : Math.min(stripes(), (stripes() == before.stripes() ? before.covered() : 0) + 1);
        }

        private String text(String field) {
            return told.get(field).textValue();
        }

        private long number(String field) {
            return told.get(field).longValue();
        }

        private void equal(String what, Object actual, Object expected) {
            assertThat(actual).as(what + " of disk " + id).isEqualTo(expected);
        }
    }
}
