package io.genievm.kvm.internal.guard;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.kvm.internal.guard.Owner.Life;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OwnerTest {
    private static final String REST = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %s 20 21";

    private final Owner self = Owner.self();

    @Test
    void thisProcessLives() {
        assertThat(self.pid()).isEqualTo(ProcessHandle.current().pid());
        assertThat(self.life()).isEqualTo(Life.ALIVE);
        assertThat(Owner.self()).isEqualTo(self);
        assertThat(Owner.parse(self.toString())).isEqualTo(self);
        assertThat(self.toString()).doesNotContain(" ").doesNotContain("\n");
    }

    @Test
    void anotherBootOrStartIsDeadAndAnotherNamespaceNotSeen() {
        assertThat(new Owner("other", self.pidNamespace(), self.pid(), self.startTime()).life())
                .isEqualTo(Life.DEAD);
        assertThat(new Owner(self.bootId(), self.pidNamespace(), self.pid(), self.startTime() + 1).life())
                .isEqualTo(Life.DEAD);
        assertThat(new Owner(self.bootId(), self.pidNamespace(), 1L << 40, 1).life())
                .isEqualTo(Life.DEAD);
        assertThat(new Owner(self.bootId(), "pid:[1]", self.pid(), self.startTime()).life())
                .isEqualTo(Life.UNKNOWN);
        assertThat(new Owner("other", "pid:[1]", self.pid(), self.startTime()).life())
                .isEqualTo(Life.DEAD);
    }

    @Test
    void aProcessThatNobodyHasAskedForIsDead() throws Exception {
        Process shell = new ProcessBuilder("sh", "-c", "sleep 0 & echo $!; exec sleep 30").start();
        try {
            long pid = Long.parseLong(shell.inputReader().readLine());
            Path stat = Path.of("/proc/" + pid + "/stat");
            ProcessStat read = ProcessStat.of(pid).orElseThrow();
            for (int i = 0; i < 1000 && read.isAlive(); i++) {
                Thread.sleep(10);
                read = ProcessStat.of(pid).orElseThrow();
            }
            assertThat(Files.exists(stat)).isTrue();
            assertThat(new Owner(self.bootId(), self.pidNamespace(), pid, read.startTime()).life())
                    .isEqualTo(Life.DEAD);
            assertThat(ProcessStat.startTimeOf(pid)).isEqualTo(-1);
            Owner sleeping =
                    new Owner(self.bootId(), self.pidNamespace(), shell.pid(), ProcessStat.startTimeOf(shell.pid()));
            assertThat(sleeping.life()).isEqualTo(Life.ALIVE);
            shell.destroyForcibly();
            assertThat(shell.waitFor(10, TimeUnit.SECONDS)).isTrue();
            assertThat(sleeping.life()).isEqualTo(Life.DEAD);
        } finally {
            shell.destroyForcibly();
        }
    }

    @Test
    void aNameWithParenthesesAndSpacesIsNoMatter() {
        assertThat(ProcessStat.parse("77 (a) Z 1 (b c)) S" + REST.formatted("4711")))
                .contains(new ProcessStat('S', 4711));
        assertThat(ProcessStat.parse("77 (x) Z" + REST.formatted("4711"))
                        .orElseThrow()
                        .isAlive())
                .isFalse();
        assertThat(ProcessStat.parse("77 (x) S 1 2 3")).isEmpty();
        assertThat(ProcessStat.parse("77 (x) S" + REST.formatted("-1"))).isEmpty();
        assertThat(ProcessStat.parse("")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a/b/c/d",
                "a/pid:[1]/1",
                "a/pid:[1]/1/2/3",
                "a/pid:[1]/-1/2",
                "a b/pid:[1]/1/2",
                "a/pid:[1]/1/99999999999999999999",
                "a/pid:[1]/1/2\n"
            })
    void whatIsNoneIsNotUnderstood(String text) {
        assertThat(Owner.parse(text)).isNull();
    }
}
