#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py DESCRIPTOR WEFT_HOST OUT SAMPLES [LENGTH...]: records of this machine, taken now with weft-host, each of exactly 102 bytes.

Every row that weft-host prints becomes one weft.bench.v1.Sample. Its host name is filled up so that all have one length, which
is what the systems are compared with; a row that is longer by itself is left out. For each LENGTH, OUT.LENGTH gets
weft.bench.v1.Sized records of that many bytes, whose text is cut from the rows as JSON. Prints what was taken.
"""
import collections
import json
import socket
import subprocess
import sys
import zlib

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

LENGTH = 102
COLLECTORS = {"cpu": "cpu", "load": "load", "filesystems": "filesystem", "interfaces": "interface"}
STAMP_LEN = 9
CUTS_MAX = 5000
BATCH = 256 << 10
STAMP = 1 << 63  # number and time at their full width: they are written over when a record is sent


def message_classes(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"weft.bench.v1.{name}")) for name in ("Sample", "Sized")]


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


def sized(cls, text, at, length):
    """A record of `length` bytes; one that has no room for the time has none."""
    record = cls(number=STAMP, sent_ns=STAMP if length > 2 * STAMP_LEN else 0)
    room = length - record.ByteSize() - 2
    while room > 0:  # the length of a text takes more bytes the longer it is
        record.text = text[at:at + room]
        if record.ByteSize() <= length:
            break
        room -= record.ByteSize() - length
    if record.ByteSize() != length:
        sys.exit(f"record.py: no record has {length} bytes")
    return record.SerializeToString()


def write(path, records):
    if not records or any(r[0] != 0x09 for r in records):
        sys.exit("record.py: no record begins with its number")
    with open(path, "wb") as f:
        f.write(b"".join(records))


def shrinks(data):
    """How well the largest batch of them compresses, so that compressed rows can be judged."""
    return min(len(data), BATCH) / len(zlib.compress(data[:BATCH], 1))


def main():
    descriptor, weft_host, out, samples = sys.argv[1:5]
    sample_cls, sized_cls = message_classes(descriptor)
    host = socket.gethostname()
    taken, records, texts, filler = collections.Counter(), [], [], 0
    for _ in range(int(samples)):
        for collector, field in COLLECTORS.items():
            for row in rows(weft_host, collector):
                texts.append(json.dumps(row, separators=(",", ":")))
                sample = json_format.ParseDict({"number": STAMP, "sentNs": STAMP, field: row}, sample_cls())
                record = fill(sample, host)
                if record:
                    taken[collector] += 1
                    filler += len(sample.host) - len(host)
                    records.append(record)
    write(out, records)
    text = "".join(t for t in texts if t.isascii())
    for length in map(int, sys.argv[5:]):  # one cut after the other: neighbours share nothing but what rows have in common
        cuts = range(0, len(text) - length, length)[:CUTS_MAX]
        write(f"{out}.{length}", [sized(sized_cls, text, at, length) for at in cuts])
    print(f"{len(records)} records of {LENGTH} bytes from weft-host: " + ", ".join(f"{n} {c}" for c, n in sorted(taken.items())) +
          f"; {filler / len(records):.0f} bytes of each fill up its host name; "
          f"zlib makes 256 KiB of them {shrinks(b''.join(records)):.0f} times smaller")


main()
