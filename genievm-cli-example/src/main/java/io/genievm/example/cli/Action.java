package io.genievm.example.cli;

/** A command whose arguments have been read. */
interface Action {
    /**
     * Does it.
     *
     * @return what to print
     * @throws Exception what {@link Failure} makes an error of
     */
    Outcome perform() throws Exception;
}
