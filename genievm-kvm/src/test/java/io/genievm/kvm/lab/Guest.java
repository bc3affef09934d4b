package io.genievm.kvm.lab;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One domain with disks of its own. Closing it leaves nothing behind. */
public final class Guest implements AutoCloseable {
    static final String COMMANDS = "io.genievm.commands";
    static final String BEAT = "io.genievm.beat";

    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final int BLOCK = 64 << 10;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String name;
    private final Path folder;
    private final SortedMap<String, GuestDisk> disks = new TreeMap<>();
    private final boolean agent;
    private @Nullable GuestPort commands;
    private @Nullable Heartbeat heartbeat;

    Guest(String name, Path folder, List<GuestDisk> disks, boolean agent) {
        this.name = name;
        this.folder = folder;
        this.agent = agent;
        disks.forEach(disk -> this.disks.put(disk.target(), disk));
    }

    void define(String xml) {
        try {
            Path file = folder.resolve("domain.xml");
            Files.writeString(file, xml);
            KvmLab.virsh("define", file.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The name of the domain. */
    public String name() {
        return name;
    }

    /** Where its files are. */
    public Path folder() {
        return folder;
    }

    /** Its disks, CD-ROM drives not among them. */
    public List<GuestDisk> disks() {
        return List.copyOf(disks.values());
    }

    /** One disk. */
    public GuestDisk disk(String target) {
        GuestDisk disk = disks.get(target);
        if (disk == null) {
            throw new IllegalArgumentException("no disk " + target);
        }
        return disk;
    }

    // ---- life

    /** Starts it; it is ready when this returns. */
    public void start() {
        KvmLab.virsh("start", name);
        awaitReady();
    }

    /** Starts one that others have made, which is known by its agent alone. */
    public void startWithAgentOnly() {
        KvmLab.virsh("start", name);
        awaitAgent(System.nanoTime() + Duration.ofMinutes(2).toNanos());
    }

    private void awaitReady() {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (commands == null) {
            GuestPort port = null;
            try {
                port = new GuestPort(folder.resolve(COMMANDS));
                port.send("ping\n".getBytes(StandardCharsets.UTF_8), LIMIT);
                if (!port.readLine(Duration.ofNanos(end - System.nanoTime())).equals("pong")) {
                    throw new IllegalStateException("guest " + name + " does not speak as it should");
                }
                commands = port;
            } catch (IOException e) {
                if (port != null) {
                    port.close();
                }
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("guest " + name + " is not ready: " + console(), e);
                }
                pause();
            }
        }
        if (agent) {
            awaitAgent(end);
        }
    }

    private void awaitAgent(long end) {
        while (virshAgent("{\"execute\":\"guest-ping\"}").status() != 0) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the agent of guest " + name + " does not answer: " + console());
            }
            pause();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** What its kernel has said. */
    public String console() {
        try {
            Path console = folder.resolve("console.log");
            return Files.exists(console) ? Files.readString(console, StandardCharsets.ISO_8859_1) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Pulls the plug. */
    public void destroy() {
        KvmLab.virsh("destroy", name);
        disconnect();
    }

    /** Unmounts all file systems, stops the guest, and waits until it has stopped. */
    public void powerOff() {
        exec("for place in /mnt/*; do umount \"$place\" || exit 1; done; sync");
        exec("(sleep 0.2; poweroff -f) >/dev/null 2>&1 &");
        awaitShutOff();
    }

    /** Kills QEMU as it is. */
    public void kill9() {
        ProcessHandle qemu = process();
        qemu.destroyForcibly();
        qemu.onExit().join();
        awaitShutOff();
    }

    private void awaitShutOff() {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!state().startsWith("shut off")) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("guest " + name + " is " + state());
            }
            pause();
        }
        disconnect();
    }

    private void disconnect() {
        if (commands != null) {
            commands.close();
            commands = null;
        }
        stopBeating();
    }

    /** The process of QEMU. */
    public ProcessHandle process() {
        try {
            String pid = Files.readString(Path.of("/run/libvirt/qemu", name + ".pid"));
            return ProcessHandle.of(Long.parseLong(pid.strip()))
                    .orElseThrow(() -> new IllegalStateException("guest " + name + " has no process"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The state with its reason, as {@code running (booted)}. */
    public String state() {
        return KvmLab.virsh("domstate", "--reason", name);
    }

    /** Says whether it is paused, for whatever reason. */
    public boolean isPaused() {
        return state().startsWith("paused");
    }

    /** Stops its CPU. */
    public void suspend() {
        KvmLab.virsh("suspend", name);
    }

    /** Lets it go on. */
    public void resume() {
        KvmLab.virsh("resume", name);
    }

    // ---- inside

    /** Runs a shell script in the guest; its exit status is in the result. */
    public synchronized Programs.Result exec(String script) {
        return exec(script, LIMIT);
    }

    /** Runs a shell script in the guest. A guest that was once too slow gets no further commands. */
    public synchronized Programs.Result exec(String script, Duration limit) {
        byte[] bytes = script.getBytes(StandardCharsets.UTF_8);
        return command("run " + bytes.length, bytes, limit, port -> {
            String[] answer = port.readLine(limit).split(" ");
            return new Programs.Result(Integer.parseInt(answer[0]), port.read(Integer.parseInt(answer[1]), limit));
        });
    }

    /** Runs a shell script that must succeed, and gives what it printed. */
    public String run(String script) {
        Programs.Result result = exec(script);
        if (result.status() != 0) {
            throw new IllegalStateException("in guest " + name + ": " + script + " failed: " + result.output());
        }
        return result.output().strip();
    }

    /** Writes to a file of the guest, which is made if it is not there. It is durable when this returns. */
    public synchronized void writeFile(String path, byte[] bytes) {
        write(path, 0, bytes);
    }

    /** Writes to a disk that is not mounted, at any offset. It is durable when this returns. */
    public synchronized void writeAt(String target, long offset, byte[] bytes) {
        write("/dev/" + disk(target).target(), offset, bytes);
    }

    private void write(String path, long offset, byte[] bytes) {
        if (bytes.length == 0) {
            return;
        }
        String status = command(
                "write " + path + " " + offset + " " + bytes.length, bytes, LIMIT, port -> port.readLine(LIMIT));
        if (!status.equals("0")) {
            throw new IllegalStateException("guest " + name + " could not write " + path + ": " + status);
        }
    }

    private interface Answer<T> {
        T read(GuestPort port) throws IOException;
    }

    private <T> T command(String line, byte[] bytes, Duration limit, Answer<T> answer) {
        GuestPort port = commands;
        if (port == null) {
            throw new IllegalStateException("guest " + name + " does not run");
        }
        try {
            byte[] head = (line + "\n").getBytes(StandardCharsets.UTF_8);
            byte[] all = new byte[head.length + bytes.length];
            System.arraycopy(head, 0, all, 0, head.length);
            System.arraycopy(bytes, 0, all, head.length, bytes.length);
            port.send(all, limit);
            return answer.read(port);
        } catch (IOException e) {
            // The answer to this may come later, and is none to the next command.
            port.close();
            commands = null;
            throw new IllegalStateException("guest " + name + " (" + state() + "): " + line, e);
        }
    }

    /**
     * Makes a range of a disk that is not mounted read as zeroes: whole blocks by a discard, which leaves QCOW2 clusters
     * without data, and what is left at both ends by writing. A discard may do nothing, which QEMU makes use of while a
     * backup job runs: what still holds something is written as well.
     */
    public synchronized void discard(String target, long offset, long length) {
        long end = offset + length;
        long first = Math.min(end, (offset + BLOCK - 1) / BLOCK * BLOCK);
        long last = Math.max(first, end / BLOCK * BLOCK);
        writeAt(target, offset, new byte[(int) (first - offset)]);
        if (last > first) {
            String device = "/dev/" + disk(target).target();
            long blocks = (last - first) / BLOCK;
            run("""
                    blkdiscard -o %2$d -l %3$d %1$s || exit 1
                    left=$(dd if=%1$s iflag=direct,skip_bytes skip=%2$d bs=64k count=%4$d status=none | tr -d '\\0' | wc -c)
                    [ $left = 0 ] || dd if=/dev/zero of=%1$s oflag=seek_bytes seek=%2$d bs=64k count=%4$d conv=notrunc,fsync
                    """.formatted(device, first, last - first, blocks));
        }
        writeAt(target, last, new byte[(int) (end - last)]);
    }

    /** The bytes of a disk's range, as the guest reads them from the disk and not from its memory. */
    public String sha256(String path) {
        return run("echo 3 >/proc/sys/vm/drop_caches; sha256sum " + path).split(" ")[0];
    }

    /** Begins to write files in a folder without a pause: small and large ones, each of new random bytes and durable. */
    public void startWriting(String place) {
        run("rm -f /tmp/stop /tmp/stopped");
        background("""
                i=0
                while [ ! -e /tmp/stop ]; do
                    dd if=/dev/urandom of=%s/written-$((i %% 7)) bs=64k count=$((1 + i %% 11)) conv=fsync
                    i=$((i + 1))
                    echo $i >/tmp/written
                done
                touch /tmp/stopped
                """.formatted(place));
    }

    /** Ends what {@link #startWriting} began; gives how many files were written. */
    public int stopWriting() {
        return Integer.parseInt(
                run("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do usleep 20000; done; cat /tmp/written"));
    }

    /** Runs a shell script that goes on when this returns. */
    public void background(String script) {
        String file = "/tmp/background-" + System.nanoTime();
        writeFile(file, script.getBytes(StandardCharsets.UTF_8));
        run("setsid sh " + file + " >/dev/null 2>&1 </dev/null &");
    }

    /** Begins to listen to the guest writing to a mounted disk. */
    public Heartbeat beat(String target) {
        stopBeating();
        try {
            run("rm -f /tmp/beat.stop; [ -d /mnt/" + disk(target).target() + " ]");
            Heartbeat beat = new Heartbeat(new GuestPort(folder.resolve(BEAT)));
            heartbeat = beat;
            background("exec sh /beat /mnt/" + target + "/beat");
            beat.begin();
            beat.awaitBeat(Duration.ofSeconds(30));
            beat.restart();
            return beat;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private void stopBeating() {
        if (heartbeat != null) {
            if (commands != null) {
                run("touch /tmp/beat.stop");
            }
            heartbeat.close();
            heartbeat = null;
        }
    }

    /** Writes what the guest holds in memory. */
    public void sync() {
        run("sync");
    }

    // ---- the agent and QEMU

    private Programs.Result virshAgent(String json) {
        return KvmLab.virshAttempt("qemu-agent-command", name, json);
    }

    /** Asks the guest agent, which must answer. */
    public JsonNode agent(String json) {
        return json(KvmLab.virsh("qemu-agent-command", name, json)).get("return");
    }

    /** {@code thawed} or {@code frozen}. */
    public String freezeStatus() {
        return agent("{\"execute\":\"guest-fsfreeze-status\"}").asText();
    }

    /** Runs a shell script by the agent, as for a guest that was made by others. */
    public Programs.Result agentExec(String script) {
        ObjectNode command = JSON.createObjectNode().put("execute", "guest-exec");
        ObjectNode arguments =
                command.putObject("arguments").put("path", "/bin/sh").put("capture-output", true);
        arguments.putArray("arg").add("-c").add(script);
        int pid = agent(command.toString()).get("pid").asInt();
        long end = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            JsonNode status = agent("{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":" + pid + "}}");
            if (status.get("exited").asBoolean()) {
                StringBuilder output = new StringBuilder();
                for (String stream : List.of("out-data", "err-data")) {
                    byte[] bytes =
                            Base64.getDecoder().decode(status.path(stream).asText(""));
                    output.append(new String(bytes, StandardCharsets.UTF_8));
                }
                return new Programs.Result(status.path("exitcode").asInt(-1), output.toString());
            }
            if (System.nanoTime() > end) {
                throw new IllegalStateException("guest " + name + " does not end: " + script);
            }
            pause();
        }
    }

    /** Asks QEMU, which must answer. */
    public JsonNode qmp(String json) {
        JsonNode answer = json(KvmLab.virsh("qemu-monitor-command", name, json));
        if (answer.has("error")) {
            throw new IllegalStateException("QEMU of guest " + name + " refuses " + json + ": " + answer.get("error"));
        }
        return answer.get("return");
    }

    /** The dirty bitmaps of a disk as QEMU lists them, by name. */
    public Map<String, JsonNode> bitmaps(String target) {
        Map<String, JsonNode> bitmaps = new TreeMap<>();
        for (JsonNode bitmap : node(target).path("dirty-bitmaps")) {
            bitmaps.put(bitmap.path("name").asText(), bitmap);
        }
        return bitmaps;
    }

    /** Makes QEMU forget what a bitmap has recorded, which nobody else is told. */
    public void clearBitmap(String target, String bitmap) {
        bitmapCommand("block-dirty-bitmap-clear", target, bitmap);
    }

    /** Makes QEMU forget a bitmap, which nobody else is told. */
    public void removeBitmap(String target, String bitmap) {
        bitmapCommand("block-dirty-bitmap-remove", target, bitmap);
    }

    private void bitmapCommand(String command, String target, String bitmap) {
        ObjectNode request = JSON.createObjectNode().put("execute", command);
        request.putObject("arguments")
                .put("node", node(target).get("node-name").asText())
                .put("name", bitmap);
        qmp(request.toString());
    }

    private JsonNode node(String target) {
        String file = disk(target).source().toString();
        for (JsonNode node : qmp("{\"execute\":\"query-named-block-nodes\"}")) {
            // The node below has the same file, as "file" or "host_device".
            if (node.path("drv").asText().equals(disk(target).format())
                    && node.path("file").asText().equals(file)) {
                return node;
            }
        }
        throw new IllegalStateException("QEMU of guest " + name + " has no node for " + file);
    }

    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(text, e);
        }
    }

    /** Whether libvirt has a backup job for it. */
    public boolean hasBackupJob() {
        return KvmLab.virshAttempt("backup-dumpxml", name).status() == 0;
    }

    /** The names of the checkpoints that libvirt knows. */
    public List<String> checkpoints() {
        return KvmLab.virsh("checkpoint-list", name, "--name")
                .lines()
                .filter(line -> !line.isBlank())
                .toList();
    }

    // ---- what the disks hold

    /** Raw copies of all disks at one moment, at which a guest that runs stands still. */
    public SortedMap<String, Path> frozenReference(Path into) {
        boolean running = state().startsWith("running");
        if (running) {
            suspend();
        }
        try {
            return reference(into);
        } finally {
            if (running) {
                resume();
            }
        }
    }

    /** Raw copies of all disks of a guest that is stopped or stands still. */
    public SortedMap<String, Path> reference(Path into) {
        SortedMap<String, Path> copies = new TreeMap<>();
        for (GuestDisk disk : disks.values()) {
            Path copy = into.resolve(disk.target() + ".raw");
            // QEMU writes all that it holds when the guest is suspended; nobody writes then, so its lock is no matter.
            Programs.run(
                    "qemu-img",
                    "convert",
                    "-U",
                    "-f",
                    disk.format(),
                    "-O",
                    "raw",
                    disk.source().toString(),
                    copy.toString());
            copies.put(disk.target(), copy);
        }
        return copies;
    }

    /** Stops it, and removes it with everything that belongs to it. */
    @Override
    public void close() {
        disconnectQuietly();
        KvmLab.remove(name);
        try {
            for (GuestDisk disk : new ArrayList<>(disks.values())) {
                disk.discard();
            }
            KvmLab.deleteFolder(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void disconnectQuietly() {
        if (commands != null) {
            commands.close();
            commands = null;
        }
        disconnect();
    }
}
