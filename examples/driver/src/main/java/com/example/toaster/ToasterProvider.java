package com.example.toaster;

import io.genievm.api.*;
import io.genievm.api.hypervisor.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;

// guide: provider
/** Finds Toasters: folders with a file {@code serial} and a folder for each VM. */
public final class ToasterProvider implements HypervisorProvider {
    @Override
    public String name() {
        return "toaster";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("toaster");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        if (!config.options().isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    "no options, please: " + config.options().keySet());
        }
        Path folder = Path.of(config.rest());
        String serial =
                read(folder, () -> Files.readString(folder.resolve("serial")).strip());
        Set<Capability> capabilities = Set.of(Capability.CHANGE_TRACKING);
        return new Toaster(name(), serial, capabilities, folder, new Life(null, new AtomicBoolean()));
    }

    /** Turns what the file system says into what the core understands. */
    static <T> T read(Path path, Callable<T> reading) {
        try {
            return reading.call();
        } catch (NoSuchFileException e) {
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.named(path.toString()), "nothing at " + path, e);
        } catch (Exception e) {
            throw new GenieVmException(ErrorCode.IO_ERROR, Resource.named(path.toString()), "can not read: " + e, e);
        }
    }

    /** Whether something is open: it is until its own end, or the end of what it came from. */
    record Life(Life parent, AtomicBoolean ended) {
        void requireOpen() {
            if (ended.get()) {
                throw new GenieVmException(ErrorCode.CLOSED, "it was closed");
            }
            if (parent != null) {
                parent.requireOpen();
            }
        }
    }
}
// guide: end
