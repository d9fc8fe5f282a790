#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.size: functions of at most 60 lines, files of at most 600. What must be longer stands in size-exceptions.txt."""
import os
import re

import tree

FUNCTION_LINES, FILE_LINES = 60, 600
EXCEPTIONS = os.path.join("tests", "lint", "size-exceptions.txt")


def exceptions(text):
    """Lines of `path limit reason` or `path:function limit reason`; a reason is required."""
    out, bad = {}, []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        m = re.match(r"(\S+)\s+(\d+)\s+(\S.*)$", line)
        if not m:
            bad.append(f"{EXCEPTIONS}:{n}: want PATH[:FUNCTION] LIMIT REASON")
            continue
        out[m.group(1)] = int(m.group(2))
    return out, bad


def functions(text):
    """(name, first line, lines in the body) of each function; relies on the house style: braces in column 1."""
    name, start = None, None
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r"[A-Za-z_].*?\b(\w+)\(", line)
        if m and start is None:
            name = m.group(1)
        if line == "{":
            start = n
        elif line == "}" and start is not None:
            yield name or "?", start, n - start - 1
            start = None


def check(path, text, allowed):
    out = []
    lines = text.count("\n")
    if lines > allowed.get(path, FILE_LINES):
        out.append(f"{path}: {lines} lines, limit {allowed.get(path, FILE_LINES)}; one that outgrows it was two")
    if not path.endswith((".c", ".h")):
        return out
    for name, at, length in functions(text):
        limit = allowed.get(f"{path}:{name}", FUNCTION_LINES)
        if length > limit:
            out.append(f"{path}:{at}: {name} has {length} lines, limit {limit}")
    return out


def self_test():
    long_function = "static int f(int x)\n{\n" + "    x++;\n" * 61 + "}\n"
    tree.expect("long function", check("a.c", long_function, {}), True)
    tree.expect("exception", check("a.c", long_function, {"a.c:f": 61}), False)
    tree.expect("long file", check("a.c", "int x;\n" * 601, {}), True)
    tree.expect("short file", check("a.c", "int f(void)\n{\n    return 0;\n}\n", {}), False)


def main():
    self_test()
    allowed, breaches = exceptions(tree.read(EXCEPTIONS))
    sources = tree.files(".c", ".h", ".py", ".sh")
    for path in sources:
        breaches += check(path, tree.read(path), allowed)
    for key in allowed:
        if not os.path.isfile(os.path.join(tree.ROOT, key.split(":")[0])):
            breaches.append(f"{EXCEPTIONS}: {key.split(':')[0]} does not exist")
    tree.report("size", breaches, len(sources))


main()
