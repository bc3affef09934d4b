package io.genievm.api;

import org.jspecify.annotations.Nullable;

/**
 * Something that a task did not fail over, but that a person should know.
 *
 * @param code a stable word in upper case, such as {@code FILE_IGNORED}, for programs
 * @param disk the disk that it is about, or {@code null} where it is about no single disk
 * @param message one sentence for people
 * @since 0.1
 */
public record Warning(String code, @Nullable DiskId disk, String message) {}
