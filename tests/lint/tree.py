# SPDX-License-Identifier: Apache-2.0
"""The source tree as the lints see it: which files there are, and C text without comments and strings.

Run as a program it prints the files that end in one of its arguments, for the lints in shell.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77  # exit status that ctest shows as "Skipped"
CODE = ("proto", "registry", "sdk", "node", "domains", "examples")


def files(*suffixes):
    """Every file of the tree (tracked, or new and not ignored) whose path ends in one of the suffixes."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        out = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT) for f in fs
               if not os.path.relpath(d, ROOT).startswith(("build", ".git"))]
    return sorted(f for f in set(out) if f.endswith(suffixes) and os.path.isfile(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text):
    """C text with comments and literals blanked, line numbers kept. Include lines keep their file names."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            line_start = text.rfind("\n", 0, m.start()) + 1
            if re.match(r"\s*#\s*include\b", text[line_start:m.start()]):
                return s
            return s[0] + " " * (len(s) - 2) + s[0]
        return re.sub(r"[^\n]", " ", s)
    return _TOKEN.sub(blank, text)


def report(name, breaches, checked):
    """Prints the breaches, sorted, and exits with the verdict."""
    for b in sorted(set(breaches)):
        print(b)
    print(f"{name}: {checked} files, {len(set(breaches))} findings")
    sys.exit(1 if breaches else 0)


def expect(what, got, want):
    """A self-test's assertion: a lint that can't find a planted breach is itself a failure."""
    if bool(got) != want:
        print(f"self-test: {what}: {'missed' if want else 'false alarm'}: {got}")
        sys.exit(1)


if __name__ == "__main__":
    print("\n".join(files(*sys.argv[1:])))
