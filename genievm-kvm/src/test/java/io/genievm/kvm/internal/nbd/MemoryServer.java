package io.genievm.kvm.internal.nbd;

import io.genievm.kvm.internal.nbd.ScriptedServer.Peer;
import io.genievm.kvm.internal.nbd.ScriptedServer.Request;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * A good server that keeps the disk in memory, and uses all the freedom that the protocol leaves it: answers out of order,
 * in pieces that come in any order and between those of other answers. It stops listening while it answers.
 */
final class MemoryServer {
    private static final int FLAGS = NbdProtocol.FLAG_SEND_FLUSH
            | NbdProtocol.FLAG_SEND_TRIM
            | NbdProtocol.FLAG_SEND_WRITE_ZEROES
            | NbdProtocol.FLAG_CAN_MULTI_CONN;

    private MemoryServer() {}

    static ScriptedServer start(Path socket, byte[] disk, boolean structured, long seed) throws IOException {
        return new ScriptedServer(socket, peer -> serve(peer, disk, structured, new Random(seed)));
    }

    private interface Message {
        void send() throws IOException;
    }

    static void serve(Peer peer, byte[] disk, boolean structured, Random random) throws IOException {
        peer.negotiate(disk.length, FLAGS, structured);
        while (true) {
            List<List<Message>> answers = new ArrayList<>();
            do {
                Request request = peer.request();
                if (request.command() == NbdProtocol.COMMAND_DISCONNECT) {
                    return;
                }
                answers.add(answer(peer, disk, structured, random, request));
            } while (peer.in.available() > 0 && answers.size() < 16);
            while (!answers.isEmpty()) {
                List<Message> next = answers.get(random.nextInt(answers.size()));
                next.remove(0).send();
                peer.send();
                if (next.isEmpty()) {
                    answers.remove(next);
                }
            }
        }
    }

    private static List<Message> answer(Peer peer, byte[] disk, boolean structured, Random random, Request request) {
        int from = (int) request.offset();
        int to = from + request.length();
        long cookie = request.cookie();
        List<Message> messages = new ArrayList<>();
        switch (request.command()) {
            case NbdProtocol.COMMAND_READ -> {
                if (!structured) {
                    byte[] data = Arrays.copyOfRange(disk, from, to);
                    messages.add(() -> {
                        peer.simple(cookie, 0);
                        peer.out.write(data);
                    });
                    return messages;
                }
                int at = from;
                while (at < to) {
                    int start = at;
                    int end = Math.min(to, at + 1 + random.nextInt(request.length()));
                    byte[] data = Arrays.copyOfRange(disk, start, end);
                    boolean zero = isZero(data) && random.nextBoolean();
                    messages.add(
                            zero
                                    ? () -> peer.hole(cookie, 0, start, end - start)
                                    : () -> peer.data(cookie, 0, start, data));
                    at = end;
                }
                Collections.shuffle(messages, random);
                messages.add(() -> peer.chunk(cookie, NbdProtocol.CHUNK_DONE, NbdProtocol.CHUNK_NONE, 0));
            }
            case NbdProtocol.COMMAND_BLOCK_STATUS -> {
                messages.add(() -> status(peer, disk, request, 7, 0));
                messages.add(() -> status(peer, disk, request, 9, NbdProtocol.CHUNK_DONE));
            }
            default -> {
                if (request.command() == NbdProtocol.COMMAND_WRITE) {
                    System.arraycopy(request.data(), 0, disk, from, request.length());
                } else if (request.command() != NbdProtocol.COMMAND_FLUSH) {
                    Arrays.fill(disk, from, to, (byte) 0);
                }
                boolean simple = !structured || random.nextBoolean();
                messages.add(
                        simple
                                ? () -> peer.simple(cookie, 0)
                                : () -> peer.chunk(cookie, NbdProtocol.CHUNK_DONE, NbdProtocol.CHUNK_NONE, 0));
            }
        }
        return messages;
    }

    /** Blocks of 512 bytes: zero or not, and written or not, which here is whether the first byte is odd. */
    private static void status(Peer peer, byte[] disk, Request request, int context, int flags) throws IOException {
        List<Integer> runs = new ArrayList<>();
        int end = (int) request.offset() + request.length();
        for (int at = (int) request.offset(); at < end; at += 512 - at % 512) {
            byte[] block = Arrays.copyOfRange(disk, at - at % 512, Math.min(disk.length, at - at % 512 + 512));
            runs.add(Math.min(end, at + 512 - at % 512) - at);
            runs.add(context == 7 ? isZero(block) ? 3 : 0 : block[0] & 1);
        }
        peer.status(
                request.cookie(),
                flags,
                context,
                runs.stream().mapToInt(run -> run).toArray());
    }

    static boolean isZero(byte[] data) {
        for (byte each : data) {
            if (each != 0) {
                return false;
            }
        }
        return true;
    }
}
