package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Naming files where there are no links; where there are, the integration tests name them. */
class NewDomainTest {
    @TempDir
    private Path folder;

    private Path hidden;
    private Path name;

    @BeforeEach
    void make() throws IOException {
        hidden = Files.writeString(folder.resolve(".hidden"), "new");
        name = folder.resolve("name");
    }

    @Test
    void aFileGetsItsName() throws IOException {
        NewDomain.giveNameWithoutLink(hidden, name);

        assertThat(name).hasContent("new");
        assertThat(hidden).doesNotExist();
    }

    @Test
    void whatIsThereStays() throws IOException {
        Files.writeString(name, "old");

        assertThatThrownBy(() -> NewDomain.giveNameWithoutLink(hidden, name))
                .isInstanceOf(FileAlreadyExistsException.class);

        assertThat(name).hasContent("old");
        assertThat(hidden).hasContent("new");
    }

    @Test
    void nothingIsLeftWhereNothingCanBeNamed() throws IOException {
        Files.delete(hidden);

        assertThatThrownBy(() -> NewDomain.giveNameWithoutLink(hidden, name)).isInstanceOf(NoSuchFileException.class);

        assertThat(name).doesNotExist();
    }
}
