#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.metrics: every family of /metrics has a help text, a name by the rules, its place in the code and its line in weftd-metrics(7), and nothing else has.

usage: metrics.py | metrics.py --write
--write writes the list of weftd-metrics(7) anew.
"""
import os
import re
import sys

import tree

TABLE, PAGE = "node/metrics.h", "docs/man/weftd-metrics.7"
ROW = re.compile(r'^ *X\((\w+), "([^"]*)", "([^"]*)", "([^"]*)", "([^"]*)"\)', re.M)
LABELS = {"version", "role", "domain", "subject", "queue", "class", "cause", "code", "product", "major", "state", "le", "host"}  # each bounded


def wrong(row):
    """What the rules of the text format and of its practice say against one row."""
    _, name, kind, labels, text = row
    out = []
    if not re.fullmatch(r"weft_[a-z][a-z0-9_]*", name):
        out.append("its name")
    if kind not in ("counter", "gauge", "histogram"):
        out.append(f"type {kind}")
    if (kind == "counter") != name.endswith("_total"):
        out.append("_total is for counters, and for all of them")
    if re.search(r"_(ms|us|millis|minutes|kib|mib)(_|$)", name):
        out.append("units are seconds and bytes")
    if name.endswith(("_bucket", "_sum", "_count")):
        out.append("an ending of histograms")
    if not text.endswith(".") or "\\" in text:
        out.append("a help text is a sentence")
    out += [f"label {label} is not among those that are bounded" for label in labels.split() if label not in LABELS]
    return [f"{TABLE}: {name}: {x}" for x in out]


def listed(rows):
    out = []
    for _, name, kind, labels, text in rows:
        braces = "{" + ",".join(labels.split()) + "}" if labels else ""
        out.append(f".It Li {name}{braces}\n({kind}) {text}\n")
    return "".join(out)


def page_with(page, rows):
    return re.sub(r"(\.Bl -tag -width Ds\n)(?:\.It Li .*\n.*\n)*(\.El)", lambda m: m.group(1) + listed(rows) + m.group(2), page)


def check(table, page, code):
    rows = ROW.findall(table)
    out = [x for row in rows for x in wrong(row)]
    if len(rows) != len(re.findall(r"^ *X\(", table, re.M)):
        out.append(f"{TABLE}: a row that can't be read")
    names = [r[1] for r in rows]
    out += [f"{TABLE}: {n} twice" for n in names if names.count(n) > 1]
    out += [f"{TABLE}: {r[1]} is never written" for r in rows
            if not re.search(rf"\bWF_METRIC_{r[0]}\b", code) and not re.search(rf"\bROW\({r[0].removeprefix('STREAM_')},", code)]
    out += [f"node: \"{n}\" is written beside {TABLE}" for n in re.findall(r'"(?:# TYPE )?(weft_[a-z0-9_]*_total|# TYPE)', code)]
    if page_with(page, rows) != page:
        out.append(f"{PAGE}: not the list of {TABLE}; see: metrics.py --write")
    return out


def self_test():
    row = 'X(A, "weft_a_total", "counter", "queue", "What it is.")'
    page = ".Bl -tag -width Ds\n" + listed(ROW.findall(row)) + ".El\n"
    tree.expect("a good one", check(row, page, "WF_METRIC_A"), False)
    for what, table, told, code in [
            ("a page without it", row, ".Bl -tag -width Ds\n.El\n", "WF_METRIC_A"),
            ("a page with another help", row, page.replace("What", "Who"), "WF_METRIC_A"),
            ("one that is never written", row, page, ""),
            ("one beside the table", row, page, 'WF_METRIC_A "# TYPE x"'),
            ("a counter without _total", row.replace("a_total", "a"), page.replace("a_total", "a"), "WF_METRIC_A"),
            ("an unbounded label", row.replace("queue", "user"), page.replace("queue", "user"), "WF_METRIC_A"),
            ("milliseconds", row.replace("a_total", "a_ms_total"), page.replace("a_total", "a_ms_total"), "WF_METRIC_A")]:
        tree.expect(what, check(table, told, code), True)


def main():
    self_test()
    table, page = tree.read(TABLE), tree.read(PAGE)
    if sys.argv[1:] == ["--write"]:
        with open(os.path.join(tree.ROOT, PAGE), "w", encoding="utf-8") as f:
            f.write(page_with(page, ROW.findall(table)))
        return
    sources = [f for f in tree.files(".c") if f.startswith("node/") and f != "node/metrics.c"]
    tree.report("metrics", check(table, page, "".join(map(tree.read, sources))), len(sources) + 2)


main()
