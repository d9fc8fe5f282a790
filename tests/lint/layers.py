#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.layers: include lines, link lines and doors obey the table of layers in docs/design.md.

A layer includes only itself and the layers below it; each third-party library is touched by its door files alone; only
proto/trust/envelope.c signs; the top level holds what it is meant to. A self-test plants one breach of each kind first.
"""
import fnmatch
import os
import re

import tree

# Layer -> our own layers it may include, and the dependency aliases it may link.
MAY_USE = {
    "proto": ("proto",),
    "registry": ("registry", "proto"),
    "sdk": ("sdk", "proto"),
    "node": ("node", "proto", "registry", "sdk"),
    "domains": ("domains",),
    "examples": (),
}
MAY_LINK = {
    "proto": ("sodium", "protobuf_c", "lz4", "zstd"),
    "registry": ("sqlite",),
    "sdk": ("nng", "jansson", "yaml", "sqlite"),
    "node": ("sqlite", "microhttpd"),
    "domains": ("sqlite", "pq", "jansson", "protobuf_c", "microhttpd", "mnl", "curl", "snappy"),
    "examples": ("protobuf_c", "jansson", "sqlite"),
}
TOP = ("node/*", "proto/*", "domains/*", "registry/*", "sdk/*", "tests/*", "examples/*", "docs/*", "cmake/*", "CMakeLists.txt",
       "CMakePresets.json", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", ".*")
PUBLIC_TARGETS = ("weft", "weft::weft", "weft_screen")  # all that domains and examples may link of ours; the last is ADR 44

# Header pattern -> the files that may include it. Domains bring their own libraries; tests look where they must.
FREE = ["domains/*", "tests/*"]
DOORS = [
    ("sodium*", ["proto/base/crypto.*"] + FREE),
    ("*.pb-c.h", ["proto/base/pb*", "examples/*"] + FREE),
    ("protobuf-c/*", ["proto/base/pb*", "proto/schema/*", "examples/*"] + FREE),
    ("lz4*", ["proto/stream/batch*"] + FREE),
    ("zstd*", ["proto/stream/batch*"] + FREE),
    ("sqlite3*", ["registry/*_sqlite.c", "node/*/*_sqlite.c", "sdk/cli/join_sqlite.c", "examples/archive.*"] + FREE),
    ("nng/*", ["sdk/net/*"] + FREE),
    ("jansson*", ["sdk/json.c", "examples/*"] + FREE),
    ("yaml.h", ["sdk/conf/yaml.c"] + FREE),
    ("microhttpd*", ["node/http.c"] + FREE),
    ("libmnl/*", FREE),
    ("curl/*", ["domains/monitoring/*_curl.c", "tests/*"]),
    ("snappy*", ["domains/monitoring/*_snappy.c", "tests/*"]),
    ("libpq*", ["domains/monitoring/*_pq.[ch]", "tests/*"]),
]
SIGNERS = ["proto/base/crypto.*", "proto/trust/envelope.c", "tests/*"]

# proto and the registry's cores are functions of their arguments: no I/O, clock, socket, thread or process.
PURE_BANS = re.compile(r"^(unistd|fcntl|time|poll|pthread|threads|signal|dirent|netdb|ifaddrs|sys/.*|net/.*|netinet/.*|"
                       r"arpa/.*|linux/.*)\.h$")
PURE_EXEMPT = ["registry/*_sqlite.c"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def own_include(path, layer, name):
    """Why this file may not include our header `name`, or None."""
    top = name.split("/")[0]
    if name.startswith((".", "/")):
        return f'"{name}" is relative; include from the root'
    if path.startswith("sdk/include/"):
        return None if top == "weft" else f'public headers include <weft/...> only, not "{name}"'
    if layer in ("domains", "examples"):
        mine = "/".join(path.split("/")[:2]) + "/"
        if name.startswith((mine, "domains/common/")) and layer == "domains":
            return None
        if "/" not in name and layer == "examples":
            return None
        return None if name.endswith(".pb-c.h") else f'{layer} may include <weft/*.h> and its own, not "{name}"'
    if top in MAY_USE and top not in MAY_USE[layer]:
        return f'{layer} may not include "{name}"'
    if top not in MAY_USE and not name.endswith(".pb-c.h"):
        return f'"{name}" is not below a layer'
    return None


def check_source(path, text):
    layer = path.split("/")[0]
    out = []
    code = tree.strip_c(text)
    for m in INCLUDE.finditer(code):
        where = f"{path}:{code.count(chr(10), 0, m.start(2)) + 1}"
        quote, name = m.group(1), m.group(2)
        if quote == '"' and layer in MAY_USE:
            why = own_include(path, layer, name)
            if why:
                out.append(f"{where}: {why}")
        if layer in ("proto", "registry") and not matches(path, PURE_EXEMPT) and PURE_BANS.match(name):
            out.append(f"{where}: {layer} is pure; <{name}> belongs to the edge")
        for pattern, door in DOORS:
            if fnmatch.fnmatch(name, pattern) and not matches(path, door):
                out.append(f"{where}: <{name}> only through its door: {', '.join(door[:-len(FREE)]) or 'domains'}")
    for m in re.finditer(r"\bwf_crypto_sign\s*\(", code):
        if not matches(path, SIGNERS):
            out.append(f"{path}:{code.count(chr(10), 0, m.start()) + 1}: only proto/trust/envelope.c signs")
    return out


def cmake_calls(text, *commands):
    text = re.sub(r"#[^\n]*", "", text)
    for m in re.finditer(rf"\b({'|'.join(commands)})\s*\(([^)]*)\)", text):
        yield m.group(1), m.group(2).split()


def target_layers(cmakes):
    """Which layer defines which target."""
    out = {}
    for path, text in cmakes.items():
        for _, args in cmake_calls(text, "add_library", "add_executable", "weft_protobuf_c"):
            if args and "ALIAS" not in args and "IMPORTED" not in args:
                out[args[0]] = path.split("/")[0]
    return out


def check_links(path, text, owner):
    layer = path.split("/")[0]
    out = []
    if layer not in MAY_USE:
        return out
    for _, args in cmake_calls(text, "target_link_libraries"):
        for lib in args[1:]:
            dep = re.match(r"weft::dep::(\w+)$", lib)
            if dep and dep.group(1) not in MAY_LINK[layer]:
                out.append(f"{path}: {layer} may not link {lib}")
            home = owner.get(lib)
            if home is None or home == layer:
                continue
            if layer in ("domains", "examples"):
                if lib not in PUBLIC_TARGETS:
                    out.append(f"{path}: {layer} links the public library only, not {lib}")
            elif home in MAY_USE and home not in MAY_USE[layer]:
                out.append(f"{path}: {layer} may not link {lib} of {home}")
    return out


def check_top(paths):
    return [f"{p}: not below one of the top level's folders" for p in paths if not matches(p, TOP)]


def self_test():
    tree.expect("a log at the top", check_top(["Testing/Temporary/LastTest.log"]), True)
    tree.expect("the top as it is", check_top(["README.md", ".ci/run", "node/a.c"]), False)
    planted = [
        ("registry/a.c", '#include "sdk/net/sock.h"\n', True),
        ("proto/a.c", '#include "registry/a.h"\n', True),
        ("proto/a.c", '#include <sys/socket.h>\n', True),
        ("proto/trust/a.c", "#include <sodium.h>\n", True),
        ("node/a.c", "#include <nng/nng.h>\n", True),
        ("node/a.c", '#include "domains/servers/a.h"\n', True),
        ("domains/monitoring/a.c", '#include "node/a.h"\n', True),
        ("domains/servers/a.c", '#include "domains/network/a.h"\n', True),
        ("domains/monitoring/a.c", "#include <curl/curl.h>\n", True),
        ("domains/monitoring/a.c", "#include <snappy-c.h>\n", True),
        ("examples/a.c", '#include "proto/base/err.h"\n', True),
        ("sdk/a.c", '#include "../proto/base/err.h"\n', True),
        ("sdk/include/weft/a.h", '#include "sdk/a.h"\n', True),
        ("node/signer.c", "int f(void) { wf_crypto_sign(k, m, &s); }\n", True),
        ("node/a.c", '// #include <nng/nng.h>\n#include "sdk/net/a.h"\n', False),
        ("domains/servers/a.c", '#include <weft/weft.h>\n#include "domains/common/a.h"\n', False),
        ("sdk/conf/yaml.c", "#include <yaml.h>\n", False),
        ("proto/trust/envelope.c", "int f(void) { wf_crypto_sign(k, m, &s); }\n", False),
    ]
    for path, text, want in planted:
        tree.expect(f"{path}: {text.strip()}", check_source(path, text), want)
    owner = {"weft_registry": "registry", "weft_node": "node", "weft_proto": "proto", "weft": "sdk"}
    for path, line, want in [
        ("sdk/CMakeLists.txt", "target_link_libraries(weft PRIVATE weft_registry)", True),
        ("domains/CMakeLists.txt", "target_link_libraries(m PRIVATE weft_proto)", True),
        ("node/CMakeLists.txt", "target_link_libraries(n PRIVATE weft::dep::nng)", True),
        ("domains/CMakeLists.txt", "target_link_libraries(m PRIVATE weft)", False),
        ("node/CMakeLists.txt", "target_link_libraries(n\n PRIVATE weft_registry weft)", False),
    ]:
        tree.expect(f"{path}: {line}", check_links(path, line, owner), want)


def main():
    self_test()
    breaches, sources = [], tree.files(".c", ".h")
    for path in sources:
        breaches += check_source(path, tree.read(path))
    cmakes = {p: tree.read(p) for p in tree.files("CMakeLists.txt") if os.sep in p}
    owner = target_layers(cmakes)
    for path, text in cmakes.items():
        breaches += check_links(path, text, owner)
    everything = tree.files("")
    breaches += check_top(everything)
    tree.report("layers", breaches, len(everything))


main()
