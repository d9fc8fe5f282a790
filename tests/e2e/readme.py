#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""e2e.readme: the commands of README.md, run in order as one shell session in an empty directory with a home of its own.

usage: readme.py BUILD-DIR
Every ```sh block is run; a command that fails ends it. A ```text block behind one is what its output has, line by line in this order; the
sign … stands for anything, blanks for any number of blanks. A block that is not run says why in its info string (norun=WHY), and is counted.
Runs in a network namespace of its own, so that the ports of the page are free; without one, the test is skipped.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77
EXPECTED_NORUN = 2
OWN = ["unshare", *(["--map-root-user"] if os.getuid() else []), "--net", "--pid", "--fork", "--mount-proc"]


def blocks(text):
    """(line number, info string, body) of each fenced block."""
    for m in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield text.count("\n", 0, m.start()) + 2, m.group(1).strip(), m.group(2)


def script(found):
    """One shell program; a mark in its output says which block speaks. Numbers of lines in errors are those of the page."""
    out = ["set -eu -o pipefail"]
    for number, info, body in found:
        out.append(f"echo '@@block {number}'; echo '@@block {number}' >&2")
        # `! command` never ends a shell with -e, so a success is made a failure by hand.
        out.append(re.sub(r"^! (.*?)(\s+#.*)?$", r"if \1; then echo 'README: not refused'; exit 1; fi", body, flags=re.M))
    out.append("echo '@@end'")
    return "\n".join(out) + "\n"


def pattern(line):
    words = [re.escape(w).replace("…", ".*") for w in line.split()]
    return re.compile(r"\s+".join(words).replace(r"\s+.*", r".*") + ("" if line.rstrip().endswith("…") else r"\s*$"))


def missing(wanted, said):
    """The first line of `wanted` that `said` has not, in this order; None when all are there."""
    lines = iter(said.splitlines())
    for line in wanted.splitlines():
        if line.strip() and not any(pattern(line).match(other.strip()) for other in lines):
            return line
    return None


def install(build, prefix):
    r = subprocess.run(["cmake", "--install", build, "--prefix", prefix], capture_output=True, text=True, check=False)
    if r.returncode:
        sys.exit(r.stdout + r.stderr)


def environment(work):
    lib = next(d for d, _, files in os.walk(f"{work}/usr") if "libweft.so" in files)
    keep = {k: v for k, v in os.environ.items() if k.endswith("_OPTIONS") or k in ("LANG", "TMPDIR")}
    return {**keep, "PATH": f"{work}/usr/bin:{work}/usr/sbin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": f"{work}/home", "LD_LIBRARY_PATH": lib}


def run(work, program):
    """(status, both outputs in one stream). All that it started is ended with it: it is its own process group."""
    with open(f"{work}/readme.sh", "w", encoding="utf-8") as f:
        f.write(program)
    shell = f"ip link set lo up && cd {work}/here && exec bash {work}/readme.sh"
    with subprocess.Popen([*OWN, "--kill-child", "sh", "-c", shell], env=environment(work),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True) as p:
        try:
            return p, p.communicate(timeout=240)[0]
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            return p, p.communicate()[0] + "\nREADME: not within 240 s"


def judge(found, said):
    """What of the page is not so."""
    parts = dict(re.findall(r"^@@block (\d+)\n(.*?)(?=^@@(?:block|end)|\Z)", re.sub(r"(@@block \d+\n)\1", r"\1", said), re.M | re.S))
    for (number, info, _), (below, text, wanted) in zip(found, found[1:]):
        if info.startswith("sh") and text == "text":
            line = missing(wanted, parts.get(str(number), ""))
            if line is not None:
                yield f"README.md:{below}: the commands of line {number} do not say: {line}"


def main():
    if subprocess.run([*OWN, "true"], capture_output=True, check=False).returncode:
        print("no namespaces for this user: not run")
        sys.exit(SKIP)
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        found = [b for b in blocks(f.read()) if b[1]]
    norun = [b for b in found if "norun=" in b[1]]
    commands = [b for b in found if b[1] == "sh"]
    odd = [b for b in found if b not in norun and b[1] not in ("sh", "text")]
    for number, info, _ in norun:
        print(f"README.md:{number}: not run: {info.split('norun=')[1]}")
    work = tempfile.mkdtemp(prefix="weft-readme-")
    try:
        os.makedirs(f"{work}/here")
        os.makedirs(f"{work}/home")
        install(sys.argv[1], f"{work}/usr")
        p, said = run(work, script(commands))
        logs = "".join(open(f"{work}/here/{n}", encoding="utf-8").read() for n in os.listdir(f"{work}/here") if n.endswith(".log"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    wrong = list(judge([b for b in found if b not in norun], said))
    wrong += [f"README.md:{n}: a block of kind {i!r}" for n, i, _ in odd]
    if p.returncode or "@@end" not in said:
        wrong.append(f"it ended with status {p.returncode}")
    if len(norun) != EXPECTED_NORUN or missing("a … c", "a b d") is None or missing("a … c", "a b c") is not None:
        wrong.append(f"{len(norun)} blocks are not run, expected {EXPECTED_NORUN}; or the comparison is broken")
    if "Sanitizer" in said + logs or "runtime error" in said + logs:
        wrong.append("a sanitizer speaks: " + logs)
    print(f"{len(commands)} blocks run, {sum(b[1] == 'text' for b in found)} outputs compared, {len(norun)} not run")
    if wrong:
        sys.exit(f"{said[-20000:]}\n{logs[-3000:]}\n" + "\n".join(wrong))


main()
