#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.ports: the provider of network/ports by its program: lists, describes, keeps notes that its inventory shows,
refuses bad requests with 65 and failures with 70, loses no note when called at the same time."""
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import time

import tools
from tools import PORTS, Running, check, temporary


def call(method, request, state=None, caller=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WEFT_")}
    if state:
        env["WEFT_STATE"] = state
    if caller:
        env["WEFT_CALLER"] = caller
    r = subprocess.run([PORTS, method], input=request if isinstance(request, (str, bytes)) else json.dumps(request), text=not isinstance(request, bytes),
                       capture_output=True, env=env, timeout=tools.DEADLINE_S)
    return r.returncode, r.stdout, r.stderr


def reply(*args, **kw):
    status, out, err = call(*args, **kw)
    check(status == 0 and err == "", f"{args}: exit {status}: {err}")
    return json.loads(out) if status == 0 else {}


def names_of_host():
    return sorted(name for _, name in socket.if_nameindex())


def lists_every_port_by_pages():
    want = names_of_host()
    check([p["name"] for p in reply("List", {})["ports"]] == want, "List has every port in the order of names")
    got, after = [], ""
    while True:
        page = reply("List", {"after": after, "limit": 1})
        got += [p["name"] for p in page["ports"]]
        if not page["more"]:
            break
        after = got[-1]
    check(got == want, f"pages of one join to the list: {got}")
    check(reply("List", {"after": want[-1]}) == {"ports": [], "more": False}, "nothing is behind the last")
    check(len(reply("List", {"limit": "1", "after": None})["ports"]) == 1, "numbers in quotes and null as protobuf JSON has them")


def describes_one():
    lo = reply("Describe", {"name": "lo"})
    check(lo["interface"]["kind"] == "loopback" and "127.0.0.1/8" in lo["interface"]["addresses"], f"lo: {lo}")
    check("note" not in lo, "no note yet")


def keeps_notes():
    with temporary() as state:
        before = time.time()
        text = 'to "rack 7"\n\u00e9\U0001f600'
        got = reply("SetNote", {"name": "lo", "note": text}, state=state, caller="servers/ops")
        check(got["note"] == text and got["notedBy"] == "servers/ops", f"SetNote answers with the port: {got}")
        check(got["noteTime"].startswith(time.strftime("%Y-", time.gmtime(before))), f"a note has its time: {got['noteTime']}")
        check(reply("Describe", {"name": "lo"}, state=state) == got, "Describe shows the note")
        rows = tools.rows("inventory", program=PORTS, env=dict(os.environ, WEFT_STATE=state))
        check([r for r in rows if r["name"] == "lo"] == [got], "the inventory shows what the call answered")
        check([r["name"] for r in rows] == names_of_host(), "the inventory has every port")
        check(oct(os.stat(os.path.join(state, "port-notes.json")).st_mode & 0o777) == "0o600", "notes are private")
        reply("SetNote", {"name": "lo", "note": ""}, state=state)
        check("note" not in reply("Describe", {"name": "lo"}, state=state), "an empty note removes it")


def inventory_tells_a_note_at_once():
    with temporary() as state:
        r = Running(PORTS, "inventory", "--every", "1", "--changes", env=dict(os.environ, WEFT_STATE=state))
        check(len(r.snapshot()) == len(names_of_host()), "first a snapshot")
        reply("SetNote", {"name": "lo", "note": "here"}, state=state)
        line = r.line()
        while line is not None and line["name"] != "lo":
            line = r.line()
        check(line is not None and line["note"] == "here", f"then the port whose note changed: {line}")
        check(r.end(signal.SIGTERM)[0] == 0, "and ends")


def calls_at_the_same_time_lose_nothing():
    with temporary() as state:
        names = names_of_host()
        jobs = [(name, f"{name} {i}") for i in range(8) for name in names]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda job: call("SetNote", {"name": job[0], "note": job[1]}, state), jobs))
        check(all(status == 0 for status, _, _ in done), "every call succeeds")
        for name in names:
            check(reply("Describe", {"name": name}, state=state).get("note", "").startswith(name + " "), f"{name} has a note")
        check(not os.path.exists(os.path.join(state, "port-notes.new")), "no half file stays")


BAD = [
    ("not JSON", "Describe", "{", 65, "request"),
    ("two objects", "Describe", '{"name":"lo"}{}', 65, "request"),
    ("no object", "List", "[]", 65, "not an object"),
    ("nothing", "List", "", 65, "request"),
    ("a doubled member", "Describe", '{"name":"lo","name":"lo"}', 65, "request"),
    ("an unknown field", "Describe", '{"nme":"lo"}', 65, 'unknown field "nme"'),
    ("a field of another method", "Describe", '{"name":"lo","note":"x"}', 65, 'unknown field "note"'),
    ("a number for a name", "Describe", '{"name":7}', 65, "name: not a string"),
    ("a NUL in a name", "Describe", '{"name":"lo\\u0000"}', 65, "request"),
    ("bytes that are no UTF-8", "Describe", b'{"name":"\xff"}', 65, "request"),
    ("no such port", "Describe", '{"name":"nope0"}', 65, 'no port "nope0"'),
    ("no name", "Describe", "{}", 65, 'no port ""'),
    ("a limit beyond the page", "List", '{"limit":257}', 65, "limit"),
    ("a negative limit", "List", '{"limit":-1}', 65, "limit"),
    ("a limit with a fraction", "List", '{"limit":1.5}', 65, "limit"),
    ("a note beyond the limit", "SetNote", json.dumps({"name": "lo", "note": "x" * 1025}), 65, "note"),
    ("a deep request", "List", "[" * 100000, 65, "request"),
    ("a request beyond the limit", "List", " " * 600000, 65, "cannot be read"),
    ("an unknown method", "Destroy", "{}", 65, "unknown method"),
]


def refuses():
    with temporary() as state:
        for why, method, request, status, text in BAD:
            got = call(method, request, state)
            err = got[2] if isinstance(got[2], str) else got[2].decode()
            check(got[0] == status and not got[1] and text in err, f"{why}: exit {got[0]}: {err}")
        check(os.listdir(state) in ([], ["port-notes.lock"]), f"nothing was changed: {os.listdir(state)}")
    check(call("SetNote", {"name": "lo", "note": "x"})[0] == 70, "without WEFT_STATE notes have no place")
    check(call("SetNote", {"name": "lo", "note": "x"}, state="/no/such/directory")[0] == 70, "a directory that is not there")
    with temporary() as state:
        with open(os.path.join(state, "port-notes.json"), "w", encoding="utf-8") as f:
            f.write('{"lo":{"note":1}}')
        status, _, err = call("SetNote", {"name": "lo", "note": "x"}, state=state)
        check(status == 70 and "cannot be read" in err, f"a damaged file is refused, not overwritten: {status} {err}")
        with open(os.path.join(state, "port-notes.json"), encoding="utf-8") as f:
            check(f.read() == '{"lo":{"note":1}}', "the damaged file is as it was")


for test in (lists_every_port_by_pages, describes_one, keeps_notes, inventory_tells_a_note_at_once,
             calls_at_the_same_time_lose_nothing, refuses):
    test()
tools.verdict()
