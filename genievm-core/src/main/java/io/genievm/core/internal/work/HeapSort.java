package io.genievm.core.internal.work;

/** Sorts what lies in plain arrays: in place, nothing allocated, no bad case. */
public final class HeapSort {
    private HeapSort() {}

    /** Records that are known by their numbers, from 0. */
    public interface Records {
        /** Compares two records. */
        int compare(int a, int b);

        /** Exchanges two records. */
        void swap(int a, int b);
    }

    /** Sorts the first so many records. */
    public static void sort(Records records, int count) {
        for (int i = count / 2 - 1; i >= 0; i--) {
            sink(records, i, count);
        }
        for (int end = count - 1; end > 0; end--) {
            records.swap(0, end);
            sink(records, 0, end);
        }
    }

    private static void sink(Records records, int start, int count) {
        int parent = start;
        while (true) {
            int child = 2 * parent + 1;
            if (child >= count) {
                return;
            }
            if (child + 1 < count && records.compare(child, child + 1) < 0) {
                child++;
            }
            if (records.compare(parent, child) >= 0) {
                return;
            }
            records.swap(parent, child);
            parent = child;
        }
    }
}
