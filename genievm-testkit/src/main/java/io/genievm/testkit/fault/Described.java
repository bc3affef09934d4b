package io.genievm.testkit.fault;

/**
 * A script that can be written down.
 *
 * @param script decides
 * @param description how it is written in Java
 */
record Described(FaultScript script, String description) implements FaultScript {
    @Override
    public StoreFault faultAt(StoreCall call) {
        return script.faultAt(call);
    }

    @Override
    public String toString() {
        return description;
    }
}
