package io.genievm.api;

/**
 * Names one writer's work on a repository and the restore point that it makes: 128 random bits, never reused.
 *
 * @param value 32 lower-case hexadecimal digits
 * @since 0.1
 */
public record SessionId(String value) {
    /**
     * Checks the value.
     *
     * @param value the id, see the record
     * @throws IllegalArgumentException when the value is not of that form
     */
    public SessionId {
        Names.requireHexId("a session id", value);
    }

    @Override
    public String toString() {
        return value;
    }
}
