#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sdk.docstrings: every function of the public headers says what it does and is shown in an example that compiles.

usage: docstrings.py INCLUDE-DIRECTORY OF err.h, CC, FLAG...
An example is a run of comment lines indented by five. Each becomes the body of a function that has, as parameters, what the header says
examples take, and all are compiled as they stand, with warnings as errors.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.environ["WEFT_SOURCE_DIR"]
HEADERS = ("sdk/include/weft/weft.h", "sdk/include/weft/conf.h", "proto/base/err.h")
PARAMETERS = """struct weft_client *c, struct weft_problem problem, struct weft_catalog *catalog, struct weft_product *product,
    struct weft_publisher *publisher, struct weft_subscription *subscription, const struct weft_event *event,
    const struct weft_record *record, struct weft_rows *rows, struct weft_result result, struct weft_service *service,
    weft_serve_fn handler, struct weft_conf *file, const struct weft_conf_node *map"""
NAMES = re.findall(r"(\w+)(?:,|$)", PARAMETERS)
FUNCTION = re.compile(r"\b(weft_\w+)\(")


def blocks(text):
    """(line number, comment, examples, declaration) of each comment with the code lines behind it up to the next empty one or comment."""
    comment, code, start, out = [], [], 0, []
    for number, line in enumerate(text.splitlines() + [""], 1):
        if line.startswith("//"):
            if code:
                out.append((start, comment, code))
                comment, code = [], []
            if not comment:
                start = number
            comment.append(line[2:])
        elif line.strip():
            code.append(line)
        else:
            out.append((start, comment, code))
            comment, code = [], []
    return [block for block in out if block[1] or block[2]]


def declared(code):
    """Functions that these lines declare: those behind WEFT_API."""
    text = " ".join(code)
    return [m.group(1) for part in text.split("WEFT_API")[1:] if (m := FUNCTION.search(part)) and "#" not in part[:1]]


def examples(comment, start):
    """(line number, lines) of each run of indented lines."""
    runs = []
    for number, line in enumerate(comment, start):
        if line.startswith("     "):
            if not runs or runs[-1][0] + len(runs[-1][1]) != number:
                runs.append((number, []))
            runs[-1][1].append(line[5:])
    return runs


def program(found):
    out = ["#include <err.h>", "#include <poll.h>", "#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>",
           "#include <weft/weft.h>", "#include <weft/conf.h>"]
    for path, number, lines in found:
        out.append(f"void example_{len(out)}({PARAMETERS});")
        out.append(f"void example_{len(out) - 1}({PARAMETERS})")
        out += ["{", *(f"(void){name};" for name in NAMES), f'#line {number} "{path}"', *lines, "}"]
    return "\n".join(out) + "\n"


def compiles(source, compiler):
    with tempfile.TemporaryDirectory() as tmp:
        name = os.path.join(tmp, "examples.c")
        with open(name, "w", encoding="utf-8") as f:
            f.write(source)
        r = subprocess.run([*compiler, "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", name],
                           capture_output=True, text=True, timeout=100, check=False)
        return r.returncode == 0, r.stderr


def main():
    compiler = [sys.argv[2], "-I" + sys.argv[1], "-I" + os.path.join(ROOT, "sdk/include"), *sys.argv[3:]]
    found, silent, functions, shown = [], [], [], set()
    for path in HEADERS:
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            text = f.read()
        said = set()
        for start, comment, code in blocks(text):
            names = declared(code)
            functions += names
            if any(line.strip() and not line.startswith("     ") for line in comment):
                said.update(names)
            for number, lines in examples(comment, start):
                found.append((path, number, lines))
                shown.update(FUNCTION.findall("\n".join(lines)))
        silent += [f"{path}: {n} has no words" for n in declared(text.splitlines()) if n not in said]
    silent += [f"{n} is shown in no example" for n in functions if n not in shown]
    # The check itself must see a mistake.
    bad = compiles(program([("planted", 1, ["weft_close(c, 1);"])]), compiler)
    ok, why = compiles(program(found), compiler)
    print(f"{len(functions)} functions, {len(found)} examples")
    print("\n".join(silent) + why)
    sys.exit(not ok or bad[0] or bool(silent) or len(functions) < 50)


main()
