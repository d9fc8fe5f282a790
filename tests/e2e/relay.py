#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""relay.py PORT: another address of 127.0.0.1:PORT. Prints the port it listens on and copies bytes both ways until it is ended."""
import socket
import sys
import threading


def copy(source, to):
    try:
        for piece in iter(lambda: source.recv(65536), b""):
            to.sendall(piece)
    except OSError:
        pass
    for s in (source, to):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    try:
        node = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    except OSError:
        client.close()
        continue
    for pair in ((client, node), (node, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
