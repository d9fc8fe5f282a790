#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.hardening BUILD RELEASE: what the compiler and linker were told is in the programs they made.

Every program and shared library: position independent, full RELRO, no executable stack or segment both writable and executable, no
text relocations, stack protector, control-flow landing pads (x86-64). In RELEASE, which has no sanitizers, also fortified calls.
"""
import os
import platform
import re
import subprocess
import sys

PROGRAMS = ["node/weftd", "sdk/weft", "domains/common/weft-host", "domains/monitoring/weft-monitor", "domains/network/weft-ports"]
LIBRARY = "sdk/libweft.so"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def findings(path, is_library, fortified):
    out = []
    head, dynamic = run("readelf", "-hW", path), run("readelf", "-dW", path)
    segments, symbols = run("readelf", "-lW", path), run("nm", "-D", path)
    if not re.search(r"Type:\s+DYN", head) or not (is_library or re.search(r"Flags:.*\bPIE\b", dynamic)):
        out.append("not position independent")
    if "GNU_RELRO" not in segments or not re.search(r"BIND_NOW|Flags:.*\bNOW\b", dynamic):
        out.append("no full RELRO")
    if not re.search(r"GNU_STACK.*\bRW\s", segments):
        out.append("executable stack")
    if re.search(r"LOAD.*\bRWE\b", segments):
        out.append("a segment is writable and executable")
    if "TEXTREL" in dynamic:
        out.append("text relocations")
    if "__stack_chk_fail" not in symbols:
        out.append("no stack protector")
    if platform.machine() == "x86_64" and not is_library:
        main = re.search(r"<main>:\n\s*\S+\s+(\S+)", run("objdump", "-d", "--no-show-raw-insn", "--disassemble=main", path))
        if main and main.group(1) != "endbr64":
            out.append("no landing pads (-fcf-protection)")
    if fortified and not re.search(r"__(snprintf|vsnprintf|fprintf|memcpy)_chk", symbols):
        out.append("no fortified calls (_FORTIFY_SOURCE)")
    return [f"{path}: {what}" for what in out]


def main():
    build, release = sys.argv[1:3]
    for tool in ("readelf", "nm", "objdump"):
        if subprocess.run(["which", tool], capture_output=True).returncode:
            print(f"skipped: no {tool}")
            sys.exit(77)
    # The check itself is checked: a program made the wrong way is found out.
    probe = os.path.join(build, "hardening-probe")
    made = subprocess.run(["cc", "-no-pie", "-fno-stack-protector", "-fcf-protection=none", "-Wl,-z,norelro,-z,execstack", "-x", "c", "-o",
        probe, "-"], input="int main(void) { return 0; }", text=True, capture_output=True)
    if made.returncode == 0 and len(findings(probe, False, True)) < 5:
        sys.exit("hardening: a program without any protection was not found out: " + "; ".join(findings(probe, False, True)))
    found, count = [], 0
    for folder, fortified in ((build, False), (release, True)):
        for name in PROGRAMS + [LIBRARY]:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                count += 1
                found += findings(path, name == LIBRARY, fortified)
            elif folder == build:
                found.append(f"{path} was not built")
    print("\n".join(found))
    print(f"hardening: {count} programs, {len(found)} findings")
    if found:
        sys.exit(1)
    if not os.path.exists(os.path.join(release, PROGRAMS[0])):
        print("skipped in part: no release build, so fortified calls were not looked for")
        sys.exit(77)


main()
