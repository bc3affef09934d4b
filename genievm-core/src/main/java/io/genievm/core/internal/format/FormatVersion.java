package io.genievm.core.internal.format;

/** The version of the repository format that this code writes and the only one that it reads. */
public final class FormatVersion {
    /** Written into every object. */
    public static final int CURRENT = 1;

    private FormatVersion() {}
}
