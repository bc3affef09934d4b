package io.genievm.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionService;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/** Runs the same thing in several threads that begin together. */
final class Race {
    private Race() {}

    /**
     * Gives the results in the order of the runners. What one of them throws is thrown at once: the others may be waiting
     * for something that will never come.
     */
    static <T> List<T> of(int runners, IntFunction<Callable<T>> runner) throws Exception {
        CyclicBarrier start = new CyclicBarrier(runners);
        ExecutorService threads = Executors.newFixedThreadPool(runners, Race::daemon);
        try {
            CompletionService<T> ended = new ExecutorCompletionService<>(threads);
            List<Future<T>> running = new ArrayList<>();
            for (int i = 0; i < runners; i++) {
                Callable<T> own = runner.apply(i);
                running.add(ended.submit(() -> {
                    start.await();
                    return own.call();
                }));
            }
            for (int i = 0; i < runners; i++) {
                resultOf(ended.take());
            }
            List<T> results = new ArrayList<>();
            for (Future<T> one : running) {
                results.add(one.get());
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
    }

    private static void resultOf(Future<?> ended) throws Exception {
        try {
            ended.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "contract-race");
        thread.setDaemon(true);
        return thread;
    }
}
