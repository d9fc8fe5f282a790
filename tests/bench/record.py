#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py DESCRIPTOR WEFT_HOST OUT [SAMPLES]: records of this machine, taken now with weft-host, each of exactly 102 bytes.

Every row that weft-host prints becomes one weft.bench.v1.Sample. Its host name is filled up so that all have one length, which
is what the systems are compared with; a row that is longer by itself is left out. Prints what was taken.
"""
import collections
import json
import socket
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

LENGTH = 102
COLLECTORS = {"cpu": "cpu", "load": "load", "filesystems": "filesystem", "interfaces": "interface"}
STAMP = 1 << 63  # number and time at their full width: they are written over when a record is sent


def message_class(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("weft.bench.v1.Sample"))


def rows(weft_host, collector):
    text = subprocess.run([weft_host, collector, "--once"], check=True, capture_output=True, timeout=30).stdout
    for line in text.decode().splitlines():
        row = json.loads(line)
        if "@op" not in row:
            yield {k: v for k, v in row.items() if not k.startswith("@")}


def fill(sample, host):
    """The sample at exactly LENGTH bytes, or None."""
    sample.host = ""
    room = LENGTH - sample.ByteSize() - 2
    if room < 4:
        return None
    sample.host = (host + ".rack-3.hall-1.example.org" * 4)[:room]
    return sample.SerializeToString() if sample.ByteSize() == LENGTH else None


def main():
    descriptor, weft_host, out = sys.argv[1:4]
    samples = int(sys.argv[4]) if len(sys.argv) > 4 else 60
    cls = message_class(descriptor)
    host = socket.gethostname()
    taken, records = collections.Counter(), []
    for _ in range(samples):
        for collector, field in COLLECTORS.items():
            for row in rows(weft_host, collector):
                sample = json_format.ParseDict({"number": STAMP, "sentNs": STAMP, field: row}, cls())
                record = fill(sample, host)
                if record:
                    taken[collector] += 1
                    records.append(record)
    if not records or any(r[0] != 0x09 or r[9] != 0x11 for r in records):
        sys.exit("record.py: no record begins with number and time")
    with open(out, "wb") as f:
        f.write(b"".join(records))
    print(f"{len(records)} records of {LENGTH} bytes from weft-host: " +
          ", ".join(f"{n} {c}" for c, n in sorted(taken.items())))


main()
