#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lossy.py HOST CONTROL STREAM SHARE SEED: HOST as another address of the node on 127.0.0.1. Copies the control port, and of the stream port all but one in SHARE of
the messages that the node sends. Prints "ready", and how many were lost and how many went through when it is ended."""
import random
import signal
import socket
import sys
import threading

host, control, stream, share, seed = sys.argv[1], *map(int, sys.argv[2:])
chance = random.Random(seed)
lost = passed = 0


def end(*pair):
    for s in pair:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def copy(source, to):
    try:
        for piece in iter(lambda: source.recv(65536), b""):
            to.sendall(piece)
    except OSError:
        pass
    end(source, to)


def exactly(source, length):
    data = bytearray()
    while len(data) < length:
        piece = source.recv(min(length - len(data), 1 << 20))
        if not piece:
            raise OSError
        data += piece
    return data


def drop(source, to):
    """SP over TCP: eight bytes of greeting, then messages after their length in eight bytes."""
    global lost, passed
    try:
        to.sendall(exactly(source, 8))
        while True:
            head = exactly(source, 8)
            body = exactly(source, int.from_bytes(head, "big"))
            if chance.randrange(share) == 0:
                lost += 1
            else:
                passed += 1
                to.sendall(head + body)
    except OSError:
        pass
    end(source, to)


def serve(listener, port, from_node):
    while True:
        client, _ = listener.accept()
        try:
            node = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.close()
            continue
        for each in client, node:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=copy, args=(client, node), daemon=True).start()
        threading.Thread(target=from_node, args=(node, client), daemon=True).start()


def finish(*_):
    print(f"{lost} messages lost, {passed} passed", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, finish)
for port, way in ((control, copy), (stream, drop)):
    threading.Thread(target=serve, args=(socket.create_server((host, port)), port, way), daemon=True).start()
print("ready", flush=True)
while True:
    signal.pause()
