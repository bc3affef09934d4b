package io.genievm.core.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * A second reader of the format, written from {@code docs/format} alone and without any class of the core, so that tests
 * have something to compare with. It reads whole repositories only, and reads all of them into memory; it does not check
 * or decompress anything.
 */
public final class PlainRepository {
    private final int chunkSize;
    private final List<PlainSegment> segments = new ArrayList<>();
    private final Map<String, List<PlainSegment>> copies = new TreeMap<>();
    private final Map<String, byte[]> pages = new TreeMap<>();
    private final List<PlainDisk> disks = new ArrayList<>();
    private final Map<String, Integer> indexed = new TreeMap<>();

    public PlainRepository(Map<String, byte[]> objects) {
        this.chunkSize = json(objects.get("repository.json")).get("chunkSize").intValue();
        objects.forEach((key, bytes) -> {
            if (key.startsWith("packs/")) {
                readPack(key, bytes);
            } else if (key.startsWith("index/")) {
                readTable(bytes);
            }
        });
        objects.forEach((key, bytes) -> {
            if (key.startsWith("points/") && bytes.length > 0) {
                readPoint(key, json(bytes));
            }
        });
    }

    /** A segment of a pack. */
    public record PlainSegment(String pack, int number, int offset, int length, int type, int header, List<String> ids)
            implements Comparable<PlainSegment> {
        public int end() {
            return offset + length;
        }

        @Override
        public int compareTo(PlainSegment other) {
            return Comparator.comparing(PlainSegment::pack)
                    .thenComparing(PlainSegment::offset)
                    .compare(this, other);
        }
    }

    /** A disk of a point, with the ids of its chunks; {@code null} for a chunk of zeroes. */
    public record PlainDisk(
            String point,
            String pointKey,
            String vm,
            String disk,
            long capacity,
            int height,
            String root,
            String[] chunks) {}

    public int chunkSize() {
        return chunkSize;
    }

    public List<PlainSegment> segments() {
        return segments;
    }

    public List<PlainSegment> segments(String pack) {
        return segments.stream().filter(segment -> segment.pack.equals(pack)).toList();
    }

    /** The packs that index tables name, with the lengths that they tell. */
    public Map<String, Integer> indexed() {
        return indexed;
    }

    public List<PlainDisk> disks() {
        return disks;
    }

    /** Which bytes of a disk can not be had without some segments, one bit for each chunk. */
    public BitSet lost(PlainDisk disk, Set<PlainSegment> bad) {
        BitSet lost = new BitSet();
        if (disk.root != null) {
            lose(disk, disk.root, disk.height - 1, 0, bad, lost);
        }
        return lost;
    }

    private void lose(PlainDisk disk, String id, int level, int number, Set<PlainSegment> bad, BitSet lost) {
        int span = (int) Math.pow(1024, level);
        int first = number * 1024 * span;
        if (bad.containsAll(copies.get(id))) {
            lost.set(first, Math.min(first + 1024 * span, disk.chunks.length));
            return;
        }
        String[] entries = entries(pages.get(id));
        for (int entry = 0; entry < 1024; entry++) {
            if (entries[entry] == null) {
                continue;
            }
            if (level > 0) {
                lose(disk, entries[entry], level - 1, number * 1024 + entry, bad, lost);
            } else if (bad.containsAll(copies.get(entries[entry]))) {
                lost.set(first + entry);
            }
        }
    }

    /**
     * Bytes of packs that no point needs, where nothing is stored twice: packs of which nothing is needed as a whole, of others
     * the segments.
     */
    public long unneededBytes(Map<String, byte[]> objects) {
        Set<String> needed = new TreeSet<>();
        for (PlainDisk disk : disks) {
            if (disk.root != null) {
                need(disk.root, disk.height - 1, needed);
            }
        }
        long bytes = 0;
        for (String pack : objects.keySet()) {
            if (pack.startsWith("packs/")) {
                List<PlainSegment> unneeded = segments(pack).stream()
                        .filter(segment -> segment.ids.stream().noneMatch(needed::contains))
                        .toList();
                bytes += unneeded.size() == segments(pack).size()
                        ? objects.get(pack).length
                        : unneeded.stream().mapToLong(PlainSegment::length).sum();
            }
        }
        return bytes;
    }

    /** How many ids stand in more than one segment. */
    public long storedTwice() {
        return copies.values().stream().filter(segments -> segments.size() > 1).count();
    }

    private void need(String id, int level, Set<String> needed) {
        needed.add(id);
        for (String entry : entries(pages.get(id))) {
            if (entry != null) {
                if (level > 0) {
                    need(entry, level - 1, needed);
                } else {
                    needed.add(entry);
                }
            }
        }
    }

    private void readPack(String key, byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        int at = buffer.getInt(12);
        for (int number = 0; buffer.getInt(at) == 0x47534547; number++) {
            int type = buffer.get(at + 4);
            int count = buffer.getShort(at + 6) & 0xffff;
            int stored = buffer.getInt(at + 12);
            int header = 28 + 36 * count;
            List<String> ids = new ArrayList<>();
            int payload = at + header;
            for (int entry = 0; entry < count; entry++) {
                String id = HexFormat.of().formatHex(bytes, at + 24 + 36 * entry, at + 24 + 36 * entry + 32);
                int length = buffer.getInt(at + 24 + 36 * entry + 32);
                ids.add(id);
                if (type == 2) {
                    byte[] page = new byte[length];
                    buffer.get(payload, page);
                    pages.put(id, page);
                    payload += length;
                }
            }
            PlainSegment segment = new PlainSegment(key, number, at, header + stored, type, header, ids);
            segments.add(segment);
            ids.forEach(
                    id -> copies.computeIfAbsent(id, any -> new ArrayList<>()).add(segment));
            at += header + stored;
        }
    }

    private void readTable(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        int packs = buffer.getInt(12);
        for (int at = 64; at < 64 + 24 * packs; at += 24) {
            String session = HexFormat.of().formatHex(bytes, at, at + 16);
            int number = buffer.getInt(at + 16);
            String key = "packs/%02x/%s-%08x".formatted((bytes[at] + number) & 0xff, session, number);
            indexed.put(key, buffer.getInt(at + 20));
        }
    }

    private void readPoint(String key, JsonNode manifest) {
        for (JsonNode disk : manifest.get("disks")) {
            long capacity = disk.get("capacity").longValue();
            JsonNode root = disk.get("map").get("root");
            int height = disk.get("map").get("height").intValue();
            String[] chunks = new String[(int) ((capacity + chunkSize - 1) / chunkSize)];
            String rootId = root.isNull() ? null : root.textValue();
            if (rootId != null) {
                fill(rootId, height - 1, 0, chunks);
            }
            disks.add(new PlainDisk(
                    manifest.get("point").textValue(),
                    key,
                    manifest.get("vm").textValue(),
                    disk.get("id").textValue(),
                    capacity,
                    height,
                    rootId,
                    chunks));
        }
    }

    private void fill(String id, int level, int number, String[] chunks) {
        String[] entries = entries(pages.get(id));
        for (int entry = 0; entry < 1024; entry++) {
            if (entries[entry] != null) {
                if (level == 0) {
                    chunks[number * 1024 + entry] = entries[entry];
                } else {
                    fill(entries[entry], level - 1, number * 1024 + entry, chunks);
                }
            }
        }
    }

    private static String[] entries(byte[] page) {
        String[] entries = new String[1024];
        int at = 4 + 128;
        for (int entry = 0; entry < 1024; entry++) {
            if ((page[4 + entry / 8] >> entry % 8 & 1) != 0) {
                entries[entry] = HexFormat.of().formatHex(page, at, at + 32);
                at += 32;
            }
        }
        return entries;
    }

    /** All ids that stand somewhere in packs. */
    public Set<String> ids() {
        return new TreeSet<>(copies.keySet());
    }

    /** The object of a document, without looking at its last line. */
    public static JsonNode json(byte[] document) {
        String text = new String(document, StandardCharsets.UTF_8);
        try {
            return new ObjectMapper().readTree(text.substring(0, text.lastIndexOf("genievm ")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Puts the last line under a JSON text. */
    public static byte[] document(String kind, String json) {
        return sealed(kind, (json + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Puts the last line under bytes that end in a line feed. */
    public static byte[] sealed(String kind, byte[] body) {
        CRC32C crc = new CRC32C();
        crc.update(body);
        byte[] last = "genievm %s %d %08x\n"
                .formatted(kind, body.length, crc.getValue())
                .getBytes(StandardCharsets.US_ASCII);
        byte[] document = Arrays.copyOf(body, body.length + last.length);
        System.arraycopy(last, 0, document, body.length, last.length);
        return document;
    }
}
