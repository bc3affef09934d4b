package io.genievm.storage.internal.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What tells that a file was written, cut, grown or replaced between two looks at it. */
final class FileState {
    private static final String ATTRIBUTES = "unix:size,lastModifiedTime,ctime,ino,dev";
    private static final String ATTRIBUTES_ELSEWHERE = "size,lastModifiedTime,creationTime";
    private static final Map<String, String> WORDS = Map.of(
            "size", "size",
            "lastModifiedTime", "modification time",
            "ctime", "change time",
            "ino", "inode",
            "dev", "device",
            "creationTime", "creation time");

    private final SortedMap<String, Object> values;

    private FileState(Map<String, Object> values) {
        this.values = new TreeMap<>(values);
    }

    static FileState of(Path file) throws IOException {
        boolean unix = file.getFileSystem().supportedFileAttributeViews().contains("unix");
        String attributes = unix ? ATTRIBUTES : ATTRIBUTES_ELSEWHERE;
        return new FileState(Files.readAttributes(file, attributes, LinkOption.NOFOLLOW_LINKS));
    }

    long size() {
        return (Long) Objects.requireNonNull(values.get("size"));
    }

    /** Says whether the file was written at that moment or later. */
    boolean isAsYoungAs(Instant moment) {
        FileTime last = (FileTime) Objects.requireNonNull(values.getOrDefault("ctime", values.get("lastModifiedTime")));
        return !last.toInstant().isBefore(moment);
    }

    /** Says what is different in a later state, if anything is. */
    Optional<String> difference(FileState later) {
        String names = values.keySet().stream()
                .filter(name -> !Objects.equals(values.get(name), later.values.get(name)))
                .map(name -> WORDS.getOrDefault(name, name))
                .collect(Collectors.joining(", "));
        return names.isEmpty() ? Optional.empty() : Optional.of("different are its " + names);
    }
}
