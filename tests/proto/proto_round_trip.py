#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints descriptor sets as .proto text with weft and lets protoc read the text again: both sets must be equal.

usage: proto_round_trip.py SCHEMA_TOOL PROTOC SET... [--schemas N] [--seed S]
The sets given are protoc's own; N random ones follow. Exit 77 where python3-protobuf is missing.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

import json_vs_python
from google.protobuf import descriptor_pb2


def derived_json_name(name):
    parts = name.split("_")
    return parts[0] + "".join(p[:1].upper() + p[1:] for p in parts[1:])


def normal_fields(fields):
    for f in fields:
        if not f.json_name:
            f.json_name = derived_json_name(f.name)


def normal_message(message):
    normal_fields(message.field)
    normal_fields(message.extension)
    for nested in message.nested_type:
        normal_message(nested)


def normal(data):
    """A set without source positions, by file, with the names protoc fills in."""
    files = {}
    for f in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        f.ClearField("source_code_info")
        if f.syntax == "proto2":
            f.ClearField("syntax")
        normal_fields(f.extension)
        for m in f.message_type:
            normal_message(m)
        files[f.name] = f
    return files


def round_trip(tool, protoc, what, data, folder):
    set_file, text, again = (os.path.join(folder, n) for n in ("in.set", "text", "out.set"))
    with open(set_file, "wb") as out:
        out.write(data)
    os.makedirs(text, exist_ok=True)
    subprocess.run([tool, "proto", set_file, text], check=True)
    want = normal(data)
    main = list(want)[-1]
    # Nothing but what was printed may be found, not even protoc's own google/protobuf.
    done = subprocess.run([protoc, "-I" + text, "--include_imports", "-o", again, main], stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit("%s: protoc refuses the text of %s\n%s" % (what, main, done.stderr.decode()))
    with open(again, "rb") as f:
        got = normal(f.read())
    for name, file in want.items():
        if name in got and got[name] != file:
            with open(os.path.join(text, name), encoding="utf-8") as f:
                sys.exit("%s: %s differs\n%s\n--- want\n%s\n--- got\n%s" % (what, name, f.read(), file, got[name]))
    if main not in got:
        sys.exit("%s: %s is missing" % (what, main))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("protoc")
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--schemas", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for path in args.sets:
        with open(path, "rb") as f, tempfile.TemporaryDirectory(prefix="weft-proto-") as folder:
            round_trip(args.tool, args.protoc, path, f.read(), folder)
    print("seeds %d to %d" % (args.seed, args.seed + args.schemas - 1))
    for seed in range(args.seed, args.seed + args.schemas):
        file = json_vs_python.SchemaMaker(random.Random(seed), "s%d" % seed).make()
        with tempfile.TemporaryDirectory(prefix="weft-proto-") as folder:
            round_trip(args.tool, args.protoc, "seed %d" % seed, json_vs_python.descriptor_set(file), folder)
    print("%d sets: equal" % (len(args.sets) + args.schemas))


if __name__ == "__main__":
    main()
