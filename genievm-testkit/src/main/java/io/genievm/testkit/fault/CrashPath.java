package io.genievm.testkit.fault;

import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A path of a {@link CrashFileSystem}, of the form that UNIX has; relative ones begin in the root folder. Immutable. */
final class CrashPath implements Path {
    private final CrashFileSystem system;
    private final boolean absolute;
    private final List<String> names;

    private CrashPath(CrashFileSystem system, boolean absolute, List<String> names) {
        this.system = system;
        this.absolute = absolute;
        this.names = names;
    }

    static CrashPath parse(CrashFileSystem system, String first, String... more) {
        String text = more.length == 0 ? first : first + "/" + String.join("/", more);
        if (text.indexOf('\0') >= 0) {
            throw new InvalidPathException(text, "a path has no character 0");
        }
        List<String> names = new ArrayList<>(List.of(text.split("/")));
        names.removeIf(String::isEmpty);
        boolean absolute = text.startsWith("/");
        // The empty path has one name, which is empty.
        return new CrashPath(system, absolute, names.isEmpty() && !absolute ? List.of("") : List.copyOf(names));
    }

    /** What leads from the root folder to it. */
    List<String> names() {
        return isEmpty() ? List.of() : names;
    }

    /** The last name. */
    String name() {
        return names.isEmpty() ? "" : names.get(names.size() - 1);
    }

    private boolean isEmpty() {
        return !absolute && names.equals(List.of(""));
    }

    private CrashPath with(boolean isAbsolute, List<String> some) {
        return new CrashPath(system, isAbsolute, !isAbsolute && some.isEmpty() ? List.of("") : List.copyOf(some));
    }

    private static CrashPath own(Path path) {
        if (path instanceof CrashPath own) {
            return own;
        }
        throw new ProviderMismatchException();
    }

    @Override
    public FileSystem getFileSystem() {
        return system;
    }

    @Override
    public boolean isAbsolute() {
        return absolute;
    }

    @Override
    public @Nullable Path getRoot() {
        return absolute ? with(true, List.of()) : null;
    }

    @Override
    public @Nullable Path getFileName() {
        return names.isEmpty() ? null : with(false, List.of(name()));
    }

    @Override
    public @Nullable CrashPath getParent() {
        if (names.isEmpty() || names.size() == 1 && !absolute) {
            return null;
        }
        return with(absolute, names.subList(0, names.size() - 1));
    }

    @Override
    public int getNameCount() {
        return names.size();
    }

    @Override
    public Path getName(int index) {
        return subpath(index, index + 1);
    }

    @Override
    public Path subpath(int begin, int end) {
        if (begin < 0 || end > names.size() || begin >= end) {
            throw new IllegalArgumentException("no names from " + begin + " to " + end + " in " + this);
        }
        return with(false, names.subList(begin, end));
    }

    @Override
    public boolean startsWith(Path other) {
        return other instanceof CrashPath begin
                && begin.system == system
                && begin.absolute == absolute
                && begin.names.size() <= names.size()
                && names.subList(0, begin.names.size()).equals(begin.names);
    }

    @Override
    public boolean endsWith(Path other) {
        if (!(other instanceof CrashPath end) || end.system != system || end.names.size() > names.size()) {
            return false;
        }
        if (end.absolute) {
            return equals(end);
        }
        return names.subList(names.size() - end.names.size(), names.size()).equals(end.names);
    }

    @Override
    public Path normalize() {
        List<String> kept = new ArrayList<>();
        for (String name : names) {
            boolean up = name.equals("..");
            if (up && !kept.isEmpty() && !kept.get(kept.size() - 1).equals("..")) {
                kept.remove(kept.size() - 1);
            } else if (!name.equals(".") && !(up && absolute)) {
                kept.add(name);
            }
        }
        return with(absolute, kept);
    }

    @Override
    public Path resolve(Path other) {
        CrashPath end = own(other);
        if (end.absolute || isEmpty()) {
            return end;
        }
        if (end.isEmpty()) {
            return this;
        }
        List<String> all = new ArrayList<>(names);
        all.addAll(end.names);
        return with(absolute, all);
    }

    @Override
    public Path relativize(Path other) {
        CrashPath end = own(other);
        if (end.absolute != absolute) {
            throw new IllegalArgumentException("no way from " + this + " to " + other);
        }
        List<String> from = names();
        List<String> to = end.names();
        int same = 0;
        while (same < Math.min(from.size(), to.size()) && from.get(same).equals(to.get(same))) {
            same++;
        }
        List<String> way = new ArrayList<>(Collections.nCopies(from.size() - same, ".."));
        way.addAll(to.subList(same, to.size()));
        return with(false, way);
    }

    @Override
    public URI toUri() {
        throw new UnsupportedOperationException("a crash file system has no URI");
    }

    @Override
    public CrashPath toAbsolutePath() {
        return absolute ? this : with(true, names());
    }

    @Override
    public Path toRealPath(LinkOption... options) throws IOException {
        CrashPath real = own(toAbsolutePath().normalize());
        system.disk().look(real);
        return real;
    }

    @Override
    public WatchKey register(WatchService watcher, WatchEvent.Kind<?>[] events, WatchEvent.Modifier... modifiers) {
        throw new UnsupportedOperationException("no watch service");
    }

    @Override
    public int compareTo(Path other) {
        return toString().compareTo(own(other).toString());
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof CrashPath path
                && path.system == system
                && path.absolute == absolute
                && path.names.equals(names);
    }

    @Override
    public int hashCode() {
        return Objects.hash(absolute, names);
    }

    @Override
    public String toString() {
        return (absolute ? "/" : "") + String.join("/", names);
    }
}
