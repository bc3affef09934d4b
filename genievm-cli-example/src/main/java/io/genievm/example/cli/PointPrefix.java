package io.genievm.example.cli;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * The beginning of a restore point's id.
 *
 * @param text 8 to 32 lower-case hexadecimal digits
 */
record PointPrefix(String text) {
    private static final Pattern FORM = Pattern.compile("[0-9a-f]{8,32}");

    PointPrefix {
        if (!FORM.matcher(text).matches()) {
            throw new TypeConversionException(
                    "a point is named by the first 8 or more of its 32 lower-case hexadecimal digits, not by '" + text
                            + "'");
        }
    }

    /** Takes {@code latest} for no point in particular. */
    static final class OrLatest implements ITypeConverter<PointPrefix> {
        @Override
        public @Nullable PointPrefix convert(String text) {
            return text.equals("latest") ? null : new PointPrefix(text);
        }
    }
}
