#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.source: weft-host keeps the protocol of sources (docs/internals/sources.md): marks, changes, signals, a reader
that closes or does not read, failures that print nothing, and its command line."""
import os
import signal
import socket
import subprocess
import time

import tools
from tools import HOST, Running, check, run, temporary, write

PASSWD = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n"


def host_tree(root):
    write(root, "/etc/passwd", PASSWD)
    write(root, "/etc/group", "root:x:0:\n")


def samples_and_marks():
    status, out, _ = run(HOST, "memory", "--count", "2", "--every", "1")
    first, second = tools.lines(out)
    check(status == 0 and "@op" not in first and first["@time"] < second["@time"], "--count 2 gives two samples of a metric")
    status, out, _ = run(HOST, "users", "--once")
    got = tools.lines(out)
    check(got[0]["@op"] == "snapshot-begin" and got[-1]["@op"] == "snapshot-end", "an inventory stands between marks")
    check(len({line["@time"] for line in got}) == 1, "the lines of a sample have one time")
    check(all("@op" not in line for line in got[1:-1]), "rows are no control objects")


def changes():
    with temporary() as root:
        host_tree(root)
        r = Running(HOST, "users", "--root", root, "--every", "1", "--changes")
        check([row["name"] for row in r.snapshot()] == ["ada", "root"], "the first sample is a snapshot")
        write(root, "/etc/passwd", PASSWD.replace("/home/ada", "/srv/ada").replace("root:x", "toor:x"))
        got = r.lines(3)
        for line in got:
            del line["@time"]
        check(got[0]["name"] == "ada" and got[0]["home"] == "/srv/ada", f"a changed row is put: {got[0]}")
        check(got[1] == {"@op": "delete", "name": "root"}, f"a row that went is deleted by its key alone: {got[1]}")
        check(got[2]["name"] == "toor", f"a new row is put: {got[2]}")
        r.p.send_signal(signal.SIGHUP)
        check([row["name"] for row in r.snapshot()] == ["ada", "toor"], "SIGHUP gives a whole snapshot")
        check(r.end(signal.SIGTERM)[0] == 0, "SIGTERM ends with 0")


def keys_of_kernel_rows():
    """The delete line of a socket names the fields that the manifests have as the key."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        r = Running(HOST, "listening", "--every", "1", "--changes")
        check(any(row["localPort"] == port for row in r.snapshot()), "a listening socket is seen")
    line = r.line()
    while line is not None and (line.get("@op") != "delete" or line["localPort"] != port):
        line = r.line()
    keys = ["protocol", "localAddress", "localPort", "remoteAddress", "remotePort", "inode"]
    check(line is not None and list(line) == ["@op", "@time"] + keys, f"a closed one is deleted: {line}")
    r.end(signal.SIGTERM)


def whole_snapshots_repeat():
    with temporary() as root:
        host_tree(root)
        r = Running(HOST, "users", "--root", root, "--every", "1", "--changes", "--full", "1")
        check(len(r.snapshot()) == 2 and len(r.snapshot()) == 2, "--full repeats the whole snapshot")
        r.end(signal.SIGTERM)


def ends():
    for sig in (signal.SIGTERM, signal.SIGINT):
        r = Running(HOST, "load", "--every", "1h")
        r.line()
        check(r.end(sig) == (0, ""), f"signal {sig} ends a waiting source with 0 and no word")
    r = Running(HOST, "load", "--every", "1h")
    r.line()
    r.p.stdout.close()
    check(r.p.wait(tools.DEADLINE_S) == 0, "a closed reader ends a waiting source")
    r.p.stderr.close()
    # Much more than a pipe holds, and nobody reads.
    with temporary() as root:
        write(root, "/etc/passwd", "".join(f"u{i}:x:{i}:0:{'n' * 200}:/:/bin/sh\n" for i in range(2000)))
        write(root, "/etc/group", "")
        r = Running(HOST, "users", "--root", root, "--every", "1h")
        r.line()
        check(r.end(signal.SIGTERM)[0] == 0, "SIGTERM ends a source whose reader does not read")


def failures_print_nothing():
    with temporary() as root:
        status, out, err = run(HOST, "users", "--once", "--root", root)
        check(status == 69 and out == "", f"--once without the file: exit {status}, {out!r}")
        check(f"{root}/etc/passwd: no such file" in err, f"the file is named: {err}")
        status, out, err = run(HOST, "users", "--root", root)
        check(status == 69 and out == "", "a first sample that fails ends the source")
        host_tree(root)
        r = Running(HOST, "users", "--root", root, "--every", "1")
        r.snapshot()
        os.unlink(root + "/etc/passwd")
        deadline = time.monotonic() + tools.DEADLINE_S
        os.set_blocking(r.p.stderr.fileno(), False)
        told = b""
        while b"no such file" not in told and time.monotonic() < deadline:
            told += r.p.stderr.read() or b""
            time.sleep(0.01)
        write(root, "/etc/passwd", PASSWD)
        check(len(r.snapshot()) == 2, "a later failure prints nothing and is waited out")
        os.set_blocking(r.p.stderr.fileno(), True)
        status, err = r.end(signal.SIGTERM)
        told = told.decode() + err
        check(told.count("no such file") == 1 and "works again" in told, f"a failure is told once, and its end: {told}")
    with open("/dev/full", "w", encoding="utf-8") as full:
        r = subprocess.run([HOST, "load", "--once"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=tools.DEADLINE_S)
        check(r.returncode == 69 and "standard output" in r.stderr, f"a full disk is an error: {r.returncode} {r.stderr}")


USAGE = [
    ([], "no collector named"),
    (["cpu", "memory"], "one collector at a time"),
    (["cqu"], 'unknown collector "cqu"'),
    (["cpu", "--evry", "5"], "unrecognized option"),
    (["cpu", "--every", "0"], "--every 0"),
    (["cpu", "--every", "-1"], "--every -1"),
    (["cpu", "--every", "25h"], "--every 25h"),
    (["cpu", "--every", "99999999999999999999"], "--every"),
    (["cpu", "--every", ""], "--every"),
    (["cpu", "--count", "0"], "--count 0"),
    (["cpu", "--changes"], "is a metric"),
    (["sockets", "--root", "/tmp"], "no meaning"),
]


def command_line():
    for argv, want in USAGE:
        status, out, err = run(HOST, *argv)
        check(status == 64 and out == "" and want in err and "--help" in err, f"{argv}: exit {status}: {err}")
    status, out, _ = run(HOST, "--help")
    check(status == 0 and out.startswith("Examples:"), "--help has examples first")
    status, out, _ = run(HOST, "--list")
    check(status == 0 and all(word in out for word in ("cpu", "packages", "weft.common.v1.Socket")), "--list names collectors")
    status, out, _ = run(HOST, "load", "--once", "--root", "/")
    check(status == 0 and "load1" in out, "--root / is the running host")


for test in (samples_and_marks, changes, keys_of_kernel_rows, whole_snapshots_repeat, ends, failures_print_nothing, command_line):
    test()
tools.verdict()
