# SPDX-License-Identifier: Apache-2.0
"""What the script tests of domains share: the programs, running them, reading their lines, a verdict at the end."""
import json
import os
import subprocess
import sys
import tempfile
import time

SKIP = 77  # exit status that ctest shows as "Skipped"
BUILD = os.environ["WEFT_BUILD_DIR"]
SOURCE = os.environ["WEFT_SOURCE_DIR"]
HOST = os.path.join(BUILD, "domains/common/weft-host")
PORTS = os.path.join(BUILD, "domains/network/weft-ports")
SHARE = os.path.join(BUILD, "share/weft")
DEADLINE_S = 100

failures = []


def check(ok, what):
    """Counts a failure and goes on, so that one run shows all."""
    if not ok:
        failures.append(what)
        print(f"FAILED: {what}")


def verdict():
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


def run(*argv, **kw):
    """(status, stdout, stderr) of a program that ends by itself."""
    r = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, **kw)
    return r.returncode, r.stdout, r.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def rows(collector, *options, program=HOST, **kw):
    """The rows of one sample without what belongs to the protocol."""
    status, out, err = run(program, collector, "--once", *options, **kw)
    check(status == 0, f"{collector}: exit {status}: {err}")
    return [{k: v for k, v in line.items() if not k.startswith("@")} for line in lines(out) if "@op" not in line]


class Running:
    """A source that runs until stopped; its lines are read with a deadline."""

    def __init__(self, *argv, **kw):
        self.p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        os.set_blocking(self.p.stdout.fileno(), False)
        self.held = b""

    def line(self):
        """The next line as an object; None at the end of the output."""
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self.held:
            data = self.p.stdout.read()
            if data == b"":
                return None
            if data is None:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no line from {self.p.args}")
                time.sleep(0.005)
                continue
            self.held += data
        line, self.held = self.held.split(b"\n", 1)
        return json.loads(line)

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def snapshot(self):
        """The rows between the two marks."""
        first = self.line()
        check(first is not None and first.get("@op") == "snapshot-begin", f"{self.p.args}: no snapshot begins: {first}")
        out = []
        while True:
            line = self.line()
            if line is None or line.get("@op") == "snapshot-end":
                return out
            out.append(line)

    def end(self, signal=None):
        """Waits for the end; (status, stderr)."""
        if signal is not None:
            self.p.send_signal(signal)
        os.set_blocking(self.p.stdout.fileno(), True)
        _, err = self.p.communicate(timeout=DEADLINE_S)
        return self.p.returncode, err.decode()


def write(root, path, text):
    full = root + path
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(full + ".new", full)


def temporary():
    return tempfile.TemporaryDirectory(prefix="weft-domains-")
