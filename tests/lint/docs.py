#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.docs: links between pages resolve, and docs/protocol/errors.md has the error table of proto/base/err.h.

`python3 tests/lint/docs.py --write` writes the error page anew from the table.
"""
import os
import re
import sys

import tree

ERRORS = "docs/protocol/errors.md"
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


def main():
    if sys.argv[1:] == ["--write"]:
        with open(os.path.join(tree.ROOT, ERRORS), "w", encoding="utf-8") as f:
            f.write(error_page())
        return
    tree.expect("broken link", check_links("docs/a.md", "see [b](no-such-page.md)"), True)
    tree.expect("broken anchor", check_links("a.md", "# One\n[x](#two)"), True)
    tree.expect("good links", check_links("a.md", "# One two\n[x](#one-two) [y](https://example.org) `[z](no.md)`"), False)
    pages = tree.files(".md")
    breaches = [b for path in pages for b in check_links(path, tree.read(path))]
    if not os.path.isfile(os.path.join(tree.ROOT, ERRORS)) or tree.read(ERRORS) != error_page():
        breaches.append(f"{ERRORS} differs from proto/base/err.h: python3 tests/lint/docs.py --write")
    tree.report("docs", breaches, len(pages))


main()
