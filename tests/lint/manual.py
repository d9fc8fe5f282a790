#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.manual: what the programs say of themselves and what their pages say is the same: commands, options, exit statuses.

usage: manual.py BUILD-DIR
`weft --help` and each `weft COMMAND --help` against weft(1), both ways; the options of weftd and weft-monitor against theirs; the exit
statuses of weft(1) and weft.h's table of errors. An option of a page is a .It line; a command one with .Ic.
"""
import os
import re
import subprocess
import sys

import tree

COMMON = {"--dir", "--socket", "--output", "--partial-ok", "--quiet", "--yes", "--help"}


def helped(program, *words):
    r = subprocess.run([program, *words, "--help"], capture_output=True, text=True, timeout=60, check=False)
    return r.stdout if r.returncode == 0 else ""


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def options_of_page(text):
    """Options of .It lines: `Fl -name`, `Fl Fl name`, or `Fl o , -output`."""
    out = set()
    for line in re.findall(r"^\.It (.*Fl .*)$", text, re.M):
        out.update("--" + n for n in re.findall(r"(?:Fl (?:Fl |-)|, -)([a-z][a-z-]+)", line))
    return out


def commands_of_page(text):
    """Command -> its options, of the section COMMANDS."""
    section = re.search(r"^\.Sh COMMANDS$(.*?)^\.Sh", text, re.M | re.S)
    parts = re.split(r"^\.It Ic (.*)$", section.group(1), flags=re.M)[1:] if section else []
    return {name: options_of_page(body) for name, body in zip(parts[::2], parts[1::2])}


def differences(what, program, page):
    return [f"{what}: {x} is not in the page" for x in sorted(program - page)] + \
           [f"{what}: {x} of the page is not in the program" for x in sorted(page - program)]


def check_weft(weft, page):
    names = re.findall(r"^  (\S.*?)  +\S", helped(weft).partition("Commands:")[2], re.M)
    told = commands_of_page(page)
    out = differences("weft: commands", set(names), set(told))
    for name in names:
        text = helped(weft, *name.split())
        if not text.startswith("Examples:"):
            out.append(f"weft {name} --help does not begin with examples")
        own = re.search(r"^Options:\n(.*?)^Common options:", text, re.M | re.S)
        out += differences(f"weft {name}", options(own.group(1)) if own else set(), told.get(name, set()))
    if len(names) < 30:
        out.append(f"weft --help names only {len(names)} commands")
    return out


def check_statuses(page):
    table = {int(n) for n in re.findall(r"^    X\(\w+, *\d+, *(\d+),", tree.read("proto/base/err.h"), re.M)} | {0}
    section = re.search(r"^\.Sh EXIT STATUS$(.*?)^\.Sh", page, re.M | re.S).group(1)
    return differences("weft: exit status", {str(n) for n in table}, set(re.findall(r"^\.It (\d+)$", section, re.M)))


def main():
    page = ".Sh COMMANDS\n.It Ic a b\n.It Fl -one Ar x\n.It Fl o , -output\n.It Ic c\n.It Fl Fl two\n.Sh END\n"
    tree.expect("a page's options", ["x"] if commands_of_page(page) != {"a b": {"--one", "--output"}, "c": {"--two"}} else [], False)
    tree.expect("a missing option", differences("p", {"--a"}, set()), True)
    tree.expect("an option of nobody", differences("p", set(), {"--a"}), True)
    build = sys.argv[1]
    weft1 = tree.read("docs/man/weft.1")
    found = check_weft(f"{build}/sdk/weft", weft1) + check_statuses(weft1)
    common = options_of_page(weft1.partition(".Sh COMMANDS")[0])
    found += differences("weft: common options", COMMON, common)
    for program, name in (("node/weftd", "weftd.8"), ("domains/monitoring/weft-monitor", "weft-monitor.1")):
        said = options(helped(os.path.join(build, program)))
        told = options_of_page(tree.read(f"docs/man/{name}"))
        found += differences(os.path.basename(program), said - {"--help", "--version"}, told - {"--help", "--version"})
    tree.report("manual", found, 3)


main()
