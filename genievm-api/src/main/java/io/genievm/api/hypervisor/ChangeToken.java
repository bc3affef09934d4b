package io.genievm.api.hypervisor;

import java.nio.charset.StandardCharsets;

/**
 * A hypervisor's own mark of a moment of one disk, from which changes can be asked for later: a checkpoint's name, a
 * change id. The core stores it with the restore point and never looks into it.
 *
 * @param value 1 to 4 096 bytes of UTF-8, opaque to the core; not a secret
 * @since 0.1
 */
public record ChangeToken(String value) {
    /**
     * Checks the value.
     *
     * @param value the token
     * @throws IllegalArgumentException when it is empty or too long
     */
    public ChangeToken {
        int bytes = value.getBytes(StandardCharsets.UTF_8).length;
        // Half a surrogate pair would come back from the repository as another token.
        if (bytes < 1 || bytes > 4096 || !StandardCharsets.UTF_8.newEncoder().canEncode(value)) {
            throw new IllegalArgumentException(
                    "a change token is valid Unicode of 1 to 4096 bytes of UTF-8, not " + bytes);
        }
    }

    @Override
    public String toString() {
        return value;
    }
}
