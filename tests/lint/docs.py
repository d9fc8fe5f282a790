#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.docs [BUILD]: links between pages resolve; docs/protocol/errors.md has the error table of proto/base/err.h; docs/protocol/limits.md
has every limit of proto/base/limits.h and of the node's tables with its value, and codes that exist; every field of the wire's messages
stands on a page; docs/protocol/control.md has every request with who may send it; every code stands on a page that says when, or never
travels; the codes that a room refuses with stand on its page; tests that pages name exist in BUILD; the threat model names an attack once,
and at least one test for it.

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


LOCAL_HEAD = """
## Codes that do not travel

Every other code stands on the page that says when: no request is refused with these.

| name | who meets it |
| --- | --- |
"""

# Codes that no request is ever refused with: who meets them.
LOCAL = {
    "CANCELLED": "a call of libweft that weft_wake ended; work that a stopping node did not begin",
    "USAGE": "the command line, and calls of libweft that make no sense",
    "PARTIAL": "weft query and weft_query, with the rows that came",
    "PENDING": "weft access request: nobody has decided yet",
    "DENIED": "weft access request: somebody decided against it",
    "FORK": "a node's log and alarm, where a charter has two successors",
    "GAP": "libweft, of records that may still come",
    "EPOCH": "a node's log: the key of kept entries is gone",
    "DUPLICATE": "weftd.yaml: the same thing said twice",
    "CONFIG": "weftd and weft: a configuration that does not hold together",
    "FILE_MODE": "files that others may read or write",
    "IDENTITY": "a directory without keys or certificate",
    "STATE_DIR": "weftd: the data of another node",
}


def error_page():
    rows = ROW.findall(tree.read("proto/base/err.h"))
    table = "".join(f"| {n} | `WEFT_E_{name}` | {status} | {text} | {doc} |\n" for name, n, status, text, doc in rows)
    local = "".join(f"| `WEFT_E_{name}` | {LOCAL[name]} |\n" for name, *_ in rows if name in LOCAL)
    return HEAD + table + LOCAL_HEAD + local


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


# Which pages tell of a file's messages; all of docs/protocol for another.
CONTROL = ["control", "control-access", "control-agents", "control-stream", "identity", "registry", "session"]
FIELD_PAGES = {"access_event": ["control-access"], "agent_record": ["control-agents"], "capability": ["capability"], "charter": ["identity"],
               "control": CONTROL, "envelope": ["identity"], "identity": ["identity"], "product": ["registry-documents"],
               "registry": ["registry", "registry-documents"], "stream": ["stream"]}


def is_shown(field, text):
    """As code, `name = 1`, in a table, or in {a, b}: a word of a sentence is no description."""
    return re.search(rf"`[^`\n]*\b{field}\b[^`\n]*`|\b{field} = |^\|.*\b{field}\b|\{{[^}}]*\b{field}\b[^}}]*\}}", text, re.M)


def check_fields(protos, pages):
    """Every field of the wire's messages is shown on a page of its file."""
    out = []
    for path, proto in protos:
        names = FIELD_PAGES.get(os.path.basename(path)[:-6], list(pages))
        text, message = "\n".join(pages.get(n, "") for n in names), ""
        for number, line in enumerate(proto.splitlines(), 1):
            m = re.match(r"\s*message (\w+)", line)
            message = m.group(1) if m else message
            m = re.match(r"\s+(?:repeated |optional )?[\w.]+ (\w+) = \d+", line)
            if m and message and not is_shown(m.group(1), text):
                out.append(f"{path}:{number}: {message}.{m.group(1)} is shown on none of {', '.join(f'{n}.md' for n in names)}")
    return out


# ---- requests

def handlers(code, table):
    """[(name, {who}, local right or None, mutating)] of a table of node/handlers.c."""
    body = re.search(rf"struct wf_handler {table}\[\] = \{{(.*?)\n\}};", code, re.S)
    rows = re.findall(r'\{ WEFT__V1__REQUEST__KIND_\w+, "([\w-]+)", ([\w| ]+),\s*("\w+"|NULL),\s*(true|false),', body.group(1) if body else "")
    return [(name, set(re.findall(r"WF_WHO_(\w+)", who)), None if right == "NULL" else right.strip('"'), mutating == "true")
            for name, who, right, mutating in rows]


def kinds(proto):
    """The requests of Request's oneof."""
    body = re.search(r"message Request \{.*?oneof kind \{(.*?)\}", proto, re.S)
    return {n.replace("_", "-") for n in re.findall(r"^\s+\w+ (\w+) = \d+;", body.group(1) if body else "", re.M)}


# How "from" of the page's table is said, for each set of askers beside the local socket.
FROM = {frozenset(): "local", frozenset({"MEMBER"}): "any member|the lease's holder", frozenset({"OWN"}): "own domain",
        frozenset({"NEWCOMER"}): "a session without a certificate"}


def request_rows(text):
    """{request: cells} of the tables whose first column is `request`."""
    out, within = {}, False
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")] if line.startswith("|") else []
        within = bool(cells) and (within or cells[0] == "request")
        if within and cells[0] not in ("request", "---"):
            out.update({name: cells for name in cells[0].split(", ")})
    return out


def said_of(cell, name):
    """"poll no, answer yes" says something of each; else the cell is of all."""
    m = re.search(rf"(?<![\w-]){name} (yes|no)", cell)
    return m.group(1) if m else cell


def check_request(path, row, cells):
    name, who, right, mutating = row
    out, others = [], frozenset(who - {"LOCAL"})
    if not re.search(FROM.get(others, "no such set"), cells[1]):
        out.append(f"{path}: {name} comes from {', '.join(sorted(who))}, not from \"{cells[1]}\"")
    if cells[2] != (right if "LOCAL" in who else "–"):
        out.append(f"{path}: {name} needs {right if 'LOCAL' in who else 'no'} right of local:, not \"{cells[2]}\"")
    if said_of(cells[4], name).startswith("yes") != mutating:
        out.append(f"{path}: {name} is {'' if mutating else 'not '}mutating, not \"{cells[4]}\"")
    return out


def check_requests(code, proto, page, index):
    path, rows, told = "docs/protocol/control.md", handlers(code, "wf_handlers"), request_rows(page)
    names, out = {r[0] for r in rows}, []
    for what, other in ((path, set(told)), ("docs/protocol.md", set(request_rows(index))), ("control.proto", kinds(proto))):
        out += [f"{what}: the request {n} of node/handlers.c is missing" for n in sorted(names - other)]
        out += [f"{what}: the request {n} has no handler" for n in sorted(other - names)]
    for row in rows:
        out += check_request(path, row, told[row[0]]) if row[0] in told else []
    agent = {r[0] for r in handlers(code, "wf_handlers_agent")}
    said = re.search(r"An agent's local socket answers (.*?) alone", page)
    if not said or set(re.findall(r"`([\w-]+)`", said.group(1))) != agent:
        out.append(f"{path}: an agent's local socket answers {', '.join(sorted(agent))}")
    return out


# ---- codes

# The pages of a room's requests; the longest beginning counts. Codes that any request may be refused with stand in a section of control.md.
ROOMS = {"node/": ["control", "session", "control-stream"], "node/access/": ["control-access"], "node/agent/": ["control-agents", "control-stream"],
         "node/gossip/": ["registry"], "node/inventory/": ["control"], "node/join/": ["control-agents", "control"],
         "node/provider/": ["control", "control-agents"], "node/stream/": ["control-stream"]}
ANY = "Refusals of any request"


def words_of(text):
    return set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", text))


def section(text, title):
    m = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    return m.group(1) if m else ""


def check_codes(codes, sources, pages):
    """Each code is used, and said by a page or known not to travel; not both."""
    used, said = set(), set()
    for text in sources:
        used |= set(re.findall(r"(?<!case )WEFT_E_([A-Z0-9_]+)", text))
    for path, text in pages:
        said |= words_of(text) if path not in (ERRORS, LIMITS) else set()
    out = [f"proto/base/err.h: nothing returns {c}" for c in sorted(codes - used)]
    out += [f"{ERRORS}: {c} stands on no page of docs/protocol, nor among the codes that do not travel" for c in sorted(codes - said - set(LOCAL))]
    return out + [f"tests/lint/docs.py: {c} of LOCAL is no code" for c in sorted(set(LOCAL) - codes)]


def refusals(source):
    """Codes that a call of some refuse() names."""
    return {c for call in re.findall(r"\b\w*refuse\w*\(([^;{]*);", source) for c in re.findall(r"WEFT_E_([A-Z0-9_]+)", call)}


def check_refusals(sources, pages):
    """pages: name -> text of docs/protocol."""
    anyone, out = words_of(section(pages["control"], ANY)), []
    for path, text in sources:
        room = max((r for r in ROOMS if path.startswith(r)), key=len, default=None)
        said = anyone.union(*(words_of(pages[p]) for p in ROOMS[room])) if room else set()
        names = " or ".join(f"{p}.md" for p in ROOMS[room]) if room else ""
        out += [f"{path}: refuses with {c}, of which {names} says nothing" for c in sorted(refusals(text) - said)] if room else []
    return out


# ---- limits of a node

NODE_LIMITS = ("node/sessions.h", "node/admit.h", "node/replays.h", "node/early.h", "node/access/priv.h", "node/agent/agents.h",
               "node/stream/priv.h")
NODE_LIMIT = re.compile(r"WF_(?:SESSIONS|AHEAD|ACCESS_PENDING)\w*|WF_AGENT_TASKS|WF_\w+_(?:MAX|PER_KEY)")
NO_PEER = {"WF_TAPS_MAX"}  # rooms of the node itself


def node_limits(base, headers):
    """{name: value} of those that a peer can reach, by the lines that define them."""
    out = {}
    for header in headers:
        lines = [line for line in re.sub(r"\\\n", " ", header).splitlines() if (m := re.match(r"#define (WF_\w+)[ \t]+\(*\w*\d", line))
                 and NODE_LIMIT.fullmatch(m.group(1)) and m.group(1) not in NO_PEER]
        out.update(limits(base + "\n" + "\n".join(lines)))
    return {n: v for n, v in out.items() if n not in limits(base)}


def self_test_requests():
    code = ('const struct wf_handler wf_handlers[] = {\n    { WEFT__V1__REQUEST__KIND_A, "a-b", WF_WHO_LOCAL | WF_WHO_OWN, "read", true,\n'
            '        f },\n};\nconst struct wf_handler wf_handlers_agent[] = {\n    { WEFT__V1__REQUEST__KIND_A, "a-b", WF_WHO_LOCAL, "read", false, f },\n};\n')
    proto = "message Request {\n  oneof kind {\n    X a_b = 1;\n  }\n}"
    page = "| request | from | local right | verb | mutating |\n| --- |\n| a-b | own domain | read | - | yes |\n\nAn agent's local socket answers `a-b` alone."
    tree.expect("requests", check_requests(code, proto, page, page), False)
    for what, bad in (("a request left out", page.replace("| a-b |", "| c |")), ("another asker", page.replace("own domain", "any member")),
                      ("another right", page.replace("| read |", "| admin |")), ("not mutating", page.replace("yes", "no")),
                      ("an agent's request", page.replace("`a-b`", "`b`"))):
        tree.expect(what, check_requests(code, proto, bad, page), True)
    tree.expect("a request without a handler", check_requests(code, proto.replace("a_b", "c"), page, page), True)
    source = "if (x) { wf_call_refuse(c, WEFT_E_NAME, 1); return WEFT_E_IO; }"
    tree.expect("refusals", refusals(source) ^ {"NAME"}, False)
    rooms = {p: "" for names in ROOMS.values() for p in names}
    tree.expect("a refusal on no page", check_refusals([("node/join/a.c", source)], rooms), True)
    tree.expect("a refusal on its page", check_refusals([("node/join/a.c", source)], rooms | {"control": "| NAME | x |"}), False)
    tree.expect("a refusal of any request", check_refusals([("node/gossip/a.c", source)], rooms | {"control": f"## {ANY}\n`NAME`\n"}), False)
    tree.expect("a code on no page", check_codes({"NEW"} | set(LOCAL), ["WEFT_E_NEW"] + [f"WEFT_E_{c}" for c in LOCAL], []), True)
    tree.expect("a code that nothing returns", check_codes({"NEW"} | set(LOCAL), [f"WEFT_E_{c}" for c in LOCAL], [("a.md", "NEW")]), True)
    tree.expect("codes", check_codes({"NEW"} | set(LOCAL), [f"WEFT_E_{c}" for c in {"NEW"} | set(LOCAL)], [("a.md", "`NEW`")]), False)


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
    field = [("a.proto", "message A {\n  bytes some_field = 1;\n}")]
    tree.expect("a field on no page", check_fields(field, {"a": "another `field`"}), True)
    tree.expect("a field that is only spoken of", check_fields(field, {"a": "that some_field is there"}), True)
    for good in ("| some_field |", "the `some_field`", "some_field = 3", "{x, some_field; y}"):
        tree.expect("a field on a page", check_fields(field, {"a": good}), False)
    self_test_requests()
    pages = tree.files(".md")
    names = test_names(sys.argv[1]) if len(sys.argv) > 1 else None
    breaches = [b for path in pages for b in check_links(path, tree.read(path))]
    if not os.path.isfile(os.path.join(tree.ROOT, ERRORS)) or tree.read(ERRORS) != error_page():
        breaches.append(f"{ERRORS} differs from proto/base/err.h: python3 tests/lint/docs.py --write")
    codes = {name for name, *_ in ROW.findall(tree.read("proto/base/err.h"))}
    base = tree.read("proto/base/limits.h")
    known = limits(base) | node_limits(base, [tree.read(h) for h in NODE_LIMITS])
    breaches += check_limits(LIMITS, tree.read(LIMITS), known, codes)
    wire = [(p, tree.read(p)) for p in pages if p.startswith("docs/protocol/")]
    by_name = {os.path.basename(p)[:-3]: text for p, text in wire}
    breaches += check_requests(tree.read("node/handlers.c"), tree.read("proto/weft/v1/control.proto"), by_name["control"], tree.read("docs/protocol.md"))
    sources = [(p, tree.strip_c(tree.read(p))) for p in tree.files(".c", ".h") if p.startswith(tuple(f"{layer}/" for layer in tree.CODE))]
    breaches += check_codes(codes, [text for _, text in sources], wire)
    breaches += check_refusals(sources, by_name)
    breaches += check_threats(THREATS, tree.read(THREATS))
    protos = [(p, tree.read(p)) for p in tree.files(".proto") if p.startswith("proto/weft/v1/") and not p.endswith("options.proto")]
    breaches += check_fields(protos, by_name)
    for path in pages if names else []:
        breaches += check_test_names(path, tree.read(path), names)
    tree.report("docs", breaches, len(pages))


main()
