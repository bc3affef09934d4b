package io.genievm.storage.internal.local;

import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Repositories after a power cut, seen through the API: every point that was told of restores byte for byte, one that was
 * being made is whole or not there, verify finds no damage, and work goes on without a manual step. 10 000 states of the
 * disk at full scale, 1 000 of them as a rule, a few in every build.
 */
class RepositoryCrashTest {
    private static final int HISTORIES = 500;
    private static final int FEW = 5;
    private static final int STATES = 20;

    @TempDir
    private Path workDirectory;

    @Test
    @DisplayName("power cuts during backups and deletions")
    void fewPowerCuts() {
        CrashSeeds.run(getClass(), "fewPowerCuts", FEW, STATES, seed -> check(seed, false));
    }

    @Test
    @Tag("torture")
    @DisplayName("power cuts during many backups and deletions")
    void powerCuts() {
        CrashSeeds.torture(getClass(), "powerCuts", HISTORIES, STATES, seed -> check(seed, false));
    }

    @Test
    @Tag("torture")
    @DisplayName("power cuts where folders can not be forced and only files can")
    void powerCutsWithoutFolderForce() {
        CrashSeeds.torture(
                getClass(), "powerCutsWithoutFolderForce", HISTORIES / 10, STATES, seed -> check(seed, true));
    }

    /** Gives how many states were looked at. */
    private int check(long seed, boolean filesOnly) throws IOException {
        Random random = new Random(seed * 0x9E3779B97F4A7C15L);
        CrashFileSystem disk = CrashFileSystem.create(seed);
        disk.ignoreFolderForce(filesOnly);
        CrashedGuests guests = new CrashedGuests(random);
        CrashHistory history = new CrashHistory(disk, guests, workDirectory, random, !filesOnly);
        history.record();
        int states = 0;
        for (int state = 0; state < STATES; state += 2) {
            states += check(history, random, "state " + state, state % 8 == 0);
            if (state % 8 != 0) {
                states += check(history, random, "state " + (state + 1), false);
            }
        }
        return states;
    }

    private int check(CrashHistory history, Random random, String what, boolean again) throws IOException {
        int moment = history.chooseMoment();
        CrashFileSystem left = history.disk().crash(moment, random.nextLong());
        try {
            CrashHistory next = history.recover(left, moment);
            // The power may be cut again while things are put in order.
            return again ? 1 + check(next, random, "then", false) : 1;
        } catch (RuntimeException | AssertionError e) {
            throw new AssertionError(what + ": " + left + ", in " + history, e);
        }
    }
}
