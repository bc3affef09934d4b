package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.core.RestoreReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A backup that becomes a guest again. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class KvmRestoreIT {
    @TempDir
    private Path folder;

    @Test
    void theNewestPointBecomesAGuestThatHasTheNewestFile(KvmLab lab) throws Exception {
        byte[] newest = new byte[1_000_003];
        new Random(1).nextBytes(newest);
        try (Guest guest = lab.guest().usual().network().start();
                Protection protection = Protection.create(
                        folder.resolve("repository"), guest.name(), Protection.config(lab.newFolder("scratch")))) {
            guest.writeFile("/mnt/vda/newest", new byte[1000]);
            protection.backup(request -> {});
            guest.writeFile("/mnt/vda/newest", newest);
            String sum = guest.sha256("/mnt/vda/newest");
            protection.backup(request -> {});
            String original = KvmLab.virsh("dumpxml", guest.name());
            // What is restored may have the same ports and files for its console.
            guest.destroy();

            RestoreReport report = protection.restoreToNewVm(
                    lab.newName(), Map.of("folder", lab.newFolder("restored").toString()));

            assertThat(report.vm()).isNotNull();
            String name = Objects.requireNonNull(report.vm()).value();
            try {
                String xml = KvmLab.virsh("dumpxml", name);
                for (String identity :
                        new String[] {"<name>(.+)</name>", "<uuid>(.+)</uuid>", "<mac address='(.+)'/>"}) {
                    assertThat(first(identity, xml)).as(identity).isNotEqualTo(first(identity, original));
                }
                assertThat(images(name).keySet()).containsExactly("vda", "vdb", "vdc");
                assertThat(images(name).values())
                        .doesNotContainAnyElementsOf(guest.disks().stream()
                                .map(disk -> disk.source().toString())
                                .toList());
                assertThat(whatIsWrong(lab, name, sum)).isEmpty();
                Programs.run(
                        "qemu-io",
                        "-c",
                        "write -z 0 96M",
                        Objects.requireNonNull(images(name).get("vda")));
                assertThat(whatIsWrong(lab, name, sum)).contains("newest", "e2fsck");
            } finally {
                KvmLab.virshAttempt("destroy", name);
                KvmContractIT.removeDomain(name);
            }
        }
    }

    /** Starts a restored guest, looks for the file, stops the guest, and checks the file system. */
    private String whatIsWrong(KvmLab lab, String name, String sum) throws Exception {
        StringBuilder wrong = new StringBuilder();
        Guest restored = lab.existing(name);
        restored.startWithAgentOnly();
        String found = restored.agentExec("sha256sum /mnt/vda/newest").output();
        if (!found.startsWith(sum)) {
            wrong.append("newest: ").append(found);
        }
        if (!restored.agentExec("cat /mnt/vda/known.txt").output().equals("known\n")) {
            wrong.append("known.txt\n");
        }
        restored.agentExec("umount /mnt/vda; sync");
        KvmLab.virsh("destroy", name);
        Path raw = folder.resolve("vda.raw");
        Files.deleteIfExists(raw);
        Programs.run(
                "qemu-img",
                "convert",
                "-O",
                "raw",
                Objects.requireNonNull(images(name).get("vda")),
                raw.toString());
        Programs.Result check = Programs.attempt(Duration.ofMinutes(1), "e2fsck", "-fn", raw.toString());
        if (check.status() != 0) {
            wrong.append("e2fsck: ").append(check.output());
        }
        return wrong.toString();
    }

    /** The images of a domain's disks. */
    private static Map<String, String> images(String name) {
        Map<String, String> images = new TreeMap<>();
        for (String line : KvmLab.virsh("domblklist", name, "--details").split("\n")) {
            String[] words = line.strip().split("\\s+");
            if (words.length == 4 && words[1].equals("disk")) {
                images.put(words[2], words[3]);
            }
        }
        return images;
    }

    private static String first(String pattern, String text) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        assertThat(matcher.find()).as("%s in %s", pattern, text).isTrue();
        return matcher.group(1);
    }
}
