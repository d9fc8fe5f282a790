# SPDX-License-Identifier: Apache-2.0
"""The runs that tests/bench/lib.sh notes, one JSON object a line, and what report.py and growth.py both ask of one."""
import json


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def cpu_s(run):
    """Processor time of everybody involved."""
    return run["servers_cpu_s"] + sum(p["cpu_s"] for p in run["pubs"] + run["subs"])


def took_s(run):
    """From the first call of a publisher to the last record at the slowest subscriber."""
    return (max(s["last_ns"] for s in run["subs"]) - min(p["first_ns"] for p in run["pubs"])) / 1e9


def published(run):
    return sum(p["records"] for p in run["pubs"])


def missing(run):
    return sum(s["lost"] + s["wrong"] for s in run["subs"])
