#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.manual: what the programs say of themselves and what their pages say is the same, both ways; commands that they advise exist.

usage: manual.py BUILD-DIR | manual.py --synopsis
Commands and options of `weft --help` and each `weft COMMAND --help` against weft(1), those of weftd and weft-monitor against theirs; exit
statuses against the table of errors; the keys of node/conf.c against weftd.yaml(5), those of sdk/conf/manifest.c against weft-product(5); the functions of <weft/*.h> against weft(3), with
their types. Each example of a --help and of a page is read by the program's own parser. An option of a page is a .It line; a command one with .Ic,
a key one with .Cm, a function one with .Fn.

--synopsis prints the functions as weft(3) has to show them.
"""
import os
import re
import shlex
import shutil
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


def commands(weft):
    return re.findall(r"^  (\S.*?)  +\S", helped(weft).partition("Commands:")[2], re.M)


def check_weft(weft, page):
    names = commands(weft)
    told = commands_of_page(page)
    out = differences("weft: commands", set(names), set(told))
    for name in names:
        text = helped(weft, *name.split())
        if not text.startswith("Examples:"):
            out.append(f"weft {name} --help does not begin with examples")
        own = re.search(r"^Options:\n(.*?)^Common options:", text, re.M | re.S)
        mine = told.get(name, set())
        out += differences(f"weft {name}", (options(own.group(1)) if own else set()) - (COMMON - mine), mine)
        out += differences(f"weft {name} --help: common options", options(text.partition("Common options:")[2]), COMMON)
    if len(names) < 30:
        out.append(f"weft --help names only {len(names)} commands")
    return out


# ---- what programs advise

LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def literals(code):
    """The string literals of C code, those that follow each other joined; comments are no advice."""
    code = re.sub(r"(?m)(?:^|\s)//[^\n]*", "", code)
    return LITERAL.findall(re.sub(r'(?<!\\)"\s*(?:\\\n\s*)?"', "", code))


def check_advice(where, code, names):
    """In backticks every `weft ...` has to be a command; behind a mark (see: weft agent list) where a noun of commands follows."""
    nouns, out = {n.split()[0] for n in names if " " in n}, []
    for text in literals(code):
        for tick, noun, verbs in re.findall(r"(`|(?<=[:;,(] ))weft ([a-z]+)(?: ([a-z]+(?:\|[a-z]+)*))?(?![\w/-])", text):
            known = noun in names and (not verbs or noun not in nouns) or any(f"{noun} {v}" in names for v in (verbs or "").split("|"))
            if not known and (noun in nouns if not tick else noun != "help"):
                out.append(f"{where}: \"weft {noun} {verbs}\" is no command of weft")
    return out


# ---- exit statuses

# Statuses of the table that a program never ends with: weftd and weft-monitor give no partial answers.
NEVER = {"weft": set(), "weftd": {"2"}, "weft-monitor": {"2"}}


def section(page, title):
    m = re.search(rf"^\.Sh {title}$(.*?)(?=^\.Sh|\Z)", page, re.M | re.S)
    return m.group(1) if m else ""


def statuses_of_table(header):
    return {n for n in re.findall(r"^    X\(\w+, *\d+, *(\d+),", header, re.M)} | {"0"}


def check_statuses(program, page, header, text=""):
    """text: what the program says of itself, perhaps with a line `Exit: 0 done, 1 ...`."""
    told = set(re.findall(r"^\.It (\d+)$", section(page, "EXIT STATUS"), re.M))
    said = re.search(r"^Exit: (.*)$", text, re.M)
    return differences(f"{program}: exit status", statuses_of_table(header) - NEVER[program], told) + \
        (differences(f"{program} --help: exit status", set(re.findall(r"(?:^|, )(\d+) ", said.group(1))), told) if said else [])


# ---- weftd.yaml

def keys_of_parser(code, first="conf_keys"):
    """{(key,) or (key, key below)} of a parser: its first table and the tables that it names."""
    code = re.sub(r'\.hint = "[^"]*"', "", code)
    arrays = {name: re.findall(r'\{ "(\w+)",([^{}]*)\}', body) for name, body in
              re.findall(r"static const struct wf_key (\w+)\[\] = \{(.*?)\n\};", code, re.S)}
    tables = dict(re.findall(r"static const struct wf_key_table (\w+) = \{[^,]*, (\w+),", code))
    out = set()
    for key, rest in arrays.get(first, []):
        out.add((key,))
        below = re.search(r"\.table = &(\w+)", rest)
        out.update((key, k) for k, _ in arrays[tables[below.group(1)]]) if below else None
    return out


def roles_of_parser(code):
    """{key: role} of the keys that only one role has."""
    return dict(re.findall(r'\{ "(\w+)", WF_ROLE_(\w+) \}', code))


def keys_of_page(text):
    """The same of a section: .It Cm lines of the outer list, and of the list within an item."""
    out, depth, outer = set(), 0, []
    for line in text.splitlines():
        depth += line.startswith(".Bl")
        depth -= line.startswith(".El")
        if line.startswith(".It Cm "):
            names = [n for n in line[7:].split() if n != ","]
            if depth == 1:
                outer = names
                out.update((n,) for n in names)
            else:
                out.update((o, n) for o in outer for n in names)
    return out


def check_keys(code, page):
    parts = {None: "KEYS OF BOTH ROLES", "NODE": "KEYS OF A NODE", "AGENT": "KEYS OF AN AGENT"}
    roles, keys, out = roles_of_parser(code), keys_of_parser(code), []
    for role, title in parts.items():
        known = {".".join(k) for k in keys if roles.get(k[0]) == role}
        out += differences(f"weftd.yaml: {title.lower()}", known, {".".join(k) for k in keys_of_page(section(page, title))})
    return out + ([] if len(keys) > 30 else [f"node/conf.c: only {len(keys)} keys found"])


def check_manifest_keys(code, page):
    known = {".".join(k) for k in keys_of_parser(code, "manifest_keys")}
    return differences("manifest", known, {".".join(k) for k in keys_of_page(section(page, "KEYS"))}) + \
        ([] if len(known) > 30 else [f"sdk/conf/manifest.c: only {len(known)} keys found"])


# ---- libweft

HEADERS = ("sdk/include/weft/weft.h", "sdk/include/weft/conf.h", "proto/base/err.h")  # installed as <weft/...>


def functions_of_header(text):
    """{name: (type, [parameter])} in the header's order."""
    out = {}
    declaration = r"WEFT_API\s+(?:WEFT_MUST_USE\s+)?([\w\s]*?[\w*]\s*\**)\s*(weft_\w+)\(([^;]*)\);"
    for kind, name, args in re.findall(declaration, re.sub(r"//[^\n]*", "", text)):
        out[name] = (" ".join(kind.split()), [" ".join(a.split()) for a in args.split(",")])
    return out


def functions_of_synopsis(text):
    return {name: (kind, re.findall(r'"([^"]*)"', args)) for kind, name, args in
            re.findall(r"^\.Ft (.*)\n\.Fn (\w+)(.*)$", text, re.M)}


def synopsis(functions):
    return "".join(f".Ft {kind}\n.Fn {name} " + " ".join(f'"{a}"' for a in args) + "\n" for name, (kind, args) in functions.items())


def check_functions(headers, page):
    functions = {name: f for text in headers for name, f in functions_of_header(text).items()}
    shown, out = functions_of_synopsis(section(page, "SYNOPSIS")), []
    told = re.findall(r"^\.It Fn (\w+)\n(\.?\w)?", section(page, "FUNCTIONS"), re.M)
    out += differences("weft(3): synopsis", set(functions), set(shown))
    out += differences("weft(3): functions", set(functions), {name for name, _ in told})
    out += [f"weft(3): {name} says nothing" for name, text in told if not text or text == ".I" or text == ".E"]
    out += [f"weft(3): {name} is {functions[name]} in the header, {shown[name]} here" for name in sorted(set(functions) & set(shown))
            if functions[name] != shown[name]]
    return out


# ---- examples of --help

FIRST, SECOND = "--no-such-option", "--nor-this-one"


def examples(text):
    """The lines of the examples, without what explains them behind two blanks."""
    part = text.partition("Examples:\n")[2].partition("\n\n")[0]
    return [re.split(r" {2,}", line.strip())[0] for line in part.splitlines() if line.strip()]


def calls(line, program):
    """[arguments] of each call of the program in a line of shell: pipes and redirections are cut off."""
    out, words = [], shlex.split(line, comments=True)
    for part in " ".join(shlex.quote(w) for w in words).split(" '|' "):
        part = shlex.split(part)
        end = next((i for i, w in enumerate(part) if w in ("<", ">", ">>")), len(part))
        if part and part[0] == program:
            out.append(part[1:end])
    return out


def is_understood(argv):
    """The program reads its arguments in order, so a wrong option behind all of them is what it has to complain of. Nothing is done."""
    r = subprocess.run([*argv, FIRST, SECOND], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
                       env={"PATH": os.environ["PATH"], "WEFT_DIR": "/nowhere", "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})
    return r.returncode == 64 and FIRST in r.stderr and SECOND not in r.stderr, r.stderr.strip()


def page_examples(path, program):
    """The lines of a page's EXAMPLES as readers see them; a quotation may go over several."""
    if not shutil.which("mandoc"):
        return []
    text = subprocess.run(["mandoc", "-Tascii", "-Owidth=300", path], capture_output=True, text=True, timeout=60, check=True).stdout
    part = re.search(r"^EXAMPLES$(.*?)^\S", re.sub(r".\x08", "", text), re.M | re.S)
    out, is_open = [], False
    for line in part.group(1).split("\n") if part else []:
        if is_open:
            out[-1] += " " + line.strip()
        elif line.strip().startswith(program + " "):
            out.append(line.strip())
        is_open = bool(out) and (out[-1].count("'") % 2 == 1 or out[-1].count('"') % 2 == 1)
    return out


def check_lines(where, path, lines):
    name, out = os.path.basename(path), []
    for line in lines:
        for args in calls(line, name) if name in line.split() else []:
            if "COMMAND" in args:
                continue  # stands for any
            good, said = is_understood([path, *args])
            if not good:
                out.append(f"{where}: the example \"{line}\" is not understood: {said}")
    return out


def check_examples(path, *command):
    where, lines = f"{os.path.basename(path)} {' '.join(command)} --help", examples(helped(path, *command))
    return check_lines(where, path, lines) if lines else [f"{where} has no examples"]


def self_test():
    page = ".Sh COMMANDS\n.It Ic a b\n.It Fl -one Ar x\n.It Fl o , -output\n.It Ic c\n.It Fl Fl two\n.Sh END\n"
    tree.expect("a page's options", ["x"] if commands_of_page(page) != {"a b": {"--one", "--output"}, "c": {"--two"}} else [], False)
    tree.expect("a missing option", differences("p", {"--a"}, set()), True)
    tree.expect("an option of nobody", differences("p", set(), {"--a"}), True)
    names = ["agent list", "products", "call", "call status"]
    code = 'f("see `weft "\n  "agent list`, weft products, weft call a/b/c, weft agent list --dir x"); // weft agent nothing\n'
    tree.expect("advice", check_advice("x", code, names), False)
    tree.expect("advice of no command", check_advice("x", code.replace("list`", "lists`"), names), True)
    tree.expect("advice of no noun", check_advice("x", code.replace("weft \"\n  \"agent list", "weft product list"), names), True)
    page = ".Sh EXIT STATUS\n.It 0\n.It 64\n"
    tree.expect("statuses", check_statuses("weftd", page, '    X(USAGE, 12, 64, "u", "u")\n'), False)
    tree.expect("a status in the help alone", check_statuses("weftd", page, '    X(USAGE, 12, 64, "u", "u")\n', "Exit: 0 ok, 1 no\n"), True)
    tree.expect("a status left out", check_statuses("weftd", page, '    X(USAGE, 12, 65, "u", "u")\n'), True)
    code = ('static const struct wf_key in_keys[] = {\n    { "age", A },\n};\nstatic const struct wf_key_table t = { 1, in_keys, 1 };\n'
            'static const struct wf_key conf_keys[] = {\n    { "one", A },\n    { "two", A, .table = &t },\n};\n')
    tree.expect("the parser's keys", keys_of_parser(code) ^ {("one",), ("two",), ("two", "age")}, False)
    tree.expect("a page's keys", keys_of_page(".Bl\n.It Cm one , two\n.Bl\n.It Cm age\n.El\n.It Cm three\n.El\n") ^
                {("one",), ("two",), ("one", "age"), ("two", "age"), ("three",)}, False)
    head = "WEFT_API WEFT_MUST_USE enum weft_err weft_a(\n    struct b *c, int d);\n"
    page = '.Sh SYNOPSIS\n.Ft enum weft_err\n.Fn weft_a "struct b *c" "int d"\n.Sh FUNCTIONS\n.It Fn weft_a\nDoes.\n'
    tree.expect("functions", check_functions([head], page), False)
    tree.expect("another type", check_functions([head.replace("int d", "long d")], page), True)
    tree.expect("a function of nobody", check_functions([], page), True)
    tree.expect("a function without a word", check_functions([head], page.replace("Does.", ".El")), True)
    tree.expect("calls in a line", calls("a | w b 'c | d' -x < f   # why", "w") == [["b", "c | d", "-x"]], True)


def main():
    self_test()
    if sys.argv[1] == "--synopsis":
        print(synopsis({n: f for h in HEADERS for n, f in functions_of_header(tree.read(h)).items()}), end="")
        return
    build, found = sys.argv[1], []
    weft = f"{build}/sdk/weft"
    weft1 = tree.read("docs/man/weft.1")
    found += check_weft(weft, weft1)
    found += differences("weft: common options", COMMON, options_of_page(weft1.partition(".Sh COMMANDS")[0]))
    for path, page in ((weft, "weft.1"), (f"{build}/node/weftd", "weftd.8"), (f"{build}/domains/monitoring/weft-monitor", "weft-monitor.1")):
        text, name = tree.read(f"docs/man/{page}"), os.path.basename(path)
        found += check_statuses(name, text, tree.read("proto/base/err.h"), helped(path))
        found += check_examples(path)
        found += check_lines(page, path, page_examples(os.path.join(tree.ROOT, "docs/man", page), name))
        if name != "weft":
            found += differences(name, options(helped(path)) - {"--help", "--version"}, options_of_page(text) - {"--help", "--version"})
    for command in commands(weft):
        found += check_examples(weft, *command.split())
    names = commands(weft)
    for path in tree.files(".c", ".h"):
        if path.startswith(tree.CODE):
            found += check_advice(path, tree.read(path), names)
    found += check_keys(tree.read("node/conf.c"), tree.read("docs/man/weftd.yaml.5"))
    found += check_manifest_keys(tree.read("sdk/conf/manifest.c"), tree.read("docs/man/weft-product.5"))
    found += check_functions([tree.read(h) for h in HEADERS], tree.read("docs/man/weft.3"))
    tree.report("manual", found, 5)


main()
