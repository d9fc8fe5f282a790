#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.docs [BUILD]: links between pages resolve; docs/protocol/errors.md has the error table of proto/base/err.h; docs/protocol/limits.md
has every limit of proto/base/limits.h with its value, and codes that exist; every field of the wire's messages stands on a page; tests that pages name exist in BUILD; the threat model names an
attack once, and at least one test for it.

`python3 tests/lint/docs.py --write` writes the error page anew from the table.
"""
import os
import re
import subprocess
import sys

import tree

ERRORS = "docs/protocol/errors.md"
LIMITS = "docs/protocol/limits.md"
THREATS = "docs/threat-model.md"
ROW = re.compile(r'X\((\w+),\s*(\d+),\s*(\d+),\s*"([^"]*)",\s*"([^"]*)"\)')
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEAD = """# Error codes

One table gives every refusal its number, name, exit status and meaning: `proto/base/err.h`, installed as `<weft/err.h>`.
Numbers travel on the wire (`Refusal.code`); a published number never changes meaning. This page is written from the table
(`python3 tests/lint/docs.py --write`).

| number | name | exit status | text | meaning |
| ---: | --- | ---: | --- | --- |
"""


def error_page():
    rows = ROW.findall(tree.read("proto/base/err.h"))
    return HEAD + "".join(f"| {n} | `WEFT_E_{name}` | {status} | {text} | {doc} |\n" for name, n, status, text, doc in rows)


def anchors(text):
    """GitHub's anchors of a page's headings."""
    out = set()
    for title in re.findall(r"^#{1,6}\s+(.+?)\s*$", re.sub(r"```.*?```", "", text, flags=re.S), re.M):
        out.add(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"))
    return out


def check_links(path, text):
    out = []
    prose = re.sub(r"```.*?```|`[^`\n]*`", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)
    for m in LINK.finditer(prose):
        target, _, anchor = m.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        where = f"{path}:{prose.count(chr(10), 0, m.start()) + 1}"
        full = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if target and not os.path.exists(os.path.join(tree.ROOT, full)):
            out.append(f"{where}: {target} does not exist")
        elif anchor and full.endswith(".md") and anchor not in anchors(text if full == path else tree.read(full)):
            out.append(f"{where}: {full} has no heading #{anchor}")
    return out


TEST_LAYERS = "proto|registry|sdk|node|domains|sim|e2e|lint|fuzz-corpus"
TEST_NAME = re.compile(r"(?<![\w./-])(?:%s)\.[a-z][a-z0-9_]*(?![\w/]|\.[a-z])" % TEST_LAYERS)
NOT_TESTS = re.compile(r"\.(c|h|sh|py|md|proto|cmake|yaml|db|txt|key)$")


def test_names(build):
    """All tests of a build, without the one that runs this."""
    out = subprocess.run(["ctest", "--test-dir", build, "-N"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"Test\s+#\d+: (\S+)", out))


def check_test_names(path, text, known):
    out = []
    for m in TEST_NAME.finditer(text):
        name = m.group(0)
        if name not in known and not NOT_TESTS.search(name):
            out.append(f"{path}:{text.count(chr(10), 0, m.start()) + 1}: there is no test {name}")
    return out


def check_threats(path, text):
    out, seen = [], set()
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 3 or cells[0] in ("attack", "---"):
            continue
        if cells[0] in seen:
            out.append(f"{path}:{number}: \"{cells[0]}\" stands here twice")
        seen.add(cells[0])
        if not cells[1] or not TEST_NAME.search(cells[2]):
            out.append(f"{path}:{number}: no defence or no test")
    if not seen:
        out.append(f"{path}: no attack at all")
    return out


def limits(header):
    """{name: value} of a header's #defines; values are numbers."""
    out = {}
    text = re.sub(r"\\\n", " ", header)
    for name, value in re.findall(r"^#define (WF_\w+)[ \t]+(.+?)[ \t]*(?://.*)?$", text, re.M):
        expr = re.sub(r"(\d+)(?:u|ll|LL)\b", r"\1", value)
        expr = re.sub(r"WF_\w+", lambda m: str(out[m.group(0)]), expr)
        out[name] = eval(expr, {"__builtins__": {}})
    return out


def check_limits(path, text, known, codes):
    out, rows = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r"\| `(WF_\w+)` \| ([-\d,]+) \|", line)
        if not m:
            continue
        rows[m.group(1)] = int(m.group(2).replace(",", ""))
        for code in re.findall(r"`([A-Z][A-Z0-9_]+)`", line[m.end():]):
            if code not in codes and not code.startswith("WF_"):
                out.append(f"{path}:{number}: there is no code {code}")
    for name in sorted(set(known) | set(rows)):
        if name not in rows:
            out.append(f"{path}: {name} is missing")
        elif name not in known:
            out.append(f"{path}: {name} is no limit")
        elif rows[name] != known[name]:
            out.append(f"{path}: {name} is {known[name]:,}, not {rows[name]:,}")
    return out


def check_fields(protos, text):
    """Every field of the wire's messages is a word of some page of docs/protocol."""
    words, out = set(re.findall(r"\w+", text)), []
    for path, proto in protos:
        message = ""
        for number, line in enumerate(proto.splitlines(), 1):
            m = re.match(r"\s*message (\w+)", line)
            message = m.group(1) if m else message
            m = re.match(r"\s+(?:repeated |optional )?[\w.]+ (\w+) = \d+", line)
            if m and message and m.group(1) not in words and m.group(1).replace("_", " ") not in text:
                out.append(f"{path}:{number}: {message}.{m.group(1)} stands on no page of docs/protocol")
    return out


def main():
    if sys.argv[1:] == ["--write"]:
        with open(os.path.join(tree.ROOT, ERRORS), "w", encoding="utf-8") as f:
            f.write(error_page())
        return
    tree.expect("broken link", check_links("docs/a.md", "see [b](no-such-page.md)"), True)
    tree.expect("broken anchor", check_links("a.md", "# One\n[x](#two)"), True)
    tree.expect("good links", check_links("a.md", "# One two\n[x](#one-two) [y](https://example.org) `[z](no.md)`"), False)
    tree.expect("a test that is not there", check_test_names("a.md", "x proto.nonsense, proto/base/err.h", {"proto.frame"}), True)
    tree.expect("tests that are there", check_test_names("a.md", "proto.frame, node/log.c, node.c", {"proto.frame"}), False)
    tree.expect("an attack twice", check_threats("a.md", "| a | d | proto.x |\n| a | d | proto.y |"), True)
    tree.expect("an attack without a test", check_threats("a.md", "| a | d | later |"), True)
    known, codes = limits("#define WF_K (1024u)\n#define WF_A (2u * WF_K) // why"), {"TOO_BIG"}
    tree.expect("a limit left out", check_limits("a.md", "| `WF_K` | 1,024 | x |", known, codes), True)
    tree.expect("a limit's other value", check_limits("a.md", "| `WF_K` | 1,024 | x |\n| `WF_A` | 7 | x |", known, codes), True)
    tree.expect("a code that is none", check_limits("a.md", "| `WF_K` | 1,024 | `BIG` |\n| `WF_A` | 2,048 | x |", known, codes), True)
    tree.expect("limits", check_limits("a.md", "| `WF_K` | 1,024 | `TOO_BIG` |\n| `WF_A` | 2,048 | x |", known, codes), False)
    tree.expect("a field on no page", check_fields([("a.proto", "message A {\n  bytes some_field = 1;\n}")], "another field"), True)
    tree.expect("a field on a page", check_fields([("a.proto", "message A {\n  bytes some_field = 1;\n}")], "| some_field |"), False)
    pages = tree.files(".md")
    names = test_names(sys.argv[1]) if len(sys.argv) > 1 else None
    breaches = [b for path in pages for b in check_links(path, tree.read(path))]
    if not os.path.isfile(os.path.join(tree.ROOT, ERRORS)) or tree.read(ERRORS) != error_page():
        breaches.append(f"{ERRORS} differs from proto/base/err.h: python3 tests/lint/docs.py --write")
    codes = {name for name, *_ in ROW.findall(tree.read("proto/base/err.h"))}
    breaches += check_limits(LIMITS, tree.read(LIMITS), limits(tree.read("proto/base/limits.h")), codes)
    breaches += check_threats(THREATS, tree.read(THREATS))
    protos = [(p, tree.read(p)) for p in tree.files(".proto") if p.startswith("proto/weft/v1/") and not p.endswith("options.proto")]
    breaches += check_fields(protos, "\n".join(tree.read(p) for p in pages if p.startswith("docs/protocol")))
    for path in pages if names else []:
        breaches += check_test_names(path, tree.read(path), names)
    tree.report("docs", breaches, len(pages))


main()
