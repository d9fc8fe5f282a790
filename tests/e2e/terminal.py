#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A terminal for a program that takes the screen: runs it on a pty, presses keys, checks that the screen and the terminal's modes come back.

usage: terminal.py KEYS|SIGNAL TEXT COMMAND...
KEYS are pressed one after the other, each when the screen was drawn again; a signal's name (INT, TERM, HUP) is sent instead. TEXT must have been
drawn. The program has 100 s to end with status 0.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

ENTER, LEAVE, SHOW = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


def main():
    how, text, command = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 150, 0, 0))
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.login_tty(slave) if hasattr(os, "login_tty") else login(slave)
        os.execvp(command[0], command)
    keys, seen, drawn, resized = ([] if hasattr(signal, "SIG" + how) else list(how)), b"", 0, False
    deadline, status = time.monotonic() + 100, None
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                pass
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        status = None
        pictures = seen.count(b"q quit")
        if pictures == drawn or text not in seen:
            continue
        drawn = pictures
        if not resized:
            resized = True
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
            os.kill(pid, signal.SIGWINCH)
        elif keys:
            os.write(master, keys.pop(0).encode())
        elif hasattr(signal, "SIG" + how):
            os.kill(pid, getattr(signal, "SIG" + how))
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.exit(f"{how}: it did not end: {seen[-2000:]!r}")
    problems = []
    if os.waitstatus_to_exitcode(status) != 0:
        problems.append(f"status {os.waitstatus_to_exitcode(status)}")
    if seen.count(ENTER) != 1 or seen.count(LEAVE) != 1 or not seen.index(ENTER) < seen.rindex(SHOW) < seen.index(LEAVE):
        problems.append("the screen was not given back")
    if termios.tcgetattr(slave) != before:
        problems.append("the terminal's modes were not given back")
    if problems:
        sys.exit(f"{how}: {', '.join(problems)}: {seen[-2000:]!r}")


def login(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)


main()
