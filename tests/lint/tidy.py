#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.tidy: clang-tidy over every .c of the production tree, from build/dev's compile commands.

A clean result is remembered below the build folder under a hash of the file, the headers of ours it reaches, its command
line, the configuration and clang-tidy itself, so an unchanged file costs nothing. Findings differ between releases of
clang-tidy, so only release 14 decides; another one is a visible skip.

Of the analyzer only rules on syntax are in force (.clang-tidy says why), but clang-tidy lets its path-sensitive engine run with
them and throws away what that finds: nineteen twentieths of all time. One node a function ends it at once.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree

RELEASE = "14"
ARGUMENTS = ["--quiet", "--extra-arg=-Wno-unknown-warning-option"]
ARGUMENTS += [f"--extra-arg={a}" for a in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=1")]
# A breach of each family of rules, to be found under the same arguments.
PLANTED = """#include <string.h>
#include <stdlib.h>
int f(char *d, const char *s, int n);
int f(char *d, const char *s, int n)
{
    strcpy(d, s);
    for (float x = 0; x < 1; x += 0.1f)
        d[0]++;
    if (strcmp(d, s) == -1 || n == n)
        return atoi(s);
    return 0;
}
"""
FOUND = ("clang-analyzer-security.insecureAPI.strcpy", "clang-analyzer-security.FloatLoopCounter", "bugprone-suspicious-string-compare", "misc-redundant-expression", "cert-err34-c")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)


def find_tool():
    for name in (f"clang-tidy-{RELEASE}", "clang-tidy"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(rf"version {RELEASE}\.", version):
                return name, version
    print(f"clang-tidy {RELEASE} is not here; not checked")
    sys.exit(tree.SKIP)


def closure(path, roots, seen):
    """The file and every header of ours that it reaches."""
    if path in seen:
        return
    seen.add(path)
    with open(path, encoding="utf-8", errors="replace") as f:
        names = INCLUDE.findall(f.read())
    for name in names:
        for root in roots:
            candidate = os.path.join(root, name)
            if os.path.isfile(candidate):
                closure(candidate, roots, seen)
                break


def key(entry, roots, salt):
    seen = set()
    closure(entry["file"], roots, seen)
    h = hashlib.sha256(salt + entry["command"].encode())
    for path in sorted(seen):
        with open(path, "rb") as f:
            h.update(path.encode() + b"\0" + hashlib.sha256(f.read()).digest())
    return h.hexdigest()


def check(tool, build, entry, stamp):
    if os.path.exists(stamp):
        return None
    r = subprocess.run([tool, "-p", build, *ARGUMENTS, entry["file"]], capture_output=True, text=True)
    if r.returncode == 0:
        with open(stamp, "w", encoding="utf-8"):
            pass
        return ""
    return f"{r.stdout}{r.stderr if not r.stdout else ''}"


def self_test(tool):
    """Stops when a planted breach is not found."""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(PLANTED)
        f.flush()
        config = os.path.join(tree.ROOT, ".clang-tidy")
        out = subprocess.run([tool, f"--config-file={config}", *ARGUMENTS, f.name, "--"], capture_output=True, text=True).stdout
    missed = [rule for rule in FOUND if f"[{rule}" not in out and f",{rule}" not in out]
    if missed:
        sys.exit(f"tidy: planted breaches of {', '.join(missed)} were not found:\n{out}")


def main():
    build = sys.argv[1]
    tool, version = find_tool()
    self_test(tool)
    cache = os.path.join(build, "tidy-cache")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = [e for e in json.load(f) if os.path.relpath(e["file"], tree.ROOT).split(os.sep)[0] in tree.CODE]
    unique = {e["file"]: e for e in entries}
    roots = [tree.ROOT, os.path.join(tree.ROOT, "sdk", "include"), os.path.join(build, "gen")]
    salt = (version + " ".join(ARGUMENTS) + tree.read(".clang-tidy")).encode()
    stamps = {f: os.path.join(cache, key(e, roots, salt)) for f, e in unique.items()}
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda f: check(tool, build, unique[f], stamps[f]), sorted(unique)))
    for stale in set(os.listdir(cache)) - {os.path.basename(s) for s in stamps.values()}:
        os.unlink(os.path.join(cache, stale))
    findings = [r for r in results if r]
    print("".join(findings), end="")
    print(f"tidy: {len(results)} files, {sum(r is not None for r in results)} checked now, {len(findings)} with findings")
    sys.exit(1 if findings else 0)


main()
