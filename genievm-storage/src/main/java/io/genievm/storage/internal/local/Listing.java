package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobKeys;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Walks a folder tree in the order of keys, holding the entries of one folder per level. */
final class Listing implements BlobCursor {
    private final Path root;
    private final Lifetime lifetime;
    private final Deque<Iterator<Item>> levels = new ArrayDeque<>();
    private @Nullable BlobEntry current;

    /** What a folder holds; the key of a folder ends with '/', which is what sorts it between the files. */
    private record Item(String key, long length) implements Comparable<Item> {
        boolean isFolder() {
            return key.endsWith("/");
        }

        @Override
        public int compareTo(Item other) {
            return key.compareTo(other.key);
        }
    }

    Listing(Path root, String prefix, Lifetime lifetime) {
        this.root = root;
        this.lifetime = lifetime;
        levels.push(isFolder(prefix) ? read(prefix) : Collections.emptyIterator());
    }

    @Override
    public boolean next() {
        current = null;
        while (!levels.isEmpty()) {
            lifetime.requireOpen();
            Iterator<Item> level = levels.peek();
            if (!level.hasNext()) {
                levels.pop();
                continue;
            }
            Item item = level.next();
            if (item.isFolder()) {
                levels.push(read(item.key()));
            } else {
                current = new BlobEntry(item.key(), item.length());
                return true;
            }
        }
        return false;
    }

    @Override
    public BlobEntry entry() {
        BlobEntry entry = current;
        if (entry == null) {
            throw new IllegalStateException("the cursor stands on no object");
        }
        return entry;
    }

    @Override
    public void close() {
        levels.clear();
        current = null;
    }

    private Iterator<Item> read(String prefix) {
        Path folder = root.resolve(prefix);
        List<Item> items = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                addTo(items, prefix, entry);
            }
        } catch (NoSuchFileException | NotDirectoryException e) {
            // It went with its last object, unless the whole place has gone.
            requireRoot();
            return Collections.emptyIterator();
        } catch (DirectoryIteratorException e) {
            throw failure(folder, Objects.requireNonNull(e.getCause()));
        } catch (IOException e) {
            throw failure(folder, e);
        }
        Collections.sort(items);
        return items.iterator();
    }

    /** Looks at each folder on the way by itself, so that a link among them is not followed. */
    private boolean isFolder(String prefix) {
        requireRoot();
        Path folder = root;
        for (String part : prefix.isEmpty() ? new String[0] : prefix.split("/")) {
            folder = folder.resolve(part);
            try {
                if (!attributes(folder).isDirectory()) {
                    return false;
                }
            } catch (NoSuchFileException e) {
                return false;
            } catch (IOException e) {
                throw failure(folder, e);
            }
        }
        return true;
    }

    private void requireRoot() {
        if (!Files.isDirectory(root)) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR,
                    Resource.named(root.toString()),
                    "the folder " + root + " is not there any more");
        }
    }

    private static GenieVmException failure(Path folder, IOException cause) {
        // Said of a folder that was there a moment ago, so not NOT_FOUND.
        ErrorCode code =
                FileErrors.codeOf(cause).equals(ErrorCode.ACCESS_DENIED) ? ErrorCode.ACCESS_DENIED : ErrorCode.IO_ERROR;
        return new GenieVmException(
                code,
                Resource.named(folder.toString()),
                "can not list " + folder + ": " + FileErrors.reason(cause),
                cause);
    }

    private static BasicFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    private static void addTo(List<Item> items, String prefix, Path entry) throws IOException {
        String key = prefix + entry.getFileName();
        if (!BlobKeys.isKey(key)) {
            return;
        }
        try {
            BasicFileAttributes attributes = attributes(entry);
            if (attributes.isDirectory()) {
                items.add(new Item(key + "/", 0));
            } else if (attributes.isRegularFile()) {
                items.add(new Item(key, attributes.size()));
            }
        } catch (NoSuchFileException e) {
            // Deleted since the folder was read.
        }
    }
}
