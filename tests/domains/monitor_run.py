#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.monitor_run MONITOR: weft-monitor run as a supervisor, without a mesh: a layer that can never run ends it with the layer's status,
one that fails is started again and again with longer waits, status says so, a second run is refused, and a signal ends all of it."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

MONITOR = sys.argv[1]
DEADLINE = 100


def start(*arguments):
    return subprocess.Popen([MONITOR, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process, want, word):
    said = process.communicate(timeout=DEADLINE)[1]
    assert process.returncode == want, f"exit {process.returncode}, want {want}: {said}"
    assert word in said, f"{word!r} is not in: {said}"
    return said


def processes(database):
    """The state of each layer as the file beside the database has it, by `status`."""
    said = subprocess.run([MONITOR, "status", "--db", database], capture_output=True, text=True, timeout=DEADLINE, check=False).stderr
    return [line for line in said.split("\n") if line.startswith("process ")]


def wait_for(what, probe):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        got = probe()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not seen within {DEADLINE} s: {what}")


def check_final(directory):
    """Without an identity no start can help: no second one, and the status of the layer."""
    said = finish(start("run", "--dir", f"{directory}/none", "--db", f"{directory}/a.db"), 78, "")
    assert "started again" not in said, said
    for layer in ("store", "alert", "write"):
        more = {"store": [], "alert": ["--rules", rules_in(directory), "--alerts", f"{directory}/a.alerts"],
                "write": ["--remote", "http://127.0.0.1:1/write", "--remote-state", f"{directory}/a.remote"]}[layer]
        finish(start(layer, "--dir", f"{directory}/none", "--db", f"{directory}/a.db", *more), 78, "no identity")
    assert not [name for name in os.listdir(directory) if name.startswith("a.")], os.listdir(directory)


def rules_in(directory, text="rules: {full: {a/b: x > 1}}\n"):
    with open(f"{directory}/rules.yaml", "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(f"{directory}/rules.yaml", 0o600)
    return f"{directory}/rules.yaml"


def check_inputs(directory):
    """At a first start a mistake in the rules, or no file of them, is told before anything is made. Later it keeps nobody from storing."""
    run = ["run", "--dir", f"{directory}/none", "--db", f"{directory}/i.db", "--alerts", f"{directory}/i.alerts", "--rules"]
    said = finish(start(*run, f"{directory}/missing.yaml"), 78, "missing.yaml")
    assert "identity" not in said, said
    finish(start(*run, rules_in(directory, "rules: {full: {a/b: x >}}\n")), 78, "rules.yaml:1:")
    assert not [name for name in os.listdir(directory) if name.startswith("i.")], os.listdir(directory)
    with open(f"{directory}/i.db", "w", encoding="ascii") as f:
        f.write("this is no database " * 300)
    os.chmod(f"{directory}/i.db", 0o600)
    os.mkdir(f"{directory}/none")
    for rules, words in (("rules.yaml", "rules.yaml:1:"), ("missing.yaml", "missing.yaml: cannot open")):
        later = start(*run, f"{directory}/{rules}")
        wait_for("the store", lambda: [s for s in processes(f"{directory}/i.db") if "process store:" in s])
        wait_for("the alerts' end", lambda: [s for s in processes(f"{directory}/i.db") if "process alert: failed" in s])
        later.send_signal(signal.SIGTERM)
        finish(later, 78, words)


def check_restarts(directory):
    database = f"{directory}/b.db"
    with open(database, "w", encoding="ascii") as f:
        f.write("this is no database " * 300)
    os.chmod(database, 0o600)
    run = start("run", "--dir", f"{directory}/none", "--db", database)
    # Each wait is longer than the one before: one of them is seen on any machine.
    line = wait_for("a restart", lambda: [s for s in processes(database) if re.search("process store: waiting.*started again ([2-9]|[1-9][0-9]+) times", s)])
    assert "last ended with 65" in line[0], line
    finish(start("run", "--dir", f"{directory}/none", "--db", database), 69, "another weft-monitor run")
    run.send_signal(signal.SIGTERM)
    said = finish(run, 0, "store ended with 65 and is started again in 1 s")
    assert "in 2 s" in said, f"the second wait is not longer: {said}"
    assert not processes(database), "a run that ended is still told of"


def check_config(directory):
    """Rules and database from one file beside the identity: run starts both layers, and their command lines show none of it."""
    home = f"{directory}/home"
    os.mkdir(home)
    database = f"{home}/c.db"
    with open(database, "w", encoding="ascii") as f:
        f.write("this is no database " * 300)
    os.chmod(database, 0o600)
    with open(f"{home}/weft-monitor.yaml", "w", encoding="ascii") as f:
        f.write("database: c.db\nalerts: c.db\nrules: {full: {a/b: x > 1}}\nnotify: {to: [stdout]}\n")
    os.chmod(f"{home}/weft-monitor.yaml", 0o600)
    said = subprocess.run([MONITOR, "rules", "check", "--dir", home], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
    assert "1 rules" in said, said
    run = start("run", "--dir", home)
    for layer in ("store", "alert"):
        wait_for(layer, lambda layer=layer: [s for s in processes(database) if f"process {layer}: waiting" in s and "last ended with 65" in s])
    run.send_signal(signal.SIGTERM)
    finish(run, 0, "")
    with open(f"{home}/weft-monitor.yaml", "a", encoding="ascii") as f:
        f.write("produkts: x\n")
    said = finish(start("run", "--dir", home), 78, "weft-monitor.yaml:5:1:")
    assert "products" in said, said


def main():
    with tempfile.TemporaryDirectory() as directory:
        check_final(directory)
        check_inputs(directory)
        check_restarts(directory)
        check_config(directory)


main()
