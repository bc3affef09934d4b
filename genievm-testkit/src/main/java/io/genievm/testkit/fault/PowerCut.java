package io.genievm.testkit.fault;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Chooses one of the states that a disk may have after some changes. For one use. */
final class PowerCut {
    private static final int BLOCK = 4096;

    private final List<Change> record;
    private final Random random;
    private final double keptNames;
    private final double keptData;
    private final Map<Node.Folder, Names> folders = new LinkedHashMap<>();
    private final Map<Node.File, Data> files = new HashMap<>();
    private final Set<Change.Named> kept = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Map<Node.File, Node.File> copied = new HashMap<>();
    private final Set<Node.Folder> visited = new HashSet<>();

    PowerCut(List<Change> record, Random random) {
        this.record = record;
        this.random = random;
        // The extremes find most faults, and even odds for each of many changes never come near them.
        this.keptNames = odds();
        this.keptData = odds();
    }

    private double odds() {
        return switch (random.nextInt(4)) {
            case 0 -> 0;
            case 1 -> 1;
            default -> random.nextDouble();
        };
    }

    /** Gives the disk with what is left of the record and what was there before it. */
    Disk apply(Disk.Origin origin, long seed) {
        for (Change change : record) {
            if (change instanceof Change.Written written) {
                data(origin, written.file()).pending.add(written);
            } else if (change instanceof Change.Cut cut) {
                data(origin, cut.file()).pending.add(cut);
            } else if (change instanceof Change.Named named) {
                names(origin, named.folder()).pending(named.name()).add(named);
            } else if (change instanceof Change.Unnamed unnamed) {
                names(origin, unnamed.folder()).pending(unnamed.name()).add(unnamed);
            } else if (change instanceof Change.ForceFailed failed) {
                data(origin, failed.file()).lose();
            } else if (change instanceof Change.Forced forced && forced.node() instanceof Node.File file) {
                data(origin, file).force();
            } else if (change instanceof Change.Forced forced && forced.node() instanceof Node.Folder folder) {
                names(origin, folder).force();
            }
        }
        chooseNames();
        Disk disk = new Disk(seed);
        copy(origin, origin.root(), disk, disk.root());
        return disk.settled();
    }

    private Names names(Disk.Origin origin, Node.Folder folder) {
        return folders.computeIfAbsent(folder, key -> new Names(origin.entries(key)));
    }

    private Data data(Disk.Origin origin, Node.File file) {
        return files.computeIfAbsent(file, key -> new Data(origin.content(key)));
    }

    /** Draws how many of the changes to each name are there, and takes back what no name may be without. */
    private void chooseNames() {
        for (Names names : folders.values()) {
            names.pending.forEach((name, changes) -> names.chosen.put(name, count(changes.size())));
        }
        boolean again = true;
        while (again) {
            kept.clear();
            folders.values()
                    .forEach(names -> names.forEachChosen(change -> {
                        if (change instanceof Change.Named named) {
                            kept.add(named);
                        }
                    }));
            again = folders.values().stream().filter(this::takeBack).count() > 0;
        }
        folders.values().forEach(Names::settle);
    }

    /** Whether a move was taken back, as the file is not where it went. */
    private boolean takeBack(Names names) {
        boolean any = false;
        for (Map.Entry<String, List<Change>> each : names.pending.entrySet()) {
            List<Change> changes = each.getValue();
            int chosen = Objects.requireNonNull(names.chosen.get(each.getKey()));
            for (int i = 0; i < chosen; i++) {
                if (changes.get(i) instanceof Change.Unnamed unnamed
                        && unnamed.movedTo() != null
                        && isPending(unnamed.movedTo())
                        && !kept.contains(unnamed.movedTo())) {
                    names.chosen.put(each.getKey(), i);
                    any = true;
                    break;
                }
            }
        }
        return any;
    }

    private boolean isPending(Change.Named named) {
        Names names = folders.get(named.folder());
        return names != null && names.indexOf(named) >= 0;
    }

    /** How many of some changes in a row are there. */
    private int count(int changes) {
        return random.nextDouble() < keptNames ? changes : keptNames == 0 ? 0 : random.nextInt(changes + 1);
    }

    private void copy(Disk.Origin origin, Node.Folder from, Disk disk, Node.Folder to) {
        visited.add(from);
        names(origin, from).entries.forEach((name, node) -> {
            if (node instanceof Node.Folder folder) {
                // One that was moved within its folder may have both names; it is in one place.
                if (!visited.contains(folder)) {
                    copy(origin, folder, disk, disk.addFolder(to, name));
                }
            } else if (node instanceof Node.File file) {
                Node.File copy = copied.get(file);
                if (copy == null) {
                    copied.put(file, disk.addFile(to, name, data(origin, file).settle()));
                } else {
                    disk.addName(to, name, copy);
                }
            }
        });
    }

    /** A folder: what is durable, and the changes since, by name. */
    private final class Names {
        private final Map<String, Node> entries;
        private final Map<String, List<Change>> pending = new LinkedHashMap<>();
        private final Map<String, Integer> chosen = new HashMap<>();

        Names(Map<String, Node> durable) {
            this.entries = new LinkedHashMap<>(durable);
        }

        List<Change> pending(String name) {
            return pending.computeIfAbsent(name, key -> new ArrayList<>());
        }

        /** Where a change is among those of its name; others may say the same. */
        int indexOf(Change.Named change) {
            List<Change> changes = pending(change.name());
            for (int i = 0; i < changes.size(); i++) {
                if (changes.get(i) == change) {
                    return i;
                }
            }
            return -1;
        }

        void force() {
            pending.values().forEach(changes -> changes.forEach(this::apply));
            // What was moved away is durable where it went: all that befell that name so far.
            List<Change> moved = pending.values().stream().flatMap(List::stream).toList();
            pending.clear();
            for (Change change : moved) {
                Change.Named to = change instanceof Change.Unnamed unnamed ? unnamed.movedTo() : null;
                if (to != null && isPending(to)) {
                    Objects.requireNonNull(folders.get(to.folder())).forceUntil(to);
                }
            }
        }

        private void forceUntil(Change.Named last) {
            List<Change> changes = pending(last.name());
            List<Change> durable = changes.subList(0, indexOf(last) + 1);
            durable.forEach(this::apply);
            durable.clear();
        }

        void forEachChosen(Consumer<Change> action) {
            pending.forEach((name, changes) ->
                    changes.subList(0, Objects.requireNonNull(chosen.get(name))).forEach(action));
        }

        void settle() {
            forEachChosen(this::apply);
        }

        private void apply(Change change) {
            if (change instanceof Change.Named named) {
                entries.put(named.name(), named.node());
            } else if (change instanceof Change.Unnamed unnamed) {
                entries.remove(unnamed.name());
            }
        }
    }

    /** A file: what is durable, and the changes since. */
    private final class Data {
        private byte[] durable;
        private final List<Change> pending = new ArrayList<>();
        private byte @Nullable [] settled;

        Data(byte[] durable) {
            this.durable = durable;
        }

        void force() {
            if (!pending.isEmpty()) {
                durable = applyAll();
                pending.clear();
            }
        }

        /** What was to be written is there or not; nobody will write it again. */
        void lose() {
            if (!pending.isEmpty()) {
                durable = tear();
                pending.clear();
            }
        }

        byte[] settle() {
            if (settled == null) {
                settled = pending.isEmpty() ? durable : tear();
            }
            return settled;
        }

        private byte[] applyAll() {
            Node.File file = new Node.File(0, durable.clone());
            for (Change change : pending) {
                if (change instanceof Change.Written written) {
                    file.write(written.offset(), written.bytes());
                } else if (change instanceof Change.Cut cut) {
                    file.cut(cut.size());
                }
            }
            return file.content();
        }

        private byte[] tear() {
            if (keptData == 1) {
                return applyAll();
            }
            byte[] content = Arrays.copyOf(durable, chooseSize());
            List<Piece> pieces = new ArrayList<>();
            for (Change change : pending) {
                if (change instanceof Change.Written written) {
                    addPieces(written, pieces);
                } else if (change instanceof Change.Cut cut && random.nextDouble() < keptData) {
                    pieces.add(new Piece(cut.size(), new byte[Math.max(0, durable.length - cut.size())], 0, -1));
                }
            }
            Collections.shuffle(pieces, random);
            pieces.forEach(piece -> piece.copyTo(content));
            return content;
        }

        /** The length is written apart from what it is the length of, and grows block by block. */
        private int chooseSize() {
            int size = durable.length;
            List<Integer> sizes = new ArrayList<>();
            sizes.add(size);
            for (Change change : pending) {
                if (change instanceof Change.Written written) {
                    int grown = Math.max(size, written.offset() + written.bytes().length);
                    if (grown > size && random.nextInt(4) == 0) {
                        sizes.add(size + random.nextInt(grown - size));
                    }
                    size = grown;
                } else if (change instanceof Change.Cut cut) {
                    size = cut.size();
                }
                sizes.add(size);
            }
            return random.nextInt(3) == 0 ? sizes.get(random.nextInt(sizes.size())) : size;
        }

        private void addPieces(Change.Written written, List<Piece> pieces) {
            int start = written.offset();
            int end = start + written.bytes().length;
            for (int at = start; at < end; ) {
                int next = Math.min(end, (at / BLOCK + 1) * BLOCK);
                if (random.nextDouble() < keptData) {
                    boolean torn = random.nextInt(8) == 0;
                    int from = torn && random.nextBoolean() ? at + random.nextInt(next - at) : at;
                    int to = torn && from == at ? at + random.nextInt(next - at) : next;
                    pieces.add(new Piece(from, written.bytes(), from - start, to - start));
                }
                at = next;
            }
        }
    }

    /** Part of what was written; the end -1 stands for all. */
    private record Piece(int offset, byte[] bytes, int from, int to) {
        void copyTo(byte[] content) {
            int end = to < 0 ? bytes.length : to;
            int count = Math.min(end - from, content.length - offset);
            if (count > 0) {
                System.arraycopy(bytes, from, content, offset, count);
            }
        }
    }
}
