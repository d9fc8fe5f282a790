#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares weft's record JSON with python3-protobuf's over random schemas and messages, both directions.

usage: json_vs_python.py SCHEMA_TOOL [--schemas N] [--seed S]
Exit 77 where python3-protobuf is missing. A failure names the seed that shows it again.
"""
import argparse
import contextlib
import io
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    from google.protobuf import duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
except ImportError:
    print("skipped: python3-protobuf is not installed")
    sys.exit(77)

F = descriptor_pb2.FieldDescriptorProto
KNOWN_FILES = [m.DESCRIPTOR for m in (timestamp_pb2, duration_pb2, field_mask_pb2, struct_pb2, wrappers_pb2, empty_pb2)]
KNOWN_TYPES = ["Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Empty", "DoubleValue", "FloatValue",
               "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue"]
SCALARS = [F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_INT32, F.TYPE_FIXED64, F.TYPE_FIXED32,
           F.TYPE_BOOL, F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_UINT32, F.TYPE_SFIXED32, F.TYPE_SFIXED64, F.TYPE_SINT32,
           F.TYPE_SINT64]
KEYS = [t for t in SCALARS if t not in (F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_BYTES)]
NOT_PACKED = (F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE)


class SchemaMaker:
    """One random file: a few enums and messages that refer to one another."""

    def __init__(self, rng, name):
        self.rng = rng
        self.proto2 = rng.random() < 0.2
        self.package = "weft.random.%s" % name
        self.file = descriptor_pb2.FileDescriptorProto(
            name="weft/random/%s.proto" % name, package=self.package,
            syntax="proto2" if self.proto2 else "proto3", dependency=[f.name for f in KNOWN_FILES])
        self.serial = 0

    def word(self):
        self.serial += 1
        parts = self.rng.choices(["disk", "used", "bytes", "mem", "x", "q9", "HTTP", "ioWait", "a"], k=self.rng.randint(1, 3))
        return "%s%s_%d" % (self.rng.choice(["", "", "_"]), "_".join(parts), self.serial)

    def make_enum(self, holder, scope, index):
        e = holder.enum_type.add(name="Kind%d" % index) if scope else holder.add(name="Kind%d" % index)
        numbers = [0] + self.rng.sample(range(-5, 40), self.rng.randint(0, 6))
        if self.rng.random() < 0.3:
            e.options.allow_alias = True
            numbers.append(numbers[-1])
        elif len(set(numbers)) != len(numbers):
            numbers = sorted(set(numbers), key=lambda n: n != 0)
        for n in numbers:
            self.serial += 1
            e.value.add(name="V_%d" % self.serial, number=n)

    def numbers(self, count):
        style = self.rng.random()
        if style < 0.5:
            return list(range(1, count + 1))
        picks = self.rng.sample([n for n in range(1, 300)] + [18999, 20000, 536870911], count)
        return picks

    def set_type(self, field, allow_known=True):
        pick = self.rng.random()
        if pick < 0.62:
            field.type = self.rng.choice(SCALARS)
        elif pick < 0.72:
            field.type, field.type_name = F.TYPE_ENUM, self.rng.choice(self.enums)
        elif pick < 0.86 or not allow_known:
            field.type, field.type_name = F.TYPE_MESSAGE, self.rng.choice(self.messages)
        else:
            field.type = F.TYPE_MESSAGE
            field.type_name = ".google.protobuf." + self.rng.choice(KNOWN_TYPES)

    def make_map(self, message, scope, name, number):
        entry_name = "".join(p[:1].upper() + p[1:] for p in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=F.LABEL_OPTIONAL, type=self.rng.choice(KEYS), json_name="key")
        value = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL, json_name="value")
        self.set_type(value)
        field = message.field.add(name=name, number=number, label=F.LABEL_REPEATED, type=F.TYPE_MESSAGE,
                                  type_name=".%s.%s" % (scope, entry_name))
        return field

    def make_field(self, message, scope, name, number):
        if self.rng.random() < 0.15:
            return self.make_map(message, scope, name, number)
        field = message.field.add(name=name, number=number, label=F.LABEL_OPTIONAL)
        self.set_type(field)
        pick = self.rng.random()
        if pick < 0.3:
            field.label = F.LABEL_REPEATED
            if field.type not in NOT_PACKED and self.rng.random() < 0.5:
                field.options.packed = self.rng.random() < 0.5
        elif pick < 0.5 and message.oneof_decl:
            field.oneof_index = self.rng.randrange(len(message.oneof_decl))
        elif pick < 0.6 and self.proto2 and field.type != F.TYPE_MESSAGE:
            field.label = F.LABEL_REQUIRED
        elif pick < 0.7 and not self.proto2:
            field.proto3_optional = True
        if self.rng.random() < 0.1:
            field.json_name = "json-%d ü" % number
        return field

    def make_message(self, message):
        scope = "%s.%s" % (self.package, message.name)
        for i in range(self.rng.choice([0, 0, 1, 2])):
            message.oneof_decl.add(name="choice_%d" % i)
        count = self.rng.randint(1, 12)
        for number in self.numbers(count):
            self.make_field(message, scope, self.word(), number)
        # Members of a oneof stand together.
        fields = sorted(message.field, key=lambda f: f.oneof_index if f.HasField("oneof_index") else -1)
        del message.field[:]
        message.field.extend(fields)
        used = sorted({f.oneof_index for f in message.field if f.HasField("oneof_index")})
        kept = [message.oneof_decl[i].name for i in used]
        del message.oneof_decl[:]
        for name in kept:
            message.oneof_decl.add(name=name)
        for f in message.field:
            if f.HasField("oneof_index"):
                f.oneof_index = used.index(f.oneof_index)
        for f in message.field:
            if f.proto3_optional:
                f.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name="%s%s" % ("X" if f.name[0] == "_" else "_", f.name))  # as protoc

    def make(self):
        count = self.rng.randint(1, 4)
        self.messages = [".%s.Message%d" % (self.package, i) for i in range(count)]
        self.enums = [".%s.Kind%d" % (self.package, i) for i in range(2)]
        for i in range(2):
            self.make_enum(self.file.enum_type, None, i)
        for i in range(count):
            self.make_message(self.file.message_type.add(name="Message%d" % i))
        return self.file


class MessageMaker:
    """Fills a message with values chosen for their edges."""

    def __init__(self, rng):
        self.rng = rng

    def real(self, single):
        r = self.rng
        pick = r.random()
        if pick < 0.15:
            return r.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, -1.0, 0.1, 1e15, 1e16, 1e17, 123456789012345680.0,
                             5e-324, 1e-5, 1e-4, 0.0001234, 1.7976931348623157e308, 2.2250738585072014e-308, 3.4028234663852886e38,
                             1.401298464324817e-45, 1.1754943508222875e-38, 16777216.0, 1e22, 1e23, 9007199254740993.0])
        if pick < 0.3:
            return float(r.randint(-10**r.randint(1, 18), 10**r.randint(1, 18)))
        if pick < 0.45:
            return math.ldexp(1.0, r.randint(-1074, 1023)) if not single else math.ldexp(1.0, r.randint(-149, 127))
        if pick < 0.7:
            return round(r.uniform(-1000, 1000), r.randint(0, 6))
        if single:
            return struct.unpack("<f", struct.pack("<I", r.getrandbits(32)))[0]
        return struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]

    def whole(self, low, high):
        r = self.rng
        return r.choice([low, high, 0 if low <= 0 else low, r.randint(low, high), r.randint(max(low, -200), 200)])

    def text(self):
        pieces = ["a", "Z", "é", "日本", "🦊", "\"", "\\", "/", "\n", "\t", "\b", "\f", "\r", "\x01", "\x7f", "<&>", "\u2028", " ", "0"]
        return "".join(self.rng.choices(pieces, k=self.rng.choice([0, 1, 3, 10])))

    def scalar(self, field):
        t, r = field.type, self.rng
        if t == F.TYPE_BOOL:
            return r.random() < 0.5
        if t in (F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32):
            return self.whole(-2**31, 2**31 - 1)
        if t in (F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64):
            return self.whole(-2**63, 2**63 - 1)
        if t in (F.TYPE_UINT32, F.TYPE_FIXED32):
            return self.whole(0, 2**32 - 1)
        if t in (F.TYPE_UINT64, F.TYPE_FIXED64):
            return self.whole(0, 2**64 - 1)
        if t == F.TYPE_FLOAT:
            v = self.real(True)
            return v if not math.isfinite(v) or abs(v) <= 3.4028234663852886e38 else 1.5
        if t == F.TYPE_DOUBLE:
            return self.real(False)
        if t == F.TYPE_STRING:
            return self.text()
        if t == F.TYPE_BYTES:
            return bytes(r.getrandbits(8) for _ in range(r.choice([0, 1, 2, 3, 4, 17])))
        if t == F.TYPE_ENUM:
            numbers = [v.number for v in field.enum_type.values]
            open_enum = field.file.syntax == "proto3" and field.enum_type.full_name != "google.protobuf.NullValue"
            return r.choice(numbers + ([77, -2**31] if open_enum and r.random() < 0.2 else []))
        raise AssertionError(t)

    def json_value(self, depth):
        r = self.rng
        pick = r.randrange(6 if depth < 3 else 4)
        if pick == 0:
            return None
        if pick == 1:
            return r.random() < 0.5
        if pick == 2:
            v = self.real(False)
            return v if math.isfinite(v) else 2.5
        if pick == 3:
            return self.text()
        if pick == 4:
            return [self.json_value(depth + 1) for _ in range(r.randint(0, 3))]
        return {self.text(): self.json_value(depth + 1) for _ in range(r.randint(0, 3))}

    def known(self, message):
        r, name = self.rng, message.DESCRIPTOR.name
        if name == "Timestamp":
            message.seconds = r.choice([-62135596800, 253402300799, 0, -1, r.randint(-62135596800, 253402300799), 1700000000])
            message.nanos = r.choice([0, 1, 1000, 1000000, 999999999, 500000000, r.randint(0, 999999999)])
        elif name == "Duration":
            sign = r.choice([-1, 1])
            message.seconds = sign * r.choice([0, 1, 315576000000, r.randint(0, 10**6)])
            message.nanos = sign * r.choice([0, 1, 1000, 1000000, 999999999])
            if abs(message.seconds) == 315576000000:
                message.nanos = 0
        elif name == "FieldMask":
            message.paths.extend(r.choice(["a", "foo_bar", "a.b_c.d", "x_y_z"]) for _ in range(r.randint(0, 3)))
        elif name == "Struct":
            json_format.ParseDict({self.text(): self.json_value(0) for _ in range(r.randint(0, 3))}, message)
        elif name == "ListValue":
            json_format.ParseDict([self.json_value(0) for _ in range(r.randint(0, 3))], message)
        elif name == "Value":
            if r.random() < 0.9:
                json_format.ParseDict(self.json_value(0), message)
        elif name != "Empty" and r.random() < 0.8:
            message.value = self.scalar(message.DESCRIPTOR.fields_by_name["value"])

    def fill_map(self, message, field, depth):
        entries = getattr(message, field.name)
        key_field, value_field = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        for _ in range(self.rng.choice([0, 1, 2, 4])):
            key = self.scalar(key_field)
            if value_field.type == F.TYPE_MESSAGE:
                self.fill(entries[key], depth + 1)
            else:
                entries[key] = self.scalar(value_field)

    def fill(self, message, depth=0):
        if message.DESCRIPTOR.file.package == "google.protobuf":
            self.known(message)
            return message
        for field in message.DESCRIPTOR.fields:
            is_message = field.type == F.TYPE_MESSAGE
            required = field.label == F.LABEL_REQUIRED
            if not required and self.rng.random() < (0.3 if depth == 0 else 0.5):
                continue
            if is_message and field.message_type.GetOptions().map_entry:
                if depth < 4:
                    self.fill_map(message, field, depth)
            elif field.label == F.LABEL_REPEATED:
                for _ in range(self.rng.choice([0, 1, 2, 5])):
                    if not is_message:
                        getattr(message, field.name).append(self.scalar(field))
                    elif depth < 4:
                        self.fill(getattr(message, field.name).add(), depth + 1)
            elif is_message:
                if depth < 4:
                    getattr(message, field.name).SetInParent()
                    self.fill(getattr(message, field.name), depth + 1)
            else:
                setattr(message, field.name, self.scalar(field))
        return message


class Tool:
    """One run of the C tool over many inputs."""

    def __init__(self, path):
        self.path = path

    def run(self, mode, set_file, message, inputs):
        data = b"".join(struct.pack(">I", len(i)) + i for i in inputs)
        done = subprocess.run([self.path, mode, set_file, message], input=data, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit("%s exits %d" % (self.path, done.returncode))
        out, results = done.stdout, []
        while out:
            status, length = out[:1], struct.unpack(">I", out[1:5])[0]
            results.append((status == b"+", out[5:5 + length]))
            out = out[5 + length:]
        if len(results) != len(inputs):
            raise SystemExit("%d results for %d inputs" % (len(results), len(inputs)))
        return results


class Liar:
    """The tool with one kind of answer changed a little: the comparison must notice."""

    def __init__(self, tool, mode, change):
        self.tool, self.mode, self.change = tool, mode, change

    def run(self, mode, set_file, message, inputs):
        results = self.tool.run(mode, set_file, message, inputs)
        return [(ok, self.change(out)) for ok, out in results] if mode == self.mode else results


LIES = [
    ("decode", lambda text: text.replace(b"0", b"0.0", 1)),  # the same number, another token
    ("decode", lambda text: re.sub(rb'"([^"]*)":', rb'"x\1":', text, count=1)),
    ("encode", lambda packed: packed + b"\0" if packed else b"\0"),
]


def tokens(text):
    """JSON with its number tokens kept as text, keys sorted."""
    value = json.loads(text, parse_float=lambda t: {"#": t}, parse_int=lambda t: {"#": t})
    return json.dumps(value, sort_keys=True)


def shuffled(text, rng):
    """The same JSON with the keys of every object in another order."""
    def shuffle(pairs):
        rng.shuffle(pairs)
        return dict(pairs)

    return json.dumps(json.loads(text, object_pairs_hook=shuffle), ensure_ascii=rng.random() < 0.5)


def flip_packing(file):
    other = descriptor_pb2.FileDescriptorProto()
    other.CopyFrom(file)
    for m in other.message_type:
        for f in m.field:
            if f.label == F.LABEL_REPEATED and f.type not in NOT_PACKED:
                packed = f.options.packed if f.options.HasField("packed") else other.syntax == "proto3"
                f.options.packed = not packed
    return other


def classes_of(file, name):
    pool = descriptor_pool.DescriptorPool()
    for known in KNOWN_FILES:
        known_proto = descriptor_pb2.FileDescriptorProto()
        known.CopyToProto(known_proto)
        pool.Add(known_proto)
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))


def descriptor_set(file):
    s = descriptor_pb2.FileDescriptorSet()
    for known in KNOWN_FILES:
        known.CopyToProto(s.file.add())
    s.file.add().CopyFrom(file)
    return s.SerializeToString()


class Comparison:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder
        self.messages = self.texts = 0

    def schema(self, seed):
        rng = random.Random(seed)
        file = SchemaMaker(rng, "s%d" % seed).make()
        name = "%s.Message0" % file.package
        cls, twin = classes_of(file, name), classes_of(flip_packing(file), name)
        set_file = os.path.join(self.folder, "%d.set" % seed)
        with open(set_file, "wb") as out:
            out.write(descriptor_set(file))
        maker = MessageMaker(rng)
        records = [maker.fill(cls()).SerializeToString() for _ in range(3)]
        records += [b"" if not cls().ListFields() and cls().IsInitialized() else records[0]]
        # Merging: two messages end to end are one; the other form of packing reads the same.
        records += [records[0] + records[1], records[1] + records[2] + records[0]]
        records += [twin.FromString(records[2]).SerializeToString()]
        parsed = [cls.FromString(r) for r in records]
        self.decode(seed, set_file, name, records, parsed)
        self.encode(seed, set_file, name, cls, parsed, rng)
        self.messages += len(records)

    def encode(self, seed, set_file, name, cls, parsed, rng):
        """Their JSON, in three spellings and any order of keys, gives the bytes that they would write."""
        texts, wants = [], []
        for message in parsed:
            for names, numbers in ((False, False), (True, False), (False, True)):
                try:
                    text = json_format.MessageToJson(message, preserving_proto_field_name=names, use_integers_for_enums=numbers)
                    want = json_format.Parse(text, cls())
                except (json_format.SerializeToJsonError, json_format.ParseError):
                    continue  # a Duration of two signs; null in a list of NullValue
                texts.append(shuffled(text, rng).encode())
                wants.append(want.SerializeToString(deterministic=True))
        self.texts += len(texts)
        ours = self.tool.run("encode", set_file, name, texts)
        for text, want, (ok, got) in zip(texts, wants, ours):
            if not ok or got != want:
                self.fail(seed, "encode differs for\n" + text.decode(), want.hex(), got.hex() if ok else got.decode())

    def decode(self, seed, set_file, name, records, parsed):
        ours = self.tool.run("decode", set_file, name, records)
        for i, (message, (ok, text)) in enumerate(zip(parsed, ours)):
            try:
                theirs = json_format.MessageToJson(message)
            except json_format.SerializeToJsonError as refusal:
                # Merging can give a Duration of two signs: both must refuse it.
                if ok:
                    self.fail(seed, "decode of message %d should be refused" % i, str(refusal), text.decode())
                continue
            if not ok or tokens(text) != tokens(theirs):
                self.fail(seed, "decode of message %d differs" % i, theirs, text.decode(errors="replace"))

    def notices(self, mode, change, seeds):
        """Whether a tool that lies so is caught within these seeds."""
        liar = Comparison(Liar(self.tool, mode, change), self.folder)
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                for seed in seeds:
                    liar.schema(seed)
            except SystemExit:
                return True
        return False

    def numbers(self, seed):
        """Every power of two with its neighbours, subnormals and random bits: where shortest printing goes wrong."""
        rng = random.Random(seed)
        powers = [math.ldexp(1.0, e) for e in range(-1074, 1024)]
        doubles = powers + [math.nextafter(p, to) for p in powers for to in (0.0, math.inf)]
        doubles += [rng.getrandbits(rng.randint(1, 52)) * 5e-324 for _ in range(2000)]
        doubles += [struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0] for _ in range(10000)]
        floats = [math.ldexp(1.0, e) for e in range(-149, 128)]
        floats += [struct.unpack("<f", struct.pack("<I", rng.getrandbits(32)))[0] for _ in range(10000)]
        file = descriptor_pb2.FileDescriptorProto(name="numbers.proto", package="weft.random", syntax="proto3")
        message = file.message_type.add(name="Numbers")
        message.field.add(name="d", number=1, label=F.LABEL_REPEATED, type=F.TYPE_DOUBLE, json_name="d")
        message.field.add(name="f", number=2, label=F.LABEL_REPEATED, type=F.TYPE_FLOAT, json_name="f")
        set_file = os.path.join(self.folder, "numbers.set")
        with open(set_file, "wb") as out:
            out.write(descriptor_set(file))
        cls = classes_of(file, "weft.random.Numbers")
        parsed = [cls(d=doubles), cls(f=floats)]
        self.decode(seed, set_file, "weft.random.Numbers", [m.SerializeToString() for m in parsed], parsed)
        self.encode(seed, set_file, "weft.random.Numbers", cls, parsed, rng)

    @staticmethod
    def fail(seed, what, want, got):
        print("seed %d: %s\n--- python3-protobuf\n%s\n--- weft\n%s" % (seed, what, want, got))
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print("seeds %d to %d" % (args.seed, args.seed + args.schemas - 1))
    with tempfile.TemporaryDirectory(prefix="weft-json-") as folder:
        comparison = Comparison(Tool(args.tool), folder)
        for number, (mode, change) in enumerate(LIES):
            if not comparison.notices(mode, change, range(args.seed, args.seed + 5)):
                raise SystemExit("a planted difference in %s is not noticed (%d)" % (mode, number))
        comparison.numbers(args.seed)
        for seed in range(args.seed, args.seed + args.schemas):
            comparison.schema(seed)
    if comparison.messages < 7 * args.schemas or comparison.texts < 2 * comparison.messages:
        raise SystemExit("too little was compared: %d messages, %d texts" % (comparison.messages, comparison.texts))
    print("%d schemas, %d messages printed, %d JSON texts read: equal" % (args.schemas, comparison.messages, comparison.texts))


if __name__ == "__main__":
    main()
