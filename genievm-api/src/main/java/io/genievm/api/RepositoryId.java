package io.genievm.api;

/**
 * Names one repository for ever: drawn at random when the repository is created, never reused.
 *
 * @param value 32 lower-case hexadecimal digits
 * @since 0.1
 */
public record RepositoryId(String value) {
    /**
     * Checks the value.
     *
     * @param value the id, see the record
     * @throws IllegalArgumentException when the value is not of that form
     */
    public RepositoryId {
        Names.requireHexId("a repository id", value);
    }

    @Override
    public String toString() {
        return value;
    }
}
