package io.genievm.storage.internal.images;

/** Checks what the core asks for. */
final class Ranges {
    private Ranges() {}

    static void require(long offset, long length, long capacity) {
        if (offset < 0 || length < 0 || length > capacity - offset) {
            throw new IllegalArgumentException(
                    "offset " + offset + " and length " + length + " lie outside a disk of " + capacity + " bytes");
        }
    }
}
