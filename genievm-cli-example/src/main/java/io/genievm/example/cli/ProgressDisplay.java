package io.genievm.example.cli;

import io.genievm.api.task.TaskProgress;

/** Shows a person how far one task is. */
interface ProgressDisplay {
    /** Is called several times a second. */
    void show(TaskProgress progress);
}
