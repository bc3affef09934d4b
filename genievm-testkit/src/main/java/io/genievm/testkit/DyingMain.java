package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * What a {@link DyingProcess} does until it is killed. It is told through standard input, where no other process sees
 * secrets of a configuration, and ends when that ends, so that it does not outlive who has started it.
 */
final class DyingMain {
    private static final int WRITERS = 4;

    private DyingMain() {}

    public static void main(String... arguments) throws Exception {
        DataInputStream input = new DataInputStream(System.in);
        String what = input.readUTF();
        Object provider = Class.forName(input.readUTF()).getConstructor().newInstance();
        String address = input.readUTF();
        Map<String, String> options = map(input);
        if (what.equals("put")) {
            BlobStoreConfig place = BlobStoreConfig.of(address, options);
            BlobStore store = ((BlobStoreProvider) provider).open(place);
            String folder = input.readUTF();
            for (int i = 0; i < WRITERS; i++) {
                int writer = i;
                new Thread(() -> putAndDelete(store, folder + writer + "/")).start();
            }
        } else {
            HypervisorConnection connection =
                    ((HypervisorProvider) provider).open(HypervisorConfig.of(address, options));
            VmId vm = new VmId(input.readUTF());
            SnapshotRequest.Builder request = SnapshotRequest.builder(
                            new RepositoryId(input.readUTF()), new SessionId(input.readUTF()))
                    .endedSessions(session -> true);
            Map<DiskId, ChangeToken> parents = new HashMap<>();
            map(input).forEach((disk, token) -> parents.put(new DiskId(disk), new ChangeToken(token)));
            VmSnapshot snapshot =
                    connection.beginSnapshot(vm, request.parentTokens(parents).build());
            for (SnapshotDisk disk : snapshot.disks()) {
                if (disk.capacity() > 0) {
                    Disks.readFirst(disk.openReader(), disk);
                }
            }
            say("open");
        }
        while (input.read() >= 0) {
            // Only the end matters.
        }
        Runtime.getRuntime().halt(1);
    }

    private static void putAndDelete(BlobStore store, String folder) {
        for (int i = 0; ; i++) {
            String key = folder + i;
            PutOutcome outcome = store.put(key, BlobContent.of(StoreBytes.of(key, StoreBytes.length(key))));
            say(outcome + " " + key);
            if (i % 3 == 2) {
                String old = folder + (i - 1);
                say("deleting " + old);
                store.delete(old);
                say("deleted " + old);
            }
        }
    }

    private static Map<String, String> map(DataInputStream input) throws IOException {
        Map<String, String> map = new HashMap<>();
        for (int left = input.readInt(); left > 0; left--) {
            map.put(input.readUTF(), input.readUTF());
        }
        return map;
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
