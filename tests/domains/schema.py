#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.schema: every row that weft-host and weft-ports print fits the message of its product as the reference
implementation of protobuf JSON reads it, with no unknown field; every field has a role; manifests name what exists."""
import os
import re
import sys

import tools
from tools import HOST, PORTS, SHARE, check

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError:
    print("python3-protobuf is not here; not checked")
    sys.exit(tools.SKIP)

ROLE = 50101  # proto/weft/v1/options.proto
DEFAULTS = (0, "0", "", False, [])


def load(path):
    """The descriptor set of a product as a pool, and its bytes parsed."""
    with open(path, "rb") as f:
        files = descriptor_pb2.FileDescriptorSet.FromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for f in files.file:
        pool.Add(f)
    return pool, files


def new_message(pool, name):
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)()
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)()


def manifest(path):
    """The few scalar keys this test needs; the format itself is sdk/conf's business."""
    with open(path, encoding="utf-8") as f:
        text = f.read()

    def get(pattern):
        m = re.search(pattern, text, re.M)
        return m.group(1) if m else None
    run = get(r"^  run: \[(.*)\]$")
    return {
        "kind": get(r"^kind: (\S+)$"), "proto": get(r"^  proto: (\S+)$"), "descriptor": get(r"^  descriptor: (\S+)$"),
        "type": get(r"^  (?:message|service): (\S+)$"), "key": [k.strip() for k in (get(r"^key: \[(.*)\]$") or "").split(",") if k.strip()],
        "run": [word.strip().strip('"') for word in run.split(",")] if run else None,
    }


def collectors():
    """name -> (program, kind, message) of both programs' --list."""
    out = {}
    for program in (HOST, PORTS):
        for line in tools.run(program, "--list")[1].splitlines():
            name, kind, _, message = line.split()[:4]
            out[os.path.basename(program), name] = (program, kind, message)
    return out


def fits(printed, parsed):
    """Equal but for defaults, which protobuf leaves out and we print."""
    if isinstance(parsed, dict) and isinstance(printed, dict):
        return all(fits(printed[k], parsed[k]) if k in parsed else printed[k] in DEFAULTS for k in printed) and set(parsed) <= set(printed)
    return printed == parsed


def check_rows(what, pool, program, collector, message):
    count = 0
    for row in tools.rows(collector, program=program):
        parsed = new_message(pool, message)
        try:
            json_format.ParseDict(row, parsed, ignore_unknown_fields=False)
        except json_format.ParseError as e:
            check(False, f"{what}: {e}: {row}")
            continue
        again = json_format.MessageToDict(parsed)
        check(fits(row, again), f"{what}: printed {row}, protobuf has {again}")
        count += 1
    return count


def check_roles(what, files, message):
    package = message.rsplit(".", 1)[0]
    for f in files.file:
        if f.package != package:
            continue
        for m in f.message_type:
            for field in m.field:
                has = any(number == ROLE for number in option_numbers(field.options))
                nested = field.type == descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                check(has or nested or package == "weft.network.v1", f"{what}: {m.name}.{field.name} has no role")


def option_numbers(options):
    """Field numbers in the bytes of an options message, known to this process or not."""
    data, i, out = options.SerializeToString(), 0, []

    def varint():
        nonlocal i
        v, shift = 0, 0
        while True:
            b = data[i]
            i += 1
            v |= (b & 0x7f) << shift
            shift += 7
            if b < 0x80:
                return v
    while i < len(data):
        tag = varint()
        out.append(tag >> 3)
        if tag & 7 == 0:
            varint()
        elif tag & 7 == 2:
            n = varint()
            i += n
        else:
            raise ValueError(f"wire type {tag & 7} in options")
    return out


def check_product(domain, name, known):
    what = f"{domain}/{name}"
    folder = os.path.join(SHARE, "products", domain)
    m = manifest(os.path.join(folder, name + ".yaml"))
    check(os.path.isfile(os.path.join(folder, m["proto"])), f"{what}: {m['proto']} does not exist")
    pool, files = load(os.path.join(folder, m["descriptor"]))
    if m["kind"] == "api":
        service = pool.FindServiceByName(m["type"])
        check([method.name for method in service.methods] == ["List", "Describe", "SetNote"], f"{what}: methods")
        return 0
    fields = pool.FindMessageTypeByName(m["type"]).fields_by_name
    check(all(key in fields for key in m["key"]), f"{what}: key {m['key']}")
    check_roles(what, files, m["type"])
    if not m["run"]:  # filled by a program that publishes by itself
        return 0
    program, kind, message = known.get((m["run"][0], m["run"][1]), (None, None, None))
    check(program is not None, f"{what}: runs what {m['run'][0]} does not have")
    check((kind, message) == (m["kind"], m["type"]), f"{what}: {m['kind']} {m['type']}, the program says {kind} {message}")
    # The key of the manifest is the beginning of every row.
    for row in tools.rows(m["run"][1], program=program)[:1] if m["key"] else []:
        names = [fields[key].json_name for key in m["key"]]
        check(list(row)[:len(names)] == names, f"{what}: a row begins with {list(row)[:len(names)]}, the key is {names}")
    return check_rows(what, pool, program, m["run"][1], message)


def main():
    known, products, rows = collectors(), 0, 0
    for domain in sorted(os.listdir(os.path.join(SHARE, "products"))):
        for name in sorted(os.listdir(os.path.join(SHARE, "products", domain))):
            if name.endswith(".yaml"):
                products += 1
                rows += check_product(domain, name[:-5], known)
    print(f"{products} products, {rows} rows")
    check(products >= 13 and rows > 20, "hardly anything was checked")
    tools.verdict()


main()
