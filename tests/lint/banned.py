#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.banned: functions that are never right here, and libraries' names outside their door."""
import fnmatch
import re

import tree

# (calls, why, files where it is right after all)
BANS = [
    (r"strcpy|strcat|stpcpy|sprintf|vsprintf|gets", "writes without knowing the room", []),
    (r"strtok|asctime|ctime|localtime|gmtime", "keeps hidden state; use the _r form", []),
    (r"atoi|atol|atoll|atof", "can't tell an error from 0", []),
    (r"rand|srand|random|srandom|drand48|rand_r", "not random; wf_random or the caller's bytes", []),
    (r"time|gettimeofday", "time is an argument; the edge reads clock_gettime", []),
    (r"alloca", "unbounded stack", []),
    (r"system|popen", "a shell between us and the program", []),
    (r"tmpnam|tempnam|mktemp", "a race for the name", []),
    # docs/internals/pitfalls.md
    (r"nng_msg_insert\w*", "corrupts the heap for some sizes in NNG 1.5; append only", []),
    (r"nng_aio_cancel|nng_aio_abort", "crashes NNG 1.5 when it meets a time-out; close the socket", []),
    (r"nng_tls_\w+|nng_http_\w+|nng_ws_\w+", "spins or overflows in NNG 1.5; plain tcp and ipc only", []),
    (r"crypto_sign_ed25519_(?:pk|sk)_to_curve25519", "who signs and who agrees on keys are two keys", []),
    (r"vfork|daemon", "children are forked before the first thread, by the files that may fork", []),
]
# Memory below proto comes from the caller's arena or buffer.
HEAP = re.compile(r"\b(malloc|calloc|realloc|reallocarray|strdup|strndup)\s*\(")
HEAP_DOORS = ["proto/base/arena.c", "proto/base/bytes.c"]
# Names of libraries: which files may speak them.
NAMES = [
    (re.compile(r"\bnng_\w+"), "NNG is spoken in sdk/net only", ["sdk/net/*"]),
    (re.compile(r"\byaml_\w+_(t|e|initialize|parse|delete)\b"), "libyaml is spoken in sdk/conf/yaml.c only", ["sdk/conf/yaml.c"]),
    (re.compile(r"\bsqlite3_\w+"), "SQLite is spoken in its door files only",
     ["registry/*_sqlite.[ch]", "node/*/*_sqlite.c", "sdk/cli/join_sqlite.c", "domains/*", "examples/archive.*"]),
    (re.compile(r"\bcrypto_(sign|aead|box|secretbox|generichash|scalarmult|pwhash|hash)\w*\s*\("),
     "libsodium is spoken in proto/base/crypto.c only", ["proto/base/crypto.c"]),
]
# SQLite: a commit is on the disk only with FULL; NORMAL where what is lost is rebuilt (docs/internals/pitfalls.md).
DURABLE = re.compile(r"synchronous\s*=\s*(?:\"\s*\")?\s*(\w+)", re.I)
REBUILT = {
    "node/access/refused_sqlite.c": "the trail has every attempt",
    "node/agent/agents_sqlite.c": "agents say again where they are",
    "node/inventory/fold_sqlite.c": "folds are made anew from the log",
}
# Breaches that are right, each with its reason: (file pattern, identifier): reason.
EXCEPTIONS = {}

CALL = [(re.compile(rf"(?<![\w.>])({calls})\s*\("), why, doors) for calls, why, doors in BANS]


def excepted(path, name):
    return any(fnmatch.fnmatch(path, p) and name == n for p, n in EXCEPTIONS)


def check(path, text):
    out = []
    code = tree.strip_c(text)

    def found(m, name, why):
        if not excepted(path, name):
            out.append(f"{path}:{code.count(chr(10), 0, m.start()) + 1}: {name}: {why}")
    for pattern, why, doors in CALL:
        for m in pattern.finditer(code):
            if path not in doors:
                found(m, m.group(1), why)
    if path.startswith("proto/") and path not in HEAP_DOORS:
        for m in HEAP.finditer(code):
            found(m, m.group(1), "memory in proto comes from an arena or buffer of the caller")
    for m in DURABLE.finditer(text) if "_sqlite." in path else ():
        if m.group(1).upper() != "FULL" and path not in REBUILT:
            out.append(f"{path}:{text.count(chr(10), 0, m.start()) + 1}: synchronous={m.group(1)}: a commit that power takes back")
    if not path.startswith("tests/"):
        for pattern, why, doors in NAMES:
            for m in pattern.finditer(code):
                if not any(fnmatch.fnmatch(path, d) for d in doors):
                    found(m, m.group(0), why)
    return out


def self_test():
    for path, text, want in [
        ("node/a.c", "strcpy(a, b);", True),
        ("sdk/net/a.c", "nng_msg_insert(m, p, 4);", True),
        ("sdk/net/a.c", "nng_msg_append(m, p, 4);", False),
        ("node/a/a_sqlite.c", 'run("PRAGMA synchronous=NORMAL;");', True),
        ("node/a/a_sqlite.c", 'run("PRAGMA synchronous = FULL;");', False),
        ("node/a.c", "int n = atoi(s);", True),
        ("node/a.c", "x = time(NULL);", True),
        ("sdk/a.c", "nng_close(s);", True),
        ("node/a.c", "sqlite3_close(db);", True),
        ("proto/stream/a.c", "p = calloc(1, 2);", True),
        ("proto/trust/a.c", "crypto_sign_detached(a, b);", True),
        ("proto/base/crypto.c", "crypto_sign_ed25519_sk_to_curve25519(a, b);", True),
        ("proto/base/crypto.c", "crypto_sign_detached(a, b);", False),
        ("node/a.c", "// strcpy(a, b)\nputs(\"time(\");", False),
        ("node/a.c", "o->time(o); real_time(x); strtok_r(a, b, &c);", False),
        ("node/a.c", "p = calloc(1, 2);", False),
        ("sdk/net/a.c", "nng_close(s);", False),
    ]:
        tree.expect(f"{path}: {text}", check(path, text), want)


def main():
    self_test()
    sources = tree.files(".c", ".h")
    breaches = [b for path in sources for b in check(path, tree.read(path))]
    tree.report("banned", breaches, len(sources))


main()
