package io.genievm.example.cli;

import io.genievm.core.BackupRequest;
import java.math.BigDecimal;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.TypeConversionException;

/**
 * Which part of a disk one audit covers.
 *
 * @param value from {@link BackupRequest#MIN_AUDIT_SHARE} to 1
 */
record AuditShare(double value) {
    private static final Pattern FORM =
            Pattern.compile("(?<decimal>\\d{0,20}\\.?\\d{1,20})|(?<part>\\d{1,20})/(?<whole>[1-9]\\d{0,19})");

    /** Reads a decimal or a fraction. */
    static AuditShare parse(String text) {
        Matcher matcher = FORM.matcher(text);
        double value = matcher.matches() ? value(matcher) : 0;
        if (value < BackupRequest.MIN_AUDIT_SHARE || value > 1) {
            throw new TypeConversionException("'" + text + "' is no share: allowed are "
                    + BigDecimal.valueOf(BackupRequest.MIN_AUDIT_SHARE)
                            .stripTrailingZeros()
                            .toPlainString()
                    + " to 1, as a decimal such as 0.05 or a fraction such as 1/64");
        }
        return new AuditShare(value);
    }

    private static double value(Matcher matcher) {
        if (matcher.group("decimal") != null) {
            return Double.parseDouble(matcher.group("decimal"));
        }
        return Double.parseDouble(matcher.group("part")) / Double.parseDouble(matcher.group("whole"));
    }
}
