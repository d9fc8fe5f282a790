#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill.py BUILD WORK KILLS SEED: the mesh in WORK (kill.sh made it) under load, and kill -9 of its programs, each only after it did work
since its last start, at a random moment of that work, some while another is down. In the end everything that was acknowledged, by the word
of the ledgers, is at the monitor, once, in order, under sequence numbers that nothing else ever had.
"""
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

BUILD, WORK, KILLS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
DEADLINE = 180
TABLE = "servers_depth"
dice = random.Random(SEED)


def stop_test(text):
    sys.exit(f"kill.py: SEED={SEED}: {text}")


def path(*parts):
    return os.path.join(WORK, *parts)


def until(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            stop_test(f"not within {deadline} s: {what() if callable(what) else what}")
        time.sleep(0.02)


# ---- who runs -------------------------------------------------------------------------------------------------------------------


class Program:
    """One victim; `progress` is a number that grows with the work it does."""

    def __init__(self, role, name):
        self.role, self.name, self.process, self.mark, self.kills = role, name, None, 0, 0

    def start(self):
        with open(path(f"{self.name}.log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.directory(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.mark = self.progress()

    def directory(self):
        return WORK

    def worked(self):
        if self.process and self.process.poll() is not None:
            stop_test(f"{self.name} ended by itself with {self.process.returncode}")
        return self.process and self.progress() >= self.mark + self.enough

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None
        self.kills += 1

    def end(self):
        """In order, with status 0."""
        if not self.process:
            return
        self.process.terminate()
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "not at all"
        self.process = None
        if status != 0:
            stop_test(f"{self.name} ended with {status}")


class Weftd(Program):
    """Has worked when the publisher at its socket got acknowledgements from it."""

    enough = 20

    def __init__(self, role, name):
        super().__init__(role, name)
        self.publisher = None  # at its socket

    def command(self):
        return [f"{BUILD}/node/weftd", "-c", "weftd.yaml"]

    def directory(self):
        return path(self.name)

    def progress(self):
        return self.publisher.progress()


class Publisher(Program):
    """A ledger: numbers records under an id of its own, and after a kill goes on where its weftd says it stood."""

    enough = 20

    def __init__(self, name, weftd):
        super().__init__("publisher", name)
        self.weftd = weftd
        weftd.publisher = self

    def command(self):
        return [f"{BUILD}/tests/e2e/ledger", path(self.weftd.name, "run/weftd.sock"), "depth", self.name, path(f"ledger.{self.name}"), "10"]

    def progress(self):
        """The last number that was acknowledged; a kill may have cut the last line."""
        try:
            with open(path(f"ledger.{self.name}"), "rb") as f:
                f.seek(max(0, os.fstat(f.fileno()).st_size - 64))
                lines = f.read().split(b"\n")
            return int(lines[-2]) if len(lines) > 1 else 0
        except FileNotFoundError:
            return 0


class Monitor(Program):
    """Has worked when rows were added to its table."""

    enough = 20

    def __init__(self, name):
        super().__init__("monitor", name)
        self.db = path(f"{name}.db")

    def command(self):
        return [f"{BUILD}/domains/monitoring/weft-monitor", "store", "--dir", path(self.name), "--db", self.db, "--product", "servers/depth"]

    def select(self, query):
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def progress(self):
        try:
            return self.select(f"SELECT coalesce(max(rowid), 0) FROM {TABLE}")[0][0]
        except sqlite3.OperationalError:
            return self.mark  # no table yet, or being recovered

    def verify(self):
        """Every row is proven, by the monitor's own command."""
        verify = [f"{BUILD}/domains/monitoring/weft-monitor", "verify", "--db", self.db, "--dir", path(self.name)]
        out = subprocess.run(verify, capture_output=True, text=True, timeout=DEADLINE * 5)
        if out.returncode != 0:
            stop_test(f"verify: {out.stdout[-2000:]}{out.stderr[-2000:]}")


class Commands(threading.Thread):
    """`weft publish`, a process a record: a number is in the ledger only when its command ended well, and is never tried again."""

    def __init__(self, weftd):
        super().__init__(daemon=True)
        self.weftd, self.acknowledged, self.enough = weftd, set(), threading.Event()

    def run(self):
        number = 0
        while not self.enough.wait(0.1):
            number += 1
            record = f'{{"id":"command-{self.weftd.name}","value":{number}}}\n'
            argv = [f"{BUILD}/sdk/weft", "publish", "depth", "--wait", "-q", "--dir", path(self.weftd.name)]
            with open(path("commands.log"), "a", encoding="utf-8") as log:
                ended = subprocess.run(argv, input=record, text=True, stdout=log, stderr=log, timeout=600)
            if ended.returncode == 0:
                self.acknowledged.add(number)


# ---- kills ----------------------------------------------------------------------------------------------------------------------

SHARES = {"agent": 3, "monitor": 2, "node": 3, "publisher": 2}  # of ten kills; a monitor takes longest until it works again
AWAY_S = 1.5


def share_out(kills):
    left = {role: kills * share // 10 for role, share in SHARES.items()}
    left["node"] += kills - sum(left.values())
    return left


def choose(programs, left, kills):
    """Somebody who has worked. Roles stay abreast, so that none is alone at the end."""
    behind = max(left[role] / SHARES[role] for role in left)
    return [p for p in programs if left[p.role] and left[p.role] / SHARES[p.role] + 2 > behind and p.worked()]


def kill_all(programs, kills):
    """Returns how many were killed while another one was down."""
    left, down, last, overlapping = share_out(kills), [], time.monotonic(), 0
    while any(left.values()):
        for entry in [d for d in down if d[1] == 0 or time.monotonic() > d[2]]:
            entry[0].start()
            down.remove(entry)
        ripe = choose(programs, left, kills)
        if not ripe:
            if time.monotonic() > last + DEADLINE:
                stop_test(f"nobody that is to be killed works within {DEADLINE} s: still to kill {left}")
            time.sleep(0.01)
            continue
        victim = dice.choice(ripe)
        time.sleep(dice.random() * 0.1)  # anywhere in the work, not only after an acknowledgement
        victim.kill()
        left[victim.role] -= 1
        last = time.monotonic()
        overlapping += bool(down)
        for entry in down:
            entry[1] -= 1
        # One of three stays away until two others were killed, or for a while: what an agent acknowledges then is on its own disk alone.
        down.append([victim, 2 if dice.randrange(3) == 0 and not down else 0, last + AWAY_S])
    for entry in down:
        entry[0].start()
    return overlapping


# ---- what is there afterwards ---------------------------------------------------------------------------------------------------


def fields(message):
    """The fields of a protobuf message as pairs; enough for a header."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        else:
            length = {1: 8, 5: 4}.get(kind) or varint()
            yield key >> 3, message[at : at + length]
            at += length


def sequences(envelope):
    """(sequence, first, end) of a batch: its place in the origin's chain, and the place of its records with their publisher."""
    header = dict(fields(dict(fields(envelope))[BODY]))
    count = header.get(6, 0)
    first = header.get(5, 0)
    yield ("origin", header[18], header[4]), first, first + count
    if 20 in header:
        publisher = dict(fields(header[20]))
        seq = publisher.get(2, 0)
        yield ("publisher", publisher[1]), seq + 1 - count, seq + 1


BODY = 2  # of an Envelope


def used_twice(monitor):
    """Numbers that two different batches have, and how many ranges were compared."""
    ranges, twice, seen = {}, [], set()
    for batch, envelope in monitor.select("SELECT batch, header FROM _batch"):
        if batch in seen:
            continue  # parts of one
        seen.add(batch)
        for key, first, end in sequences(envelope):
            ranges.setdefault(key, []).append((first, end))
    for key, spans in ranges.items():
        spans.sort()
        twice += [(key[0], a, b) for a, b in zip(spans, spans[1:]) if b[0] < a[1]]
    return twice, sum(len(s) for s in ranges.values())


def disorder(rows):
    """Each writer counts from 1, so its next number is there, and nothing else. Numbers of commands that failed may be missing."""
    before, offset_before, found = {}, -1, []
    for writer, value, offset in rows:
        at = before.get(writer, 0)
        if offset <= offset_before or value <= at or (value != at + 1 and not writer.startswith("command-")):
            found.append(f"{writer} {value} after {at} at offset {offset}")
        before[writer], offset_before = value, offset
    return found


def check(monitor, acknowledged):
    """All that was acknowledged, once, in order, under numbers of its own. Returns the rows."""
    rows = []

    def missing():
        rows[:] = monitor.select(f"SELECT id, CAST(value AS INTEGER), _offset FROM {TABLE} ORDER BY _offset")
        return acknowledged - {(r[0], r[1]) for r in rows}

    until(lambda: not missing(), lambda: f"acknowledged and missing: {sorted(missing())[:20]}")
    found = disorder(rows)
    if found:
        stop_test(f"twice, missing or not in order: {found[:20]}")
    return rows


def same(one, other):
    """Two readers that were there while all fell got the same record at each offset."""
    n = min(len(one), len(other))
    if one[:n] != other[:n]:
        stop_test(f"two readers got different records: {[pair for pair in zip(one, other) if pair[0] != pair[1]][:5]}")


def main():
    began = time.monotonic()
    node, agent = Weftd("node", "servers-node"), Weftd("agent", "web-1")
    publishers = [Publisher("writer-node", node), Publisher("writer-agent", agent)]
    monitors = [Monitor("monitor-1"), Monitor("monitor-2")]
    programs = [node, agent, *publishers, *monitors]
    commands = [Commands(node), Commands(agent)]
    try:
        for program in programs:
            program.start()
        for command in commands:
            command.start()
        overlapping = kill_all(programs, KILLS)
        for program in programs:
            until(program.worked, f"{program.name} works after its last kill")
        killing = time.monotonic() - began
        for command in commands:
            command.enough.set()
            command.join()
        for publisher in publishers:
            publisher.end()
        acknowledged = {(p.name, n) for p in publishers for n in range(1, p.progress() + 1)}
        acknowledged |= {(f"command-{c.weftd.name}", n) for c in commands for n in c.acknowledged}
        if len(acknowledged) < KILLS * 10:
            stop_test(f"hardly anything was published: {len(acknowledged)} records")
        rows = [check(monitor, acknowledged) for monitor in monitors]
        same(*rows)
        monitors[0].verify()
        for monitor in monitors:
            monitor.end()
            losses = monitor.select("SELECT count(*) FROM _loss")[0][0]
            if losses:
                stop_test(f"{losses} losses of what was on disks that none of this hurts")
        reused, compared = used_twice(monitors[0])
        if reused:
            stop_test(f"sequence numbers used again: {reused[:20]}")
        agent.end()
        node.end()
    finally:
        for program in programs:
            if program.process:
                program.process.kill()
    told = ", ".join(f"{sum(p.kills for p in programs if p.role == role)} {role}" for role in SHARES)
    print(
        f"SEED={SEED}: {KILLS} kills ({told}; {overlapping} while another was down) in {killing:.0f} s: {len(acknowledged)} records acknowledged, {len(rows[0])} stored,"
        f" 0 missing, 0 twice, 0 losses; {compared} ranges of sequence numbers, 0 used again"
    )


main()
