#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.words: nothing unfinished is left behind: a TODO names its issue, and there is nothing else of the kind."""
import re

import tree

TODO = re.compile(r"\bTODO\b(?!\(#\d+\))")
LEFT = re.compile(r"\b(FIXME|XXX|HACK|not implemented|unimplemented|placeholder|stub(bed)?)\b", re.I)
SELF = ("tests/lint/words.py",)


def check(path, text):
    out = []
    for n, line in enumerate(text.split("\n"), 1):
        if TODO.search(line):
            out.append(f"{path}:{n}: a TODO names its issue: TODO(#12)")
        m = LEFT.search(line)
        if m and not path.endswith(".md"):
            out.append(f"{path}:{n}: '{m.group(0)}': finish it or open an issue")
    return out


def main():
    tree.expect("bare TODO", check("a.c", "// TODO later"), True)
    tree.expect("TODO with issue", check("a.c", "// TODO(#12): later"), False)
    tree.expect("FIXME", check("a.c", "// FIXME"), True)
    tree.expect("mkdtemp", check("a.c", 'mkdtemp("a-XXXXXX")'), False)
    sources = [f for f in tree.files(".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", ".proto", ".yaml", ".md")
               if f not in SELF]
    tree.report("words", [b for path in sources for b in check(path, tree.read(path))], len(sources))


main()
