package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.HypervisorConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.TypeConversionException;

/**
 * Something that only a driver understands.
 *
 * @param name not empty
 * @param value anything
 */
record DriverOption(String name, String value) {
    /** Reads {@code NAME=VALUE}; the value may hold more equals signs. */
    static DriverOption parse(String text) {
        int equals = text.indexOf('=');
        if (equals < 1) {
            throw new TypeConversionException("'" + text + "' is no option of a driver: it has the form NAME=VALUE");
        }
        return new DriverOption(text.substring(0, equals), text.substring(equals + 1));
    }

    /** By name, in the order given. */
    static Map<String, String> byName(List<DriverOption> options) {
        Map<String, String> byName = new LinkedHashMap<>();
        options.forEach(option -> byName.put(option.name, option.value));
        return byName;
    }

    /** A hypervisor with options, none of them twice. */
    static HypervisorConfig applied(List<DriverOption> options, HypervisorConfig host) {
        if (!twice(options).isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    "--host-set gives '" + twice(options).get(0) + "' more than once");
        }
        return options.isEmpty() ? host : HypervisorConfig.of(host.address(), byName(options));
    }

    /** Names that are given more than once. */
    static List<String> twice(List<DriverOption> options) {
        List<String> names =
                new ArrayList<>(options.stream().map(DriverOption::name).toList());
        byName(options).keySet().forEach(names::remove);
        return names;
    }
}
